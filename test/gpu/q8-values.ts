/** Int8 activations (src/gpu/q8-layout.ts) in plain arrays: rounding them as the definition says, and reading them back. */
import { Q8_BLOCK, q8CodeBytes, q8StatBytes } from '../../src/gpu/q8-layout.ts';
import { roundActivations } from '../../src/tensor/codec/round-activations.ts';
import type { BufferData } from '../gpu-harness.ts';

export interface Q8Norm {
  readonly eps: number;
  /** Gain of the RMS norm, one for each column. */
  readonly gain: ArrayLike<number>;
}

export interface Q8Values {
  readonly rows: number;
  readonly width: number;
  /** As bound: four int8 a word. */
  readonly codes: Uint32Array;
  readonly stats: Float32Array;
}

export interface Q8Options {
  readonly rows: number;
  readonly width: number;
  /** Makes a q8n value: x is before the gain. */
  readonly norm?: Q8Norm | undefined;
}

/** The bindings `yCodes` and `yStats` for a kernel to write, long enough for any width. */
export function emptyQ8(rows: number, width: number): Record<'yCodes' | 'yStats', BufferData> {
  return {
    yCodes: new Uint32Array(Math.ceil(q8CodeBytes(rows, width) / 4)),
    yStats: new Float32Array(Math.ceil(q8StatBytes(rows, width) / 4)),
  };
}

/** What a kernel wrote there; buffers may hold more rows. */
export function writtenQ8(out: ReadonlyMap<string, BufferData>, rows: number, width: number): Q8Values {
  return { rows, width, codes: out.get('yCodes') as Uint32Array, stats: out.get('yStats') as Float32Array };
}

/** x: [rows, width]. Shares of plain q8 values are NaN, since nobody may read them. */
export function roundToQ8(x: ArrayLike<number>, { rows, width, norm }: Q8Options): Q8Values {
  const values = Float64Array.from({ length: rows * width }, (_, i) => x[i]! * (norm ? norm.gain[i % width]! : 1));
  const { codes, scales } = roundActivations(values, Q8_BLOCK);
  const stats = new Float32Array(3 * scales.length).fill(NaN);
  const blocks = width / Q8_BLOCK;
  scales.forEach((scale, n) => {
    const row = Math.floor(n / blocks);
    const first = n * Q8_BLOCK;
    const sum = codes.subarray(first, first + Q8_BLOCK).reduce((total, code) => total + code, 0);
    const isZero = codes.subarray(first, first + Q8_BLOCK).every((code) => code === 0);
    const at = 3 * row * blocks + (n % blocks);
    stats[at] = isZero ? 0 : scale;
    stats[at + blocks] = isZero ? 0 : scale * sum;
    if (!norm) return;
    let squares = 0;
    for (let i = first; i < first + Q8_BLOCK; i++) squares += x[i]! ** 2;
    stats[at + 2 * blocks] = squares / width + (norm.eps * Q8_BLOCK) / width;
  });
  return { rows, width, codes: new Uint32Array(codes.buffer), stats };
}

/** What the codes stand for, [rows, width] in float64: of a q8n value, before the division by the norm. */
export function valuesOfQ8({ rows, width, codes, stats }: Q8Values): Float64Array {
  const signed = new Int8Array(codes.buffer, codes.byteOffset, rows * width);
  const blocks = width / Q8_BLOCK;
  return Float64Array.from(signed, (code, i) => {
    const row = Math.floor(i / width);
    return code * stats[3 * row * blocks + Math.floor((i % width) / Q8_BLOCK)]!;
  });
}

/** 1 / sqrt(mean(x^2) + eps) of each row of a q8n value, from its shares. */
export function normFactorsOf({ rows, width, stats }: Q8Values): Float64Array {
  const blocks = width / Q8_BLOCK;
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let block = 0; block < blocks; block++) sum += stats[(3 * row + 2) * blocks + block]!;
    return 1 / Math.sqrt(sum);
  });
}

/**
 * What is wrong with `got` as the rounding of x (float64, before the gain); undefined if nothing. `error` is how far the f32 values
 * that were rounded may lie from x, absolutely: a code may be the neighbour's only where a tie is that near.
 */
export function compareQ8(
  got: Q8Values,
  x: ArrayLike<number>,
  { norm, error }: { norm?: Q8Norm | undefined; error: (index: number) => number },
): string | undefined {
  const { rows, width, stats } = got;
  const want = roundToQ8(x, { rows, width, norm });
  const blocks = width / Q8_BLOCK;
  const codes = new Int8Array(got.codes.buffer, got.codes.byteOffset, rows * width);
  for (let i = 0; i < rows * width; i++) {
    const row = Math.floor(i / width);
    const col = i % width;
    const at = 3 * row * blocks + Math.floor(col / Q8_BLOCK);
    const gain = norm ? norm.gain[col]! : 1;
    const first = i - (i % Q8_BLOCK);
    const gains = Array.from({ length: Q8_BLOCK }, (_, j) => Math.abs(norm ? norm.gain[(first + j) % width]! : 1) * error(first + j));
    const slack = Math.max(...gains);
    const scale = stats[at]!;
    if (!(Math.abs(scale - want.stats[at]!) <= slack / 127 + 1e-6 * scale))
      return `scale of row ${row} column ${col} is ${scale}, expected ${want.stats[at]}`;
    const exact = scale === 0 ? 0 : (x[i]! * gain) / scale;
    const near = scale === 0 ? 0 : (Math.abs(gain) * error(i)) / scale + 1e-4;
    if (!(Math.abs(codes[i]! - exact) <= 0.5 + near))
      return `code of row ${row} column ${col} is ${codes[i]}, expected the rounding of ${exact}`;
    const sum = scale * codes.subarray(first, first + Q8_BLOCK).reduce((total, code) => total + code, 0);
    if (!(Math.abs(stats[at + blocks]! - sum) <= 1e-6 * Math.abs(sum)))
      return `sum of row ${row} column ${col} is ${stats[at + blocks]}, expected ${sum}`;
    const share = want.stats[at + 2 * blocks]!;
    const allowed =
      2e-6 * share +
      (4 * Q8_BLOCK * Math.sqrt(share * width) * Math.max(...Array.from({ length: Q8_BLOCK }, (_, j) => error(first + j)))) / width;
    if (norm && !(Math.abs(stats[at + 2 * blocks]! - share) <= allowed))
      return `share of row ${row} column ${col} is ${stats[at + 2 * blocks]}, expected ${share}`;
  }
  return undefined;
}
