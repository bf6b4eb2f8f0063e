import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { gatedConvolutionKernel, gatedConvolutionWorkgroups } from './gated-convolution.ts';
import type { GatedConvolutionVariant } from './gated-convolution.ts';

type Shape = Omit<GatedConvolutionVariant, 'invocations'>;

const numbers = (count: number, seed: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + seed * 3.1));

/** What goes in, and by hand what comes out: y in float64, and the state with every product rounded as it is stored. */
function caseOf({ channels, width, bias, gates, of }: Shape, lengths: readonly number[]) {
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const [x, weight, biases] = [numbers(rows * of, 1), numbers(channels * width, 2), numbers(channels, 3)];
  const slotSize = (width - 1) * channels;
  const state = numbers(2 * lengths.length * slotSize, 4);
  // Sequences of one row write where they read; the others write one that nobody reads.
  const firsts = lengths.map((_, n) => lengths.slice(0, n).reduce((sum, length) => sum + length, 0));
  const places = lengths.map((length, n) => [firsts[n]!, length, n, length === 1 ? n : lengths.length + n] as const);
  const y = new Float64Array(rows * channels);
  const after = Float64Array.from(state);
  for (const [first, length, read, write] of places) {
    const products = Array.from({ length: length * channels }, (_, i) => {
      const at = (first + Math.floor(i / channels)) * of + (i % channels);
      return Math.fround(x[at + gates.before]! * x[at + gates.inner]!);
    });
    const line = [...state.subarray(read * slotSize, (read + 1) * slotSize), ...products];
    for (let t = 0; t < length; t++) {
      for (let c = 0; c < channels; c++) {
        let sum = bias ? biases[c]! : 0;
        for (let j = 0; j < width; j++) sum += weight[c * width + j]! * line[(t + j) * channels + c]!;
        y[(first + t) * channels + c] = x[(first + t) * of + gates.after + c]! * sum;
      }
    }
    line.slice(length * channels).forEach((value, i) => (after[write * slotSize + i] = value));
  }
  return { rows, places, x, weight, ...(bias ? { bias: biases } : {}), state, want: { y, state: after } };
}

describe('convolution with gates', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  async function run(shape: Shape, lengths: readonly number[]) {
    const { rows, places, want, ...buffers } = caseOf(shape, lengths);
    const variant = { ...shape, invocations: 32 };
    const out = await test.run({
      kernel: gatedConvolutionKernel(variant),
      workgroups: gatedConvolutionWorkgroups(variant, rows),
      buffers: {
        ...buffers, y: new Float32Array((rows + 1) * shape.channels).fill(9), ...emptyQ8(rows + 1, shape.channels),
        // A stale row behind those of the step.
        rowSequence: Uint32Array.from([...lengths.flatMap((length, n) => Array.from({ length }, () => n)), 0]),
        slots: Uint32Array.from(places.flat()),
      },
    });
    expect([...(out.get('state') as Float32Array)].every((value, i) => Math.abs(value - want.state[i]!) < 1e-6)).toBe(true);
    return { rows, want: want.y, out };
  }

  it.each<[Shape, number[]]>([
    [{ channels: 1, width: 2, bias: false, gates: { before: 0, inner: 2, after: 1 }, of: 3, output: 'f32' }, [1]],
    [{ channels: 64, width: 3, bias: true, gates: { before: 0, inner: 128, after: 64 }, of: 192, output: 'f32' }, [3]],
    [{ channels: 65, width: 3, bias: false, gates: { before: 65, inner: 0, after: 130 }, of: 195, output: 'f32' }, [1, 7, 2]],
    [{ channels: 140, width: 4, bias: false, gates: { before: 280, inner: 0, after: 140 }, of: 424, output: 'f32' }, [2, 1, 1, 9]],
    [{ channels: 8, width: 5, bias: true, gates: { before: 1, inner: 9, after: 17 }, of: 28, output: 'f32' }, [2, 6]],
  ])('%j, sequences of %j rows', async (shape, lengths) => {
    const { rows, want, out } = await run(shape, lengths);
    const y = out.get('y') as Float32Array;
    want.forEach((value, i) => expect(Math.abs(y[i]! - value)).toBeLessThan(1e-5));
    expect([...y.subarray(rows * shape.channels)].every((value) => value === 9)).toBe(true);
  });

  it.each<[Shape, number[]]>([
    [{ channels: 32, width: 3, bias: true, gates: { before: 0, inner: 64, after: 32 }, of: 96, output: 'q8' }, [1]],
    [{ channels: 1056, width: 3, bias: false, gates: { before: 0, inner: 2112, after: 1056 }, of: 3168, output: 'q8' }, [1, 4, 1]],
    [{ channels: 64, width: 4, bias: false, gates: { before: 128, inner: 64, after: 0 }, of: 192, output: 'q8' }, [5, 2]],
  ])('%j rounded, sequences of %j rows', async (shape, lengths) => {
    const { rows, want, out } = await run(shape, lengths);
    expect(compareQ8(writtenQ8(out, rows, shape.channels), want, { error: () => 1e-5 })).toBeUndefined();
  });
});
