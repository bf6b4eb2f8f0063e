import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { compareQ8, emptyQ8, writtenQ8 } from '../../../../test/gpu/q8-values.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { deltaRuleKernel, deltaRuleWorkgroups } from './delta-rule.ts';
import type { DeltaRuleVariant } from './delta-rule.ts';

type Shape = Omit<DeltaRuleVariant, 'gates' | 'subgroupSize' | 'invocations'> & { readonly joined: boolean };

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** What goes in, and in float64, line by line, what comes out. */
function caseOf(shape: Shape, lengths: readonly number[]) {
  const { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, norm } = shape;
  const random = randomSource(keyDim * 7 + valueDim);
  const numbers = (count: number, range = 2) => Float32Array.from({ length: count }, () => (random() - 0.5) * range);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const [width, values] = [2 * keyHeads * keyDim + valueHeads * valueDim, valueHeads * valueDim];
  const [qkv, a, b, z] = [numbers(rows * width), numbers(rows * valueHeads, 6), numbers(rows * valueHeads, 6), numbers(rows * values, 6)];
  const rates = Float32Array.from([...numbers(valueHeads).map((x) => -Math.abs(x)), ...numbers(valueHeads), ...numbers(valueDim)]);
  const slotSize = values * keyDim;
  const state = numbers(2 * lengths.length * slotSize);
  const firsts = lengths.map((_, n) => lengths.slice(0, n).reduce((sum, length) => sum + length, 0));
  // Sequences of one row write where they read.
  const places = lengths.map((length, n) => [firsts[n]!, length, n, length === 1 ? n : lengths.length + n] as const);
  const y = new Float64Array(rows * values);
  const after = Float64Array.from(state);
  for (const [first, length, read, write] of places) {
    const S = Float64Array.from(state.subarray(read * slotSize, (read + 1) * slotSize));
    for (let row = first; row < first + length; row++) {
      for (let h = 0; h < valueHeads; h++) {
        const key = keyHeadMap === 'tiled' ? h % keyHeads : Math.floor(h / (valueHeads / keyHeads));
        const unit = (start: number) => {
          const x = qkv.subarray(row * width + start, row * width + start + keyDim);
          const length2 = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) + 1e-6);
          return Float64Array.from(x, (value) => value / length2);
        };
        const [q, k] = [unit(key * keyDim).map((x) => x / Math.sqrt(keyDim)), unit((keyHeads + key) * keyDim)];
        const decay = Math.exp(rates[h]! * Math.log1p(Math.exp(a[row * valueHeads + h]! + rates[valueHeads + h]!)));
        const beta = sigmoid(b[row * valueHeads + h]!);
        for (let i = 0; i < valueDim; i++) {
          const line = S.subarray((h * valueDim + i) * keyDim, (h * valueDim + i + 1) * keyDim);
          line.forEach((s, j) => (line[j] = s * decay));
          const missing = qkv[row * width + 2 * keyHeads * keyDim + h * valueDim + i]! - line.reduce((sum, s, j) => sum + s * k[j]!, 0);
          line.forEach((s, j) => (line[j] = s + beta * missing * k[j]!));
          y[row * values + h * valueDim + i] = line.reduce((sum, s, j) => sum + s * q[j]!, 0);
        }
        if (norm === undefined) continue;
        const own = y.subarray(row * values + h * valueDim, row * values + (h + 1) * valueDim);
        const root = 1 / Math.sqrt(own.reduce((sum, value) => sum + value * value, 0) / valueDim + norm.eps);
        own.forEach((value, i) => {
          const gate = z[row * values + h * valueDim + i]!;
          own[i] = value * root * rates[2 * valueHeads + i]! * gate * sigmoid(gate);
        });
      }
    }
    S.forEach((value, i) => (after[write * slotSize + i] = value));
  }
  return { rows, values, places, qkv, a, b, z, rates, state, want: { y, state: after } };
}

/** z, b and a side by side behind columns of no use, as one product makes them. */
function joinedGates({ rows, values, a, b, z }: ReturnType<typeof caseOf>, valueHeads: number) {
  const of = 3 + values + 2 * valueHeads;
  const gates = new Float32Array(rows * of).fill(99);
  for (let row = 0; row < rows; row++) {
    gates.set(z.subarray(row * values, (row + 1) * values), row * of + 3);
    gates.set(b.subarray(row * valueHeads, (row + 1) * valueHeads), row * of + 3 + values);
    gates.set(a.subarray(row * valueHeads, (row + 1) * valueHeads), row * of + 3 + values + valueHeads);
  }
  return { gates, places: { of, z: 3, b: 3 + values, a: 3 + values + valueHeads } };
}

describe('delta rule', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  const plain = { joined: false, norm: undefined, output: 'f32' } as const;
  const whole = { joined: true, norm: { eps: 1e-6 } } as const;
  const shapes: [Shape, number[]][] = [
    [{ ...plain, keyHeads: 1, valueHeads: 1, keyDim: 2, valueDim: 3, keyHeadMap: 'grouped' }, [1, 3]],
    [{ ...plain, keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'grouped' }, [1, 7, 2]],
    [{ ...plain, keyHeads: 2, valueHeads: 6, keyDim: 128, valueDim: 128, keyHeadMap: 'tiled' }, [1, 20]],
    [{ ...plain, keyHeads: 1, valueHeads: 2, keyDim: 64, valueDim: 300, keyHeadMap: 'tiled' }, [4]],
    [{ ...whole, output: 'f32', keyHeads: 2, valueHeads: 4, keyDim: 16, valueDim: 24, keyHeadMap: 'tiled' }, [1, 5]],
    [{ ...whole, output: 'f32', keyHeads: 1, valueHeads: 2, keyDim: 32, valueDim: 300, keyHeadMap: 'grouped' }, [3, 1]],
    [{ ...whole, output: 'q8', keyHeads: 2, valueHeads: 4, keyDim: 128, valueDim: 128, keyHeadMap: 'tiled' }, [1, 9]],
    [{ ...whole, output: 'q8', keyHeads: 1, valueHeads: 2, keyDim: 12, valueDim: 32, keyHeadMap: 'grouped' }, [2, 1, 1]],
  ];
  const cases = shapes.flatMap(([shape, lengths]) => [undefined, 4].map((subgroupSize) => [shape, lengths, subgroupSize] as const));

  it.each(cases)('%j, sequences of %j rows, subgroups of %s', async ({ joined, ...shape }, lengths, subgroupSize) => {
    if (subgroupSize !== undefined) expect(test.subgroupSize).toBe(subgroupSize);
    const made = caseOf({ ...shape, joined }, lengths);
    const { rows, values, places, qkv, a, b, rates, state, want } = made;
    const { gates, places: columns } = joinedGates(made, shape.valueHeads);
    const invocations = shape.keyDim * shape.valueDim > 2048 ? 256 : 64;
    const variant: DeltaRuleVariant = { ...shape, gates: joined ? columns : undefined, subgroupSize, invocations };
    const out = await test.run({
      kernel: deltaRuleKernel(variant),
      workgroups: deltaRuleWorkgroups(variant, rows + 1),
      buffers: {
        qkv, a, b, gates, rates, state, y: new Float32Array((rows + 1) * values).fill(9), ...emptyQ8(rows + 1, values),
        // A stale row behind those of the step.
        rowSequence: Uint32Array.from([...lengths.flatMap((length, n) => Array.from({ length }, () => n)), 0]),
        slots: Uint32Array.from(places.flat()),
      },
    });
    const found = out.get('state') as Float32Array;
    want.state.forEach((value, i) => expect(Math.abs(found[i]! - value)).toBeLessThan(1e-5));
    if (shape.output === 'q8') {
      expect(compareQ8(writtenQ8(out, rows, values), want.y, { error: (i) => 1e-5 * (1 + Math.abs(want.y[i]!)) })).toBeUndefined();
      return;
    }
    const y = out.get('y') as Float32Array;
    want.y.forEach((value, i) => expect(Math.abs(y[i]! - value)).toBeLessThan(2e-5 * (1 + Math.abs(value))));
    expect([...y.subarray(rows * values)].every((value) => value === 9)).toBe(true);
  });
});
