import { describe, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkParts, checkSeen, checkTower, checkWidened, loadVision, readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import type { Executor } from '../graph/executor.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

const ROOMS: readonly (readonly [string, number, () => Promise<Executor>])[] = [
  ['the reference', 2e-5, async () => createReferenceExecutor()],
  ['the CPU with 1 thread', 1e-4, () => openExecutor({ device: 'cpu', threads: 1 })],
  ['the CPU with 3 threads', 1e-4, () => openExecutor({ device: 'cpu', threads: 3 })],
];

describe.each(VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`)))('%s sees what transformers sees', (name) => {
  test.each(ROOMS)('on %s', async (_, tolerance, open) => {
    const golden = readVisionGolden(name);
    const loaded = await loadVision(await open(), golden);
    await checkTower(loaded, golden, tolerance);
    await checkParts(loaded, golden);
    await checkSeen(loaded, golden, tolerance);
    await loaded.program.dispose();
  });
});

test.runIf(hasShared('golden/lfm2_vl/golden.json'))('layers of any width between their products are widened by zeros', () =>
  checkWidened(createReferenceExecutor(), 1e-12));
