import { describe, expect, test } from 'vitest';
import { bytesOf, f32Of, fixturesPath, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import { FormatError } from '../errors.ts';
import { formatOf, WEIGHT_TYPES } from '../formats/weight-formats.ts';
import { TENSOR_TYPES } from '../tensor-type.ts';
import { decodeRows } from './decode-rows.ts';

const golden = readFixtureTensors(`${fixturesPath}quant/quant.safetensors`);

function expectSameValues(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) if (!Object.is(got[i], want[i]) && got[i] !== want[i]) expect([i, got[i]]).toEqual([i, want[i]]);
}

/** Formats that ggml has: their goldens are gguf-py's. */
const GGML_TYPES = WEIGHT_TYPES.filter((type) => formatOf(type).ggmlId !== undefined && type !== 'f32');

describe('decodeRows gives the values of gguf-py, bit for bit', () => {
  test.each(GGML_TYPES)('%s', (type) => {
    const want = f32Of(golden, `${type.toUpperCase()}.values`);
    const blocks = bytesOf(golden, `${type.toUpperCase()}.blocks`);
    const got = new Float32Array(want.length);
    decodeRows(type, blocks, got);
    expectSameValues(got, want);
    const shifted = new Uint8Array(blocks.length + 1);
    shifted.set(blocks, 1);
    const again = new Float32Array(want.length);
    decodeRows(type, shifted.subarray(1), again);
    expectSameValues(again, want);
  });

  test('f32 at any alignment', () => {
    const want = Float32Array.of(1.5, -0, 3e38, 1e-42);
    const bytes = new Uint8Array(20);
    for (const offset of [0, 1, 4]) {
      bytes.set(new Uint8Array(want.buffer), offset);
      const got = new Float32Array(4);
      decodeRows('f32', bytes.subarray(offset), got);
      expect([...got]).toEqual([...want]);
    }
  });

  test('bytes that are too few and types that are not computed with are refused', () => {
    expect(() => decodeRows('q4_0', new Uint8Array(17), new Float32Array(32))).toThrow(/18 bytes; got 17/);
    expect(() => decodeRows('q4_0', new Uint8Array(18), new Float32Array(31))).toThrow(RangeError);
    expect(() => decodeRows('iq2_xs', new Uint8Array(74), new Float32Array(256))).toThrow(FormatError);
  });
});

test('every format is called by its name, and its groups fill its block', () => {
  for (const type of WEIGHT_TYPES) {
    const format = formatOf(type);
    expect(format.name).toBe(type);
    expect(TENSOR_TYPES[type]).toBe(format);
    if (format.kind === 'block') expect(format.groupSize * format.groupsPerBlock).toBe(format.blockSize);
  }
});
