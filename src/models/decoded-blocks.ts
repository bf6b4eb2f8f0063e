/** Tensors of blocks as the f32 values that they stand for, where they are written anew and an expression may reach into their rows. */
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { bytesOfElements, elementsOf, isQuantized, isWeightType, TENSOR_TYPES } from '../tensor/tensor-type.ts';

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
  const { blockSize } = TENSOR_TYPES[type];
  return {
    ...entry,
    type: 'f32',
    sizeBytes: 4 * elementsOf(shape),
    async read(byteOffset, into, options) {
      const end = byteOffset + into.length;
      for (let at = byteOffset; at < end; ) {
        options?.signal?.throwIfAborted();
        const first = Math.floor(at / 4 / blockSize) * blockSize;
        const count = Math.min(CHUNK_VALUES, Math.ceil(Math.ceil(end / 4 - first) / blockSize) * blockSize);
        const blocks = new Uint8Array(bytesOfElements(type, count));
        await entry.read(bytesOfElements(type, first), blocks, options);
        const values = new Float32Array(count);
        decodeRows(type, blocks, values);
        const until = Math.min(end, 4 * (first + count));
        into.set(new Uint8Array(values.buffer, at - 4 * first, until - at), at - byteOffset);
        at = until;
      }
    },
  };
}
