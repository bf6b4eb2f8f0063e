import { describe, test } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { checkWhisper, WHISPER_GOLDEN } from '../../test/whisper-golden.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe.skipIf(!hasShared(WHISPER_GOLDEN))('whisper hears and says what transformers does', () => {
  test('on the reference', () => checkWhisper(createReferenceExecutor(), 2e-5));

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkWhisper(await openExecutor({ device: 'cpu', threads }), 5e-5);
  });
});
