import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packMatrix } from '../../../../test/gpu/pack-matrix.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomWeights, randomSource } from '../../../tensor/codec/random-weights.ts';
import { decodeRows } from '../../../tensor/codec/decode-rows.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES } from '../../../tensor/tensor-type.ts';
import { embedKernel, embedWorkgroups } from './embed.ts';
import type { EmbedVariant } from './embed.ts';

const VOCAB = 11;

describe('embed', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  /** Past the vocabulary too: those read the last row. */
  async function check(variant: EmbedVariant, tokens: readonly number[]): Promise<void> {
    const { type, width, q8n, scale = 1, pieces = [{ firstRow: 0, rows: VOCAB }] } = variant;
    const rows = tokens.length;
    const random = randomSource(width);
    const bytes = randomWeights(type, VOCAB, width, random);
    const table = new Float32Array(VOCAB * width);
    decodeRows(type, bytes, table);
    const rowBytes = bytesOfElements(type, width);
    const planes = pieces.flatMap(({ firstRow, rows: own }, n) => {
      const packed = packMatrix(type, own, width, bytes.subarray(firstRow * rowBytes, (firstRow + own) * rowBytes));
      return Object.entries(packed).map(([name, plane]) => [`p${n}_${name}`, plane] as const);
    });
    const gain = Float32Array.from({ length: width }, () => random() * 2 - 0.5);
    const step = stepOf(rows);
    const out = await test.run({
      kernel: embedKernel(variant),
      workgroups: embedWorkgroups(variant, rows),
      buffers: {
        ...Object.fromEntries(planes), tokens: Uint32Array.from(tokens), y: new Float32Array((rows + 1) * width).fill(7), yGain: gain,
        step,
        ...emptyQ8(rows, width),
      },
    });
    const want = tokens.flatMap((token) => {
      const own = table.subarray(Math.min(token, VOCAB - 1) * width).subarray(0, width);
      return Array.from(own, (value) => value * scale);
    });
    // Floats are exact but for their factor; of blocks, the GPU rounds the scale, the product, the minimum and their difference.
    const error = (i: number) => {
      if (isQuantized(type)) return (4e-7 * Math.abs(want[i]!) + 2e-8) * scale;
      return scale === 1 ? 0 : 2e-7 * Math.abs(want[i]!);
    };
    const y = out.get('y') as Float32Array;
    const isBound = (i: number) => {
      const token = Math.min(tokens[Math.floor(i / width)] ?? Infinity, VOCAB - 1);
      return pieces.some(({ firstRow, rows: own }) => token >= firstRow && token < firstRow + own);
    };
    const isRow = (i: number) => i < want.length && isBound(i);
    expect([...y].findIndex((value, i) => !(isRow(i) ? Math.abs(value - want[i]!) <= error(i) : value === 7))).toBe(-1);
    if (q8n) {
      const got = writtenQ8(out, rows, width);
      expect(compareQ8(got, want, { norm: { ...q8n, gain }, error: (i) => error(i) + 1e-7 * Math.abs(want[i]!) })).toBeUndefined();
    }
  }

  for (const { type, options } of typeCases()) {
    it(`takes rows of a ${type} table`, options, async () => {
      const widths = isQuantized(type) ? [TENSOR_TYPES[type].blockSize, 3 * TENSOR_TYPES[type].blockSize] : [1, 7, 64, 261];
      for (const width of widths) await check({ type, vocab: VOCAB, width, q8n: undefined }, [3, 10, 0, 3, 4_000_000_000]);
    });
  }

  const pieces = [{ firstRow: 0, rows: 5 }, { firstRow: 5, rows: 4 }, { firstRow: 9, rows: 2 }];

  it.each(['f16', 'q8_0'] as const)('takes rows of a %s table that lies in pieces', async (type) => {
    const width = 96;
    const tokens = [4, 10, 5, 8, 9, 0, 4_000_000_000];
    await check({ type, vocab: VOCAB, width, q8n: undefined, pieces }, tokens);
    await check({ type, vocab: VOCAB, width, q8n: { eps: 1e-6 }, pieces, scale: 1.5 }, tokens);
  });

  it('leaves rows of pieces that it does not have as they are', async () => {
    for (const own of [pieces.slice(0, 1), pieces.slice(1, 2), pieces.slice(1)])
      await check({ type: 'q4_0', vocab: VOCAB, width: 64, q8n: undefined, pieces: own }, [4, 10, 5, 8, 9, 0, 4_000_000_000]);
  });

  it.each([64, 7])('multiplies rows of width %i with a factor', (width) =>
    check({ type: 'bf16', vocab: VOCAB, width, q8n: undefined, scale: Math.sqrt(width) }, [3, 10, 0]));

  for (const { type, options } of typeCases()) {
    it(`writes the first norm of a ${type} table`, options, async () => {
      const width = isQuantized(type) ? 3 * TENSOR_TYPES[type].blockSize : 160;
      const variant: EmbedVariant = { type, vocab: VOCAB, width, q8n: { eps: 1e-6 } };
      await check(variant, [9, 1, 10]);
      await check({ ...variant }, [2, 2]);
      await check({ ...variant, single: true }, [7]);
      await check({ ...variant, scale: Math.sqrt(1152) }, [7, 10]);
    });
  }
});
