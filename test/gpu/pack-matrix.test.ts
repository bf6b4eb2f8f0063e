import { describe, expect, it } from 'vitest';
import { randomWeights, randomSource } from '../../src/tensor/codec/random-weights.ts';
import { decodeRows } from '../../src/tensor/codec/decode-rows.ts';
import { isQuantized, TENSOR_TYPES, WEIGHT_TYPES } from '../../src/tensor/tensor-type.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { interleaveRows, packInterleaved, packMatrix } from './pack-matrix.ts';
import { unpackMatrix } from './unpack-matrix.ts';

function decoded(type: WeightType, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  decodeRows(type, bytes, out);
  return out;
}

describe('packed planes mean what the file means', () => {
  for (const type of WEIGHT_TYPES) {
    const block = TENSOR_TYPES[type].blockSize;
    for (const cols of isQuantized(type) ? [block, 3 * block] : [1, 7, 64, 261]) {
      it(`${type} [5, ${cols}]`, () => {
        const bytes = randomWeights(type, 5, cols, randomSource(cols));
        expect(unpackMatrix(type, 5, cols, packMatrix(type, 5, cols, bytes))).toEqual(decoded(type, bytes, 5 * cols));
      });
    }
  }

  it('interleaves 16 rows of gate with 16 of up', () => {
    const random = randomSource(3);
    const [gate, up] = [randomWeights('q4_0', 32, 32, random), randomWeights('q4_0', 32, 32, random)];
    const values = unpackMatrix('q4_0', 64, 32, packInterleaved('q4_0', gate, up, 32, 32));
    expect(values.subarray(0, 16 * 32)).toEqual(decoded('q4_0', gate, 16 * 32));
    expect(values.subarray(16 * 32, 32 * 32)).toEqual(decoded('q4_0', up, 16 * 32));
    expect(values.subarray(48 * 32)).toEqual(decoded('q4_0', up, 32 * 32).subarray(16 * 32));
    expect(interleaveRows([gate, up], 32)).toHaveLength(gate.length + up.length);
  });
});
