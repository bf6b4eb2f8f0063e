/** Kokoro's parts by kernels of floats, against what its own code computes. */
import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkKokoro, KOKORO_GOLDEN } from '../kokoro-golden.ts';
import { softwareExecutor } from './shared-device.ts';

describe.skipIf(!hasShared(KOKORO_GOLDEN))('kokoro on the software adapter', () => {
  // Of its 13 s most go into compiling kernels.
  it('speaks as its own code does', { tags: 'slow', timeout: 240_000 }, async () => {
    await checkKokoro(await softwareExecutor({}), 2e-4, ['short']);
  });
});
