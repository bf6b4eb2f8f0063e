import { describe, expect, test } from 'vitest';
import { bytesOf, f32Of, fixturesPath, readFixtureTensors } from '../../../test/fixture-tensors.ts';
import { FormatError } from '../errors.ts';
import { QUANT_LAYOUTS, type BlockLayout } from '../quant-layout.ts';
import { TENSOR_TYPES, WEIGHT_TYPES } from '../tensor-type.ts';
import { decodeByLayout } from './decode-layout.ts';
import { decodeRows } from './decode-rows.ts';

const golden = readFixtureTensors(`${fixturesPath}quant/quant.safetensors`);

function expectSameValues(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) if (!Object.is(got[i], want[i]) && got[i] !== want[i]) expect([i, got[i]]).toEqual([i, want[i]]);
}

function decodeAllByLayout(layout: BlockLayout, bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / layout.blockBytes;
  return Float32Array.from({ length: blocks * layout.blockSize }, (_, i) =>
    decodeByLayout(layout, bytes, Math.floor(i / layout.blockSize) * layout.blockBytes, i % layout.blockSize));
}

describe('decodeRows gives the values of gguf-py', () => {
  test.each(['f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const)('%s', (type) => {
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

const f16At = (offset: number) => ({ levels: 1, format: 'f16', offset }) as const;
const k4At = (offset: number) =>
  ({ levels: 2, format: 'f16', offset, subBits: 6, subSigned: false, subOffset: 4, subPacking: 'k4' }) as const;
const q2At = (offset: number) =>
  ({ levels: 2, format: 'f16', offset, subBits: 4, subSigned: false, subOffset: 0, subPacking: 'nibbles' }) as const;
const nibbles = (offset: number, run: number) => ({ bits: 4, offset, run, codeShift: 0 }) as const;
const fifthBit = (offset: number, run: number) => ({ bits: 1, offset, run, codeShift: 4 }) as const;

describe('a layout record alone gives the values', () => {
  test.each(['q8_0', 'q4_0', 'q4_k', 'q6_k'] as const)('%s', (type) => {
    const got = decodeAllByLayout(QUANT_LAYOUTS[type], bytesOf(golden, `${type.toUpperCase()}.blocks`));
    expectSameValues(got, f32Of(golden, `${type.toUpperCase()}.values`));
  });

  test('every weight type has a record that agrees with the table of types', () => {
    for (const type of WEIGHT_TYPES) {
      const { blockSize, blockBytes } = TENSOR_TYPES[type];
      expect(QUANT_LAYOUTS[type]).toMatchObject({ type, blockSize, blockBytes });
      const layout = QUANT_LAYOUTS[type];
      if (layout.kind === 'block') expect(layout.groupSize * layout.groupsPerBlock).toBe(blockSize);
    }
  });

  // Formats that nothing computes with yet: their records need no new code.
  const small = { kind: 'block', codeSigned: false, blockSize: 32, groupSize: 32, groupsPerBlock: 1 } as const;
  const later: BlockLayout[] = [
    {
      ...small,
      type: 'q4_1',
      blockBytes: 20,
      codeBits: 4,
      codePlanes: [nibbles(4, 16)],
      scale: f16At(0),
      zeroPoint: 0,
      minimum: { value: f16At(2), sign: 1 },
    },
    {
      ...small,
      type: 'q5_0',
      blockBytes: 22,
      codeBits: 5,
      codePlanes: [nibbles(6, 16), fifthBit(2, 1)],
      scale: f16At(0),
      zeroPoint: 16,
      minimum: undefined,
    },
    {
      ...small,
      type: 'q5_1',
      blockBytes: 24,
      codeBits: 5,
      codePlanes: [nibbles(8, 16), fifthBit(4, 1)],
      scale: f16At(0),
      zeroPoint: 0,
      minimum: { value: f16At(2), sign: 1 },
    },
    {
      ...QUANT_LAYOUTS.q4_k,
      type: 'q5_k',
      blockBytes: 176,
      codeBits: 5,
      codePlanes: [nibbles(48, 32), fifthBit(16, 32)],
      minimum: { value: k4At(2), sign: -1 },
    },
    {
      ...QUANT_LAYOUTS.q4_k,
      type: 'q2_k',
      blockBytes: 84,
      codeBits: 2,
      codePlanes: [{ bits: 2, offset: 16, run: 32, codeShift: 0 }],
      groupSize: 16,
      groupsPerBlock: 16,
      scale: q2At(80),
      minimum: { value: q2At(82), sign: -1 },
    },
  ];
  test.each(later.map((layout) => [layout.type, layout] as const))('%s, as data', (type, layout) => {
    const want = f32Of(golden, `${type.toUpperCase()}.values`);
    expectSameValues(decodeAllByLayout(layout, bytesOf(golden, `${type.toUpperCase()}.blocks`)), want);
  });
});
