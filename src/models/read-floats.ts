/** Small tensors that the host computes with. */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import { elementsOf, isWeightType } from '../tensor/tensor-type.ts';

/**
 * All values of a tensor.
 * @param fileName for messages
 * @throws FormatError where it is missing, or of another shape or type
 */
export async function readFloats(
  fileName: string, tensors: ReadonlyMap<string, TensorEntry>, { name, shape }: Pick<TensorEntry, 'name' | 'shape'>, options?: ReadOptions,
): Promise<Float32Array> {
  const entry = tensors.get(name);
  if (entry === undefined || entry.shape.join() !== shape.join() || !isWeightType(entry.type)) {
    const found = entry === undefined ? 'none' : `[${entry.shape.join(', ')}]`;
    throw new FormatError(`${fileName}: expected ${name} [${shape.join(', ')}], found ${found}.`);
  }
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes, options);
  const values = new Float32Array(elementsOf(shape));
  decodeRows(entry.type, bytes, values);
  return values;
}
