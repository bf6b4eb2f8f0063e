/** Tensors of blocks as the f32 values that they stand for, where they are written anew and an expression may reach into their rows. */
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { readUnits } from '../tensor/read-units.ts';
import type { Units } from '../tensor/read-units.ts';
import { elementsOf, isQuantized, isWeightType, TENSOR_TYPES } from '../tensor/tensor-type.ts';

/** Values decoded at a time, unless one block has more: 1 MiB. */
const CHUNK_VALUES = 1 << 18;

/** The same checkpoint, whose tensors of blocks are f32. */
export function withBlocksDecoded(checkpoint: Checkpoint): Checkpoint {
  const tensors = [...checkpoint.tensors].map(([name, entry]) => [name, isBlocks(entry) ? decoded(entry) : entry] as const);
  return { ...checkpoint, tensors: new Map(tensors) };
}

function isBlocks({ type }: TensorEntry): boolean {
  return isWeightType(type) && isQuantized(type);
}

function decoded(entry: TensorEntry): TensorEntry {
  const { type, shape } = entry;
  const { blockSize, blockBytes } = TENSOR_TYPES[type];
  const units: Units = {
    unitBytes: 4 * blockSize,
    mostUnits: Math.max(1, CHUNK_VALUES / blockSize),
    async make(first, count, options) {
      const blocks = new Uint8Array(count * blockBytes);
      await entry.read(first * blockBytes, blocks, options);
      const values = new Float32Array(count * blockSize);
      decodeRows(type, blocks, values);
      return new Uint8Array(values.buffer);
    },
  };
  return {
    ...entry,
    type: 'f32',
    sizeBytes: 4 * elementsOf(shape),
    read: (byteOffset, into, options) => readUnits(units, byteOffset, into, options),
  };
}
