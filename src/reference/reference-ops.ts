/**
 * The ops in plain float64 arithmetic: slow, obvious, the oracle of every kernel test.
 * Values are row-major; every function says the shapes it takes.
 */
import type { AttentionOp, RmsNormOp, RopeOp } from '../graph/op.ts';

/** x [rows, groups * n], gain [n]. */
export function rmsNorm(x: Float64Array, gain: Float32Array, op: Pick<RmsNormOp, 'eps'>): Float64Array {
  const n = gain.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += n) {
    let squares = 0;
    for (let i = 0; i < n; i++) squares += x[start + i]! * x[start + i]!;
    const factor = 1 / Math.sqrt(squares / n + op.eps);
    for (let i = 0; i < n; i++) y[start + i] = x[start + i]! * factor * gain[i]!;
  }
  return y;
}

/** x [rows, cols], weight [out, cols], bias [out] -> [rows, out]. */
export function linear(x: Float64Array, weight: Float32Array, cols: number, bias?: Float32Array): Float64Array {
  const out = weight.length / cols;
  const rows = x.length / cols;
  const y = new Float64Array(rows * out);
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < out; o++) {
      let sum = bias === undefined ? 0 : bias[o]!;
      for (let i = 0, a = row * cols, b = o * cols; i < cols; i++) sum += x[a + i]! * weight[b + i]!;
      y[row * out + o] = sum;
    }
  }
  return y;
}

/** x [rows, heads * headDim]; turns dimensions i and i + rotaryDim / 2 of every head by positions[row] * frequencies[i]. */
export function rope(x: Float64Array, positions: Int32Array, { heads, headDim, table }: RopeOp): Float64Array {
  const half = table.frequencies.length;
  const y = x.slice();
  for (let row = 0; row < positions.length; row++) {
    for (let head = 0; head < heads; head++) {
      const start = (row * heads + head) * headDim;
      for (let i = 0; i < half; i++) {
        const angle = positions[row]! * table.frequencies[i]!;
        const [a, b] = [x[start + i]!, x[start + half + i]!];
        y[start + i] = a * Math.cos(angle) - b * Math.sin(angle);
        y[start + half + i] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  }
  return y;
}

/** y = silu(gate) * up, elementwise. */
export function swiglu(gate: Float64Array, up: Float64Array): Float64Array {
  return gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
}

/** Reads the key (part 0) or value (part 1) vectors [kvHeads * headDim] of a position. */
export type KvReader = (part: 0 | 1, position: number) => Float64Array;

/** One query row [heads * headDim] over the keys of positions 0..last -> [heads * headDim]. */
export function attendRow(q: Float64Array, last: number, read: KvReader, op: AttentionOp): Float64Array {
  const { heads, kvHeads, headDim, scale } = op;
  const y = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const kvStart = Math.floor(head / (heads / kvHeads)) * headDim;
    const scores = Array.from({ length: last + 1 }, (_, position) => {
      const k = read(0, position);
      let dot = 0;
      for (let i = 0; i < headDim; i++) dot += q[head * headDim + i]! * k[kvStart + i]!;
      return dot * scale;
    });
    const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((score) => Math.exp(score - highest));
    const total = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, position) => {
      const v = read(1, position);
      for (let i = 0; i < headDim; i++) y[head * headDim + i]! += (weight / total) * v[kvStart + i]!;
    });
  }
  return y;
}

/**
 * Rounds x to int8 codes with one scale for `blockSize` values, and back: d = max|x| / 127 in f32, code = nearest(x / d), ties to even.
 * What the kernels for quantised weights do with their activations: the CPU's in blocks of 32, the GPU's of 16. `cols` bounds the blocks of a row.
 */
export function roundActivations(x: Float64Array, cols: number, blockSize = 32): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += cols) {
    for (let block = row; block < row + cols; block += blockSize) {
      const end = Math.min(block + blockSize, row + cols);
      let largest = 0;
      for (let i = block; i < end; i++) largest = Math.max(largest, Math.abs(Math.fround(x[i]!)));
      const scale = Math.fround(largest / 127);
      // Below this the inverse leaves f32's range: such a block counts as zeros.
      const inverse = largest < 1e-30 ? 0 : Math.fround(127 / largest);
      for (let i = block; i < end; i++) y[i] = roundToEven(Math.fround(Math.fround(x[i]!) * inverse)) * scale;
    }
  }
  return y;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
