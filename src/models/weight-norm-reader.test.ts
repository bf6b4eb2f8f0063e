import { describe, expect, test } from 'vitest';
import { weightNormReader } from './weight-norm-reader.ts';

type Reader = Parameters<typeof weightNormReader>[0];

function readerOf(values: readonly number[], shape: readonly number[]): Reader {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { type: 'f32', shape, read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) };
}

async function valuesOf({ read, shape }: Reader): Promise<number[]> {
  const bytes = new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
  await read(0, bytes);
  // Cut at a place within a value: as whole.
  const parts = new Uint8Array(bytes.length);
  await read(0, parts.subarray(0, 7));
  await read(7, parts.subarray(7));
  expect(parts).toEqual(bytes);
  return [...new Float32Array(bytes.buffer)];
}

describe('weight norm', () => {
  test('entries get their lengths; one of zeros stays', async () => {
    const norm = weightNormReader(readerOf([3, 4, 0, 0, 0, 2], [3, 1, 2]), readerOf([10, 7, -1], [3, 1, 1]));
    expect(await valuesOf(norm)).toEqual([6, 8, 0, 0, -0, -1]);
  });

  test('NaN of a length and of a value stays', async () => {
    const norm = weightNormReader(readerOf([3, 4, NaN, 1], [2, 2]), readerOf([NaN, 1], [2]));
    expect(await valuesOf(norm)).toEqual([NaN, NaN, NaN, NaN]);
  });
});
