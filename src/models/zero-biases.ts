/**
 * Biases of zeros in folders of packed weights: AutoGPTQ wrote one for every module that it packed, also where the model has none, so that
 * the published GPTQ folders of Llama and Qwen have them.
 */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { tensorsOf } from './weight-expression.ts';
import { exactNames } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** Says that biases of zeros, which no weight reads, are skipped. Those that hold other values are of another model: they stay extra. */
export async function zeroBiasSkips(
  { packing, format, tensors }: Checkpoint, specs: readonly WeightSpec[], options: ReadOptions = {},
): Promise<readonly SkipRule[]> {
  if (packing === undefined) return [];
  const read = new Set(specs.flatMap((spec) => tensorsOf(spec[format])));
  const names: string[] = [];
  for (const [name, entry] of tensors) {
    const matrix = name.replace(/\.bias$/, '.weight');
    const isExtra = matrix !== name && !read.has(name) && read.has(matrix);
    const isOfRows = entry.shape.length === 1 && entry.shape[0] === tensors.get(matrix)?.shape[0];
    if (isExtra && isOfRows && (await holdsZeros(entry, options))) names.push(name);
  }
  return names.length === 0 ? [] : [{ pattern: exactNames(names), reason: 'zeros: the model has no such bias' }];
}

async function holdsZeros(entry: TensorEntry, options: ReadOptions): Promise<boolean> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes, options);
  return bytes.every((byte) => byte === 0);
}
