import { describe, it } from 'vitest';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { locate } from '../../src/node/open-path.ts';
import { checkAnswers, checkStreams } from '../check-seeing.ts';
import { hasShared } from '../fixture-tensors.ts';
import { checkParts, checkSeen, checkTower, checkWidened, loadVision, readVisionGolden, VISION_GOLDENS } from '../vision-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

describe.each(VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`)))('%s', (name) => {
  it('sees what transformers sees', async () => {
    const golden = readVisionGolden(name);
    const loaded = await loadVision(await softwareExecutor({ profile: TEST_PROFILES.float }), golden);
    await checkTower(loaded, golden, 1e-3);
    await checkParts(loaded, golden);
    await checkSeen(loaded, golden, 1e-3);
    await loaded.program.dispose();
  }, 240_000);

  // Tokens are chosen on the device, whose rows turn by shifted positions. Qwen3.5's language part has GPU tests of its own.
  if (name === 'qwen3_5_vl') return;
  it('answers as transformers does', async () => {
    const golden = readVisionGolden(name);
    const executor = await softwareExecutor({ profile: TEST_PROFILES.float });
    const model = await createModel({ checkpoint: await openCheckpoint(await locate(golden.folder)), executor, mostPatches: 64 });
    await checkAnswers(model, golden);
    await checkStreams(model, golden);
    await model.dispose();
  }, 240_000);
});

it.runIf(hasShared('golden/lfm2_vl/golden.json'))('layers of any width are widened as they are read, part by part', async () =>
  checkWidened(await softwareExecutor({ profile: TEST_PROFILES.float }), 1e-5), 240_000);
