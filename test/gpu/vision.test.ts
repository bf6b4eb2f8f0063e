import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkSeen, checkTower, loadVision, readVisionGolden, VISION_GOLDENS } from '../vision-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.each(VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`)))('%s', (name) => {
  it('sees what transformers sees', async () => {
    const golden = readVisionGolden(name);
    const loaded = await loadVision(await softwareExecutor({ profile: TEST_PROFILES.float }), golden);
    await checkTower(loaded, golden, 1e-3);
    await checkSeen(loaded, golden, 1e-3);
    await loaded.program.dispose();
  }, 240_000);
});
