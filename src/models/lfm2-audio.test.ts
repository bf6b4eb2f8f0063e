import { describe, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkDepth, checkEars, checkMixed, checkVocoder, LFM2_AUDIO_GOLDEN } from '../../test/lfm2-audio-golden.ts';
import type { Executor } from '../graph/executor.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

const ROOMS: readonly (readonly [string, number, () => Promise<Executor>])[] = [
  ['the reference', 2e-5, async () => createReferenceExecutor()],
  ['the CPU with 1 thread', 5e-5, () => openExecutor({ device: 'cpu', threads: 1 })],
  ['the CPU with 3 threads', 5e-5, () => openExecutor({ device: 'cpu', threads: 3 })],
];

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN)).each(ROOMS)('LFM2-Audio computes what its authors compute, on %s', (_, tolerance, open) => {
  test('of sounds', async () => checkEars(await open(), tolerance));
  test('of text, sound and speech in one sequence', async () => checkMixed(await open(), tolerance));
  test('the codes of frames', async () => checkDepth(await open(), tolerance));
  test('spectra of codes', async () => checkVocoder(await open(), tolerance));
});
