/** Weight norm undone (Salimans and Kingma 2016): directions, and the length of each. */
import type { WeightSource } from '../graph/executor.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { readUnits } from '../tensor/read-units.ts';
import type { Units } from '../tensor/read-units.ts';
import { bytesOfElements, elementsOf } from '../tensor/tensor-type.ts';

/** Floats that are read as they are asked for. */
type Floats = Pick<WeightSource, 'type' | 'shape' | 'read'>;

/** Bytes that a read makes at a time, or an entry where that is longer. */
const MADE_BYTES = 512 * 1024;

interface Range {
  readonly first: number;
  readonly count: number;
}

async function floatsFrom({ type, read }: Floats, { first, count }: Range, options: ReadOptions | undefined): Promise<Float32Array> {
  const bytes = new Uint8Array(bytesOfElements(type, count));
  await read(bytesOfElements(type, first), bytes, options);
  const values = new Float32Array(count);
  decodeRows(type, bytes, values);
  return values;
}

/** Each entry along the outermost dimension of `directions` at its length, as f32; what it is reckoned by is float64. */
export function weightNormReader(directions: Floats, lengths: Floats): Floats & { readonly type: 'f32' } {
  const { shape } = directions;
  const size = elementsOf(shape.slice(1));
  const entries: Units = {
    unitBytes: 4 * size,
    mostUnits: Math.max(1, Math.floor(MADE_BYTES / (4 * size))),
    async make(first, count, options) {
      const values = await floatsFrom(directions, { first: first * size, count: count * size }, options);
      const wanted = await floatsFrom(lengths, { first: 0, count: elementsOf(lengths.shape) }, options);
      for (let i = 0; i < count; i++) {
        const entry = values.subarray(i * size, (i + 1) * size);
        const present = Math.sqrt(entry.reduce((sum, value) => sum + value * value, 0));
        if (present !== 0) entry.forEach((value, k) => (entry[k] = (value * wanted[first + i]!) / present));
      }
      return new Uint8Array(values.buffer);
    },
  };
  return { type: 'f32', shape, read: (byteOffset, into, options) => readUnits(entries, byteOffset, into, options) };
}
