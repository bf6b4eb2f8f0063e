import { expect, it } from 'vitest';
import { goldenPath } from '../../test/goldens.ts';
import { entryOf } from '../../test/memory-checkpoint.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { locate } from '../node/open-path.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { ggufExport } from './gguf-export.ts';
import { openDecoder } from './open-decoder.ts';

const MATRICES = ['layers.0.mlp.down_proj', 'layers.1.mlp.gate_proj', 'layers.1.self_attn.o_proj'].map((name) => `model.${name}`);

/** The golden, packed in name alone, with biases that it does not have: all bytes are `byte`, and they have `more` values than rows. */
async function withBiases(byte: number, packing: string | undefined, more = 0): Promise<Checkpoint> {
  const own = await openCheckpoint(await locate(goldenPath('qwen3')));
  const biases = MATRICES.map((module) => {
    const name = `${module}.bias`;
    const length = own.tensors.get(`${module}.weight`)!.shape[0]! + more;
    return [name, entryOf(name, { type: 'f16', shape: [length], bytes: new Uint8Array(2 * length).fill(byte) })] as const;
  });
  return { ...own, packing, tensors: new Map([...own.tensors, ...biases]) };
}

it('biases of zeros beside packed weights are skipped, and said', async () => {
  const checkpoint = await withBiases(0, 'gptq');
  const { skipped, weights } = await openDecoder(checkpoint);
  expect(skipped).toEqual(MATRICES.map((module) => ({ name: `${module}.bias`, reason: 'zeros: the model has no such bias' })));
  const { tensors } = await ggufExport(checkpoint, { type: 'f32', modelName: 'x' });
  expect(tensors.some(({ name }) => name.endsWith('.bias'))).toBe(false);
  expect([...weights.keys()].some((id) => id.endsWith('bias'))).toBe(false);
  await checkpoint.close();
});

it.each([
  ['that hold numbers', 1, 'gptq', 0], ['of zeros beside floats', 0, undefined, 0], ['of another length', 0, 'gptq', 1],
] as const)('biases %s are tensors that the model does not have', async (_, byte, packing, more) => {
  const checkpoint = await withBiases(byte, packing, more);
  const wrong = /expected only tensors that the qwen3 architecture has, found model\.layers\.0\.mlp\.down_proj\.bias/;
  await expect(openDecoder(checkpoint)).rejects.toThrow(wrong);
  await expect(ggufExport(checkpoint, { type: 'f32', modelName: 'x' })).rejects.toThrow(wrong);
  await checkpoint.close();
});
