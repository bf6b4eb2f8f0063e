import { describe, expect, test } from 'vitest';
import { bytesOf, f32Of, fixturesPath, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import { bytesOfElements, TENSOR_TYPES, type TensorType } from '../tensor-type.ts';
import { decodeRows } from './decode-rows.ts';
import { encodeRows, findUnencodable } from './encode-rows.ts';

const golden = readFixtureTensors(`${fixturesPath}quant/quant.safetensors`);

function encode(type: TensorType, values: Float32Array): Uint8Array {
  const out = new Uint8Array(bytesOfElements(type, values.length));
  encodeRows(type, values, out);
  return out;
}

function roundTrip(type: TensorType, values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  decodeRows(type, encode(type, values), out);
  return out;
}

/** Root of the mean squared error over that of the values themselves. */
function relativeError(type: TensorType, values: Float32Array): number {
  const got = roundTrip(type, values);
  let error = 0;
  let power = 0;
  for (let i = 0; i < values.length; i++) {
    error += (got[i]! - values[i]!) ** 2;
    power += values[i]! ** 2;
  }
  return Math.sqrt(error / power);
}

/** Normal deviates from a linear congruential generator, the same everywhere. */
function normalValues(count: number, deviation: number): Float32Array {
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

describe('encodeRows', () => {
  test.each(['bf16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'mxfp4'] as const)('%s gives the bytes of gguf-py', (type) => {
    const name = type.toUpperCase();
    expect(Buffer.compare(encode(type, f32Of(golden, `${name}.input`)), bytesOf(golden, `${name}.quantized`))).toBe(0);
  });

  test('f16 gives back the f16 golden, infinities and subnormals included', () => {
    const values = f32Of(golden, 'F16.values');
    expect(Buffer.compare(encode('f16', values), bytesOf(golden, 'F16.blocks'))).toBe(0);
  });

  // Plain rounding of a normal variable to evenly spaced levels sets the scale: 6-bit and 4-bit codes over +-3 deviations.
  test.each([
    ['q8_0', 0.0066],
    ['q6_k', 0.019],
    ['q5_k', 0.038],
    ['q5_1', 0.046],
    ['q5_0', 0.048],
    ['q4_k', 0.076],
    ['q4_1', 0.091],
    ['iq4_xs', 0.08],
    ['iq4_nl', 0.08],
    ['q4_0', 0.095],
    ['q3_k', 0.16],
    ['mxfp4', 0.17],
    ['q2_k', 0.33],
  ] as const)('%s leaves a relative error under %d on normal values', (type, limit) => {
    expect(relativeError(type, normalValues(64 * 256, 0.02))).toBeLessThan(limit);
  });

  test('a tensor that was q4_k or q6_k before stays nearly what it was', () => {
    for (const type of ['q4_k', 'q6_k'] as const) {
      const once = roundTrip(type, normalValues(16 * 256, 0.05));
      expect(relativeError(type, once)).toBeLessThan(type === 'q4_k' ? 0.02 : 0.005);
    }
  });

  const fine = ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs'] as const;
  test.each(fine)('%s keeps zeros, one sign, spikes, tiny and large values', (type) => {
    const cases: [string, (i: number) => number, number][] = [
      ['zeros', () => 0, 0],
      ['positive', (i) => 1 + (i % 7) / 10, 0.12],
      ['negative', (i) => -1 - (i % 7) / 10, 0.12],
      ['spike', (i) => (i === 100 ? -50 : 0), 0.02],
      ['large', (i) => 1e4 * Math.sin(i), 0.13],
      ['small', (i) => 1e-3 * Math.sin(i), 0.13],
    ];
    for (const [name, value, limit] of cases) {
      const values = Float32Array.from({ length: 256 }, (_, i) => value(i));
      const got = roundTrip(type, values);
      const largest = Math.max(...values.map(Math.abs));
      for (let i = 0; i < 256; i++) {
        const miss = Math.abs(got[i]! - values[i]!);
        if (!(miss <= limit * largest)) expect([name, i, got[i]]).toEqual([name, i, values[i]]);
      }
    }
    for (const value of [1e-9, 1e-30, -1e-42]) expect(roundTrip(type, new Float32Array(256).fill(value)).every(Number.isFinite)).toBe(true);
  });

  test('groups of a super-block keep their own scales', () => {
    for (const type of ['q4_k', 'q6_k'] as const) {
      const values = normalValues(256, 1).map((value, i) => value * 1.5 ** -Math.floor(i / 32));
      expect(relativeError(type, values)).toBeLessThan(type === 'q4_k' ? 0.1 : 0.03);
    }
  });

  test('findUnencodable sees NaN, infinities and what f16 cannot hold', () => {
    const values = new Float32Array(TENSOR_TYPES.q4_k.blockSize).fill(1);
    expect(findUnencodable('q4_k', values)).toBe(-1);
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const type of ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const) {
        expect(findUnencodable(type, values.map((v, i) => (i === 77 ? bad : v)))).toBe(77);
      }
    }
    expect(findUnencodable('f16', Float32Array.of(65504, -65505))).toBe(1);
    expect(findUnencodable('bf16', Float32Array.of(65504, -65505))).toBe(-1);
  });
});
