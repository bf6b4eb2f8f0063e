/** A case of the gated delta rule for its kernels: what goes in, and in float64, line by line, what comes out. */
import type { DeltaRuleVariant } from '../../src/gpu/kernels/delta-rule/delta-rule-variant.ts';
import { randomSource } from '../../src/tensor/codec/random-weights.ts';

export type DeltaRuleShape = Omit<DeltaRuleVariant, 'gates' | 'subgroupSize' | 'invocations'> & { readonly joined: boolean };

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** How inputs are drawn: `a` is what decays are made of, in a range around 0. */
export interface DeltaRuleRanges {
  readonly a: (random: () => number, row: number) => number;
}

const PLAIN_RANGES: DeltaRuleRanges = { a: (random) => (random() - 0.5) * 6 };

export function deltaRuleCase(shape: DeltaRuleShape, lengths: readonly number[], ranges = PLAIN_RANGES) {
  const { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, norm } = shape;
  const random = randomSource(keyDim * 7 + valueDim);
  const numbers = (count: number, range = 2) => Float32Array.from({ length: count }, () => (random() - 0.5) * range);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const [width, values] = [2 * keyHeads * keyDim + valueHeads * valueDim, valueHeads * valueDim];
  const qkv = numbers(rows * width);
  const a = Float32Array.from({ length: rows * valueHeads }, (_, i) => ranges.a(random, Math.floor(i / valueHeads)));
  const [b, z] = [numbers(rows * valueHeads, 6), numbers(rows * values, 6)];
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
        const dt = a[row * valueHeads + h]! + rates[valueHeads + h]!;
        const decay = Math.exp(rates[h]! * (Math.max(dt, 0) + Math.log1p(Math.exp(-Math.abs(dt)))));
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
export function joinedGates({ rows, values, a, b, z }: ReturnType<typeof deltaRuleCase>, valueHeads: number) {
  const of = 3 + values + 2 * valueHeads;
  const gates = new Float32Array(rows * of).fill(99);
  for (let row = 0; row < rows; row++) {
    gates.set(z.subarray(row * values, (row + 1) * values), row * of + 3);
    gates.set(b.subarray(row * valueHeads, (row + 1) * valueHeads), row * of + 3 + values);
    gates.set(a.subarray(row * valueHeads, (row + 1) * valueHeads), row * of + 3 + values + valueHeads);
  }
  return { gates, places: { of, z: 3, b: 3 + values, a: 3 + values + valueHeads } };
}
