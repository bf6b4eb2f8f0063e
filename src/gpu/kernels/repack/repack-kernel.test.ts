import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { BufferData, TestDevice } from '../../../../test/gpu-harness.ts';
import { interleaveRows, packMatrix } from '../../../../test/gpu/pack-matrix.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { unpackMatrix } from '../../../../test/gpu/unpack-matrix.ts';
import { randomWeights, randomSource } from '../../../tensor/codec/random-weights.ts';
import { decodeRows } from '../../../tensor/codec/decode-rows.ts';
import { blockDecoder } from '../../../tensor/formats/decode-blocks.ts';
import { scalePlaces } from '../../../tensor/formats/scale-places.ts';
import { blockFormatOf } from '../../../tensor/formats/weight-formats.ts';
import type { BlockFormat } from '../../../tensor/formats/weight-format.ts';
import { f32ToF16 } from '../../../tensor/half.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES } from '../../../tensor/tensor-type.ts';
import type { WeightType } from '../../../tensor/tensor-type.ts';
import { layOutMatrix, packedFormatOf } from '../../packed-layout.ts';
import type { PackedBlocks, PackedFormat } from '../../packed-layout.ts';
import { ALL_FINITE, pieceUniform, RAW_SLACK_BYTES, repackKernel, repackWorkgroups } from './repack-kernel.ts';
import type { RepackPiece } from './repack-kernel.ts';

let device: TestDevice;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.close());

interface Piece extends Partial<RepackPiece> {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

interface Repacked {
  readonly planes: Record<string, Uint8Array>;
  readonly errors: Uint32Array;
}

/** Pieces one after another into one matrix of `rows` rows that begins as zeros. */
async function repack(format: PackedFormat, rows: number, cols: number, pieces: readonly Piece[]): Promise<Repacked> {
  const kernel = repackKernel({ format });
  const state: Record<string, BufferData> = { errors: new Uint32Array(2).fill(ALL_FINITE) };
  for (const { name, sizeBytes } of layOutMatrix(format, rows, cols).planes) state[name] = new Uint8Array(sizeBytes);
  for (const { bytes, ...piece } of pieces) {
    // What follows a piece is whatever was there before.
    const raw = new Uint8Array(bytes.length + RAW_SLACK_BYTES).fill(0xff);
    raw.set(bytes);
    const uniform = pieceUniform({ cols, firstRow: 0, rowOffset: 0, part: 0, parts: 1, errorSlot: 1, ...piece });
    const workgroups = repackWorkgroups({ format }, { rows: piece.rows, cols });
    const written = await device.run({ kernel, workgroups, buffers: { ...state, raw, piece: uniform } });
    for (const [name, data] of written) state[name] = data;
  }
  const { errors, ...planes } = state;
  return { planes: planes as Record<string, Uint8Array>, errors: errors as Uint32Array };
}

function decoded(type: WeightType, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  decodeRows(type, bytes, out);
  return out;
}

const colsOf = (type: WeightType) => (isQuantized(type) ? [1, 3].map((blocks) => blocks * TENSOR_TYPES[type].blockSize) : [1, 7, 64, 261]);

for (const { type, options } of typeCases(undefined, true)) {
  describe(type, options, () => {
    const format = packedFormatOf(type);

    it.each(colsOf(type))('37 rows of %i columns in pieces of 1, 19 and 17 rows', async (cols) => {
      const rows = 37;
      const bytes = randomWeights(type, rows, cols, randomSource(cols));
      const rowBytes = bytesOfElements(type, cols);
      const cut = [0, 1, 20, 37];
      const pieces = cut
        .slice(1)
        .map((end, i) => ({ bytes: bytes.subarray(cut[i]! * rowBytes, end * rowBytes), rows: end - cut[i]!, firstRow: cut[i]! }));
      const { planes, errors } = await repack(format, rows, cols, pieces);
      expect(planes).toEqual(packMatrix(type, rows, cols, bytes));
      expect(unpackMatrix(type, rows, cols, planes)).toEqual(decoded(type, bytes, rows * cols));
      expect([...errors]).toEqual([ALL_FINITE, ALL_FINITE]);
    });

    it('tensors of odd row counts one after another', async () => {
      const cols = colsOf(type)[1]!;
      const random = randomSource(5);
      const parts = [5, 3, 7].map((rows) => ({ bytes: randomWeights(type, rows, cols, random), rows }));
      const { planes } = await repack(format, 15, cols, parts.map((part, i) => ({ ...part, rowOffset: [0, 5, 8][i]! })));
      expect(planes).toEqual(packMatrix(type, 15, cols, Uint8Array.from(parts.flatMap(({ bytes }) => [...bytes]))));
    });

    it('two tensors interleaved, pieces that end inside 16 rows', async () => {
      const cols = colsOf(type)[1]!;
      const rowBytes = bytesOfElements(type, cols);
      const random = randomSource(6);
      const tensors = [randomWeights(type, 48, cols, random), randomWeights(type, 48, cols, random)];
      const pieces = tensors.flatMap((bytes, part) => [
        { bytes: bytes.subarray(0, 21 * rowBytes), rows: 21, part, parts: 2 },
        { bytes: bytes.subarray(21 * rowBytes), rows: 27, firstRow: 21, part, parts: 2 },
      ]);
      const { planes } = await repack(format, 96, cols, pieces);
      expect(planes).toEqual(packMatrix(type, 96, cols, interleaveRows(tensors, 48)));
    });
  });
}

describe('what is not finite', () => {
  const cases = [
    ['f32', 7, 9 * 4, [0, 0, 0xc0, 0x7f], 9],
    ['f32', 7, 9 * 4, [0, 0, 0x80, 0xff], 9],
    ['f16', 7, 10 * 2, [0, 0x7c], 10],
    ['f16', 7, 13 * 2, [1, 0xfe], 13],
    ['bf16', 7, 8 * 2, [0x80, 0x7f], 8],
    ['q8_0', 64, 3 * 34, [0, 0x7c], 3],
    ['q4_0', 64, 3 * 18, [1, 0xfc], 3],
    ['q4_k', 256, 2 * 144, [0, 0x7c], 2],
    ['q4_k', 256, 2 * 144 + 2, [0, 0x7e], 2],
    ['q6_k', 256, 210 + 208, [0, 0xfc], 1],
  ] as const;
  it.each(cases)('%s rows of %i columns, byte %i: %j', async (type, cols, at, poison, block) => {
    const bytes = randomWeights(type, 4, cols, randomSource(2));
    bytes.set(poison, at);
    const rowBytes = bytesOfElements(type, cols);
    // The second piece holds a later one, which must not win; the poison's block counts from the tensor's first row.
    bytes.set(poison, 3 * rowBytes + (at % TENSOR_TYPES[type].blockBytes));
    const pieces = [{ bytes: bytes.subarray(3 * rowBytes), rows: 1, firstRow: 3 }, { bytes: bytes.subarray(0, 3 * rowBytes), rows: 3 }];
    const format = packedFormatOf(type);
    const blocksPerRow = cols / TENSOR_TYPES[type].blockSize;
    expect([...(await repack(format, 4, cols, pieces.slice(0, 1))).errors]).toEqual([ALL_FINITE, 3 * blocksPerRow]);
    expect([...(await repack(format, 4, cols, pieces)).errors]).toEqual([ALL_FINITE, block]);
  });

  /** The place and bits of a scale, or code, that is no number: of each float of a block, and of a code that is a float. */
  function poisons(format: BlockFormat): readonly (readonly [place: number, bits: readonly number[]])[] {
    const NOT_FINITE: Readonly<Partial<Record<string, readonly number[]>>> = {
      f16: [1, 0xfc], bf16: [0x80, 0x7f], f32: [0, 0, 0x80, 0xff], e8m0: [255], e8m0Half: [255], ue4m3Half: [255],
    };
    const scales = scalePlaces(format).flatMap(({ format: name, offset }) => {
      const bits = NOT_FINITE[name];
      return bits ? [[offset, bits] as const] : [];
    });
    return format.code.kind === 'floats' ? [...scales, [format.blockBytes - 1, [0xff]]] : scales;
  }

  for (const { type, options } of typeCases(isQuantized)) {
    it(`${type}: every float of a block`, options, async () => {
      const layout = blockFormatOf(type);
      const cols = 2 * layout.blockSize;
      const clean = randomWeights(type, 3, cols, randomSource(3));
      for (const [place, bits] of poisons(layout)) {
        const bytes = clean.slice();
        bytes.set(bits, 3 * layout.blockBytes + place);
        const { errors } = await repack(packedFormatOf(type), 3, cols, [{ bytes, rows: 3 }]);
        expect([place, ...errors]).toEqual([place, ALL_FINITE, 3]);
      }
    });
  }

  it('the largest finite values pass', async () => {
    const f32 = new Uint8Array(Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1e-40).buffer);
    const f16 = Uint8Array.of(0xff, 0x7b, 0xff, 0xfb, 1, 0);
    const bf16 = Uint8Array.of(0x7f, 0x7f, 0x7f, 0xff, 1, 0);
    for (const [type, bytes] of [['f32', f32], ['f16', f16], ['bf16', bf16]] as const) {
      const { planes, errors } = await repack(packedFormatOf(type), 1, 3, [{ bytes, rows: 1 }]);
      expect(unpackMatrix(type, 1, 3, planes)).toEqual(decoded(type, bytes, 3));
      expect(errors[1]).toBe(ALL_FINITE);
    }
  });
});

/** Formats that no file has: only their records tell the kernel how to read them. */
describe('records of other formats', () => {
  const base = packedFormatOf('q4_0') as PackedBlocks;
  const records: readonly [string, BlockFormat, 4 | 8][] = [
    [
      'nibbles in runs of 4, scale last',
      {
        ...base.layout,
        blockBytes: 19,
        codePlanes: [{ bits: 4, offset: 1, run: 4, codeShift: 0 }],
        scale: { ...base.layout.scale, offset: 17 },
      },
      4,
    ],
    [
      'codes of two 2-bit planes',
      {
        ...base.layout,
        blockBytes: 18,
        codePlanes: [
          { bits: 2, offset: 10, run: 8, codeShift: 2 },
          { bits: 2, offset: 2, run: 4, codeShift: 0 },
        ],
      },
      4,
    ],
    [
      '8-bit codes with a zero point',
      {
        ...base.layout, codeBits: 8, blockBytes: 35, codePlanes: [{ bits: 8, offset: 3, run: 32, codeShift: 0 }],
        code: { kind: 'offset', zeroPoint: 128 },
      },
      8,
    ],
  ];
  it.each(records)('%s', async (_, layout, codeBits) => {
    const [rows, blocks] = [3, 3];
    const random = randomSource(9);
    const bytes = Uint8Array.from({ length: rows * blocks * layout.blockBytes }, () => random() * 256);
    for (let at = layout.scale.offset; at < bytes.length; at += layout.blockBytes)
      new DataView(bytes.buffer).setUint16(at, f32ToF16(random()), true);
    const format: PackedBlocks = { ...base, layout, codeBits };
    const { planes } = await repack(format, rows, blocks * 32, [{ bytes, rows }]);
    const values = new Float32Array(rows * blocks * 32);
    blockDecoder(layout)(bytes, values);
    // 4 and 8-bit codes with direct scales read as q4_0 and q8_0 do.
    expect(unpackMatrix(codeBits === 4 ? 'q4_0' : 'q8_0', rows, blocks * 32, planes)).toEqual(values);
  });

  it('what the kernel cannot do is refused', () => {
    const refused = { ...base, layout: { ...base.layout, codePlanes: [{ bits: 4 as const, offset: 2, run: 1, codeShift: 0 }] } };
    expect(() => repackKernel({ format: refused })).toThrow('The GPU has no repacking for q4_0: codes in runs of 1.');
  });
});
