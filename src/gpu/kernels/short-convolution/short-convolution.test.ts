import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { ACTIVATION_FUNCTIONS } from '../../../reference/ops/activation.ts';
import { shortConvolutionKernel, shortConvolutionWorkgroups } from './short-convolution.ts';

type ConvolutionCase = { channels: number; width: number; bias: boolean; of?: number; activation?: 'silu' };

describe('short convolution', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each([
    [{ channels: 1, width: 2, bias: false }, [1]],
    [{ channels: 64, width: 4, bias: true }, [3]],
    [{ channels: 65, width: 3, bias: false }, [1, 7, 2]],
    [{ channels: 130, width: 5, bias: true }, [2, 1, 1, 9]],
    [{ channels: 70, width: 4, bias: false, of: 83, activation: 'silu' }, [1, 6]],
  ] as [ConvolutionCase, number[]][])('%j, sequences of %j rows', async (shape, lengths) => {
    const { channels, width, bias, of = channels, activation } = shape;
    const rows = lengths.reduce((sum, length) => sum + length, 0);
    const numbers = (count: number, seed: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + seed * 3.1));
    const [x, weight, biases] = [numbers(rows * of, 1), numbers(channels * width, 2), numbers(channels, 3)];
    const slotSize = (width - 1) * channels;
    const slots = 2 * lengths.length;
    const state = numbers(slots * slotSize, 4);
    // Sequences of one row write where they read; the others write one that nobody reads.
    const firsts = lengths.map((_, n) => lengths.slice(0, n).reduce((sum, length) => sum + length, 0));
    const places = lengths.map((length, n) => [firsts[n]!, length, n, length === 1 ? n : lengths.length + n] as const);
    const y = new Float32Array((rows + 1) * channels).fill(9);
    const variant = { ...shape, invocations: 64 };
    const out = await test.run({
      kernel: shortConvolutionKernel(variant),
      workgroups: shortConvolutionWorkgroups(variant, rows),
      buffers: {
        x, weight, ...(bias ? { bias: biases } : {}), state, y,
        // A stale row behind those of the step.
        rowSequence: Uint32Array.from([...lengths.flatMap((length, n) => Array.from({ length }, () => n)), 0]),
        slots: Uint32Array.from(places.flat()),
      },
    });
    const [foundY, foundState] = [out.get('y') as Float32Array, out.get('state') as Float32Array];
    const wantedState = Float64Array.from(state);
    for (const [first, length, read, write] of places) {
      const before = state.subarray(read * slotSize, (read + 1) * slotSize);
      const ownRows = Array.from({ length }, (_, t) => [...x.subarray((first + t) * of, (first + t) * of + channels)]).flat();
      const line = [...before, ...ownRows];
      for (let t = 0; t < length; t++) {
        for (let c = 0; c < channels; c++) {
          let sum = bias ? biases[c]! : 0;
          for (let j = 0; j < width; j++) sum += weight[c * width + j]! * line[(t + j) * channels + c]!;
          const want = activation === undefined ? sum : ACTIVATION_FUNCTIONS[activation](sum);
          expect(Math.abs(foundY[(first + t) * channels + c]! - want)).toBeLessThan(1e-5);
        }
      }
      line.slice(length * channels).forEach((value, i) => (wantedState[write * slotSize + i] = value));
    }
    expect(Array.from(foundState)).toEqual(Array.from(wantedState));
    expect([...foundY.subarray(rows * channels)].every((value) => value === 9)).toBe(true);
  });

  it('of more workgroups than one dimension has leaves the slot of a sequence alone that an earlier step had', async () => {
    // 65,541 workgroups; an even number of them would reach one past the last row.
    const [channels, rows] = [21_847, 3];
    const variant = { channels, width: 2, bias: false, invocations: 1 };
    const state = new Float32Array(3 * channels).fill(5);
    const out = await test.run({
      kernel: shortConvolutionKernel(variant),
      workgroups: shortConvolutionWorkgroups(variant, rows),
      buffers: {
        x: new Float32Array((rows + 1) * channels).fill(2), weight: new Float32Array(2 * channels).fill(1), state,
        y: new Float32Array((rows + 1) * channels).fill(9),
        // Sequence 1 had the row behind those of this step, and slot 1.
        rowSequence: Uint32Array.of(0, 0, 0, 1), slots: Uint32Array.of(0, rows, 0, 2, rows, 1, 1, 1),
      },
    });
    expect(out.get('state')).toEqual(Float32Array.from(state, (value, i) => (i < 2 * channels ? value : 2)));
    expect(out.get('y')).toEqual(Float32Array.from({ length: (rows + 1) * channels }, (_, i) => [7, 4, 4, 9][Math.floor(i / channels)]!));
  });
});
