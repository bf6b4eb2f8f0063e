import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { elementwiseKernel, elementwiseWorkgroups } from './elementwise.ts';
import type { ElementwiseVariant } from './elementwise.ts';

describe('elementwise', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function run(variant: ElementwiseVariant, x: Float32Array, rows: number): Promise<Float32Array> {
    const y = new Float32Array((rows + 1) * variant.width).fill(7);
    const buffers = { x, y, factor: Float32Array.of(-1.7, 5), step: stepOf(rows) };
    const out = await test.run({ kernel: elementwiseKernel(variant), workgroups: elementwiseWorkgroups(variant, rows), buffers });
    const got = out.get('y') as Float32Array;
    expect(got.subarray(rows * variant.width).every((value) => value === 7)).toBe(true);
    return got.subarray(0, rows * variant.width);
  }

  const randomRows = (rows: number, width: number) => {
    const random = randomSource(width);
    return Float32Array.from({ length: rows * width }, () => (random() - 0.5) * 40);
  };

  it.each([
    [{ width: 1, fn: { kind: 'scale', by: 2 ** -0.5 } }, 3],
    [{ width: 260, fn: { kind: 'scale', by: 'factor' } }, 5],
    [{ width: 77, fn: { kind: 'scale', by: 'factor' }, single: true }, 1],
  ] as const satisfies [ElementwiseVariant, number][])('%j, %i rows', async (variant, rows) => {
    const x = randomRows(rows, variant.width);
    const by = variant.fn.by === 'factor' ? Math.fround(-1.7) : variant.fn.by;
    const got = await run(variant, x, rows);
    expect(got.findIndex((value, i) => !(Math.abs(value - x[i]! * by) <= 2e-7 * Math.abs(x[i]! * by)))).toBe(-1);
  });

  it.each([
    [{ width: 4, fn: { kind: 'columns', start: 8, of: 16 } }, 3],
    [{ width: 256, fn: { kind: 'columns', start: 512, of: 1024 } }, 5],
    [{ width: 4, fn: { kind: 'columns', start: 3, of: 9 } }, 4],
    [{ width: 8, fn: { kind: 'columns', start: 2, of: 12 }, single: true }, 1],
  ] as const satisfies [ElementwiseVariant, number][])('%j, %i rows', async (variant, rows) => {
    const { start, of } = variant.fn;
    const x = randomRows(rows, of);
    const rowsOf = Array.from({ length: rows }, (_, row) => [...x.subarray(row * of + start, row * of + start + variant.width)]);
    expect([...(await run(variant, x, rows))]).toEqual(rowsOf.flat());
  });

  it.each([1, 8])('a softcap, %i wide, to f32\'s precision near 0 and far out', async (width) => {
    const cap = 30;
    const ends = [0, 1e-30, 1e-4, 0.5, 8.9, 9.1, 29, 100, 700, 1e6, 1e30, 2e38];
    const x = Float32Array.from([...ends, ...ends.map((value) => -value), ...randomRows(1, 40)]);
    const got = await run({ width, fn: { kind: 'softcap', cap } }, x, x.length / width);
    x.forEach((value, i) => {
      const want = cap * Math.tanh(value / cap);
      expect(Math.abs(got[i]! - want), `of ${value}`).toBeLessThanOrEqual(1e-6 * Math.abs(want));
    });
  });

  it('a softcap does not make an answer of what has left f32', async () => {
    const [infinite, negative] = await run({ width: 2, fn: { kind: 'softcap', cap: 30 } }, Float32Array.of(Infinity, -Infinity), 1);
    expect([infinite, negative]).toEqual([Infinity, -Infinity]);
  });
});
