import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import type { Executor } from '../../src/graph/executor.ts';
import { locate } from '../../src/node/open-path.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { fixturesPath } from '../fixture-tensors.ts';
import { softwareExecutor } from './shared-device.ts';

/** The golden's logits after some tokens, without the biases of k, o and up. */
async function logitsOn(executor: Executor): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(await locate(join(fixturesPath, 'golden', 'llama_bias')));
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => !/(k|o|up)_proj\.bias$/.test(name)));
  const model = await createModel({ checkpoint: { ...checkpoint, tensors }, executor });
  try {
    return await model.forward([5, 17, 99, 3, 42, 8, 61]);
  } finally {
    await model.dispose();
  }
}

it('products with a bias beside products without, in joined and gated matrices too', async () => {
  const [found, wanted] = [await logitsOn(await softwareExecutor({})), await logitsOn(createReferenceExecutor())];
  expect(wanted.findIndex((value, i) => !(Math.abs((found[i] as number) - value) < 1e-4))).toBe(-1);
}, 240_000);
