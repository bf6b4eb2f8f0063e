/**
 * f32 to Q4_K: per group of 32 a scale and a minimum, found by least squares over a few candidate roundings; both become
 * 6-bit multiples of two f16 of the super-block. Sub-scales, codes and the two f16 are then improved in turn against the
 * values that the block really stands for. Every weight counts the same: without activations to weigh them by, that is
 * the best guess.
 */
import { f16ToF32, f32ToF16 } from '../half.ts';

const BLOCK = 256;
const BLOCK_BYTES = 144;
const GROUPS = 8;
const GROUP_SIZE = 32;
/** The range of a group is tried over codes 15 - 1 .. 15 + 1. */
const CANDIDATES = 21;
const CANDIDATE_STEP = 0.1;
const CENTRE = 10;

interface Scratch {
  block: Float32Array;
  /** Ideal scale and minimum (both >= 0) of each group. */
  readonly scales: Float64Array;
  readonly minimums: Float64Array;
  readonly subScales: Uint8Array;
  readonly subMinimums: Uint8Array;
  readonly codes: Uint8Array;
  readonly trial: Uint8Array;
}

export function encodeQ4_K(values: Float32Array, out: Uint8Array): void {
  const scratch: Scratch = {
    block: values,
    scales: new Float64Array(GROUPS),
    minimums: new Float64Array(GROUPS),
    subScales: new Uint8Array(GROUPS),
    subMinimums: new Uint8Array(GROUPS),
    codes: new Uint8Array(BLOCK),
    trial: new Uint8Array(GROUP_SIZE),
  };
  for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BLOCK_BYTES) {
    scratch.block = values.subarray(i, i + BLOCK);
    const { scales, minimums } = scratch;
    for (let group = 0; group < GROUPS; group++) fitGroup(scratch, group);
    let scaleBits = f32ToF16(Math.max(...scales) / 63);
    let minimumBits = f32ToF16(Math.max(...minimums) / 63);
    const error = quantizeBlock(scratch, f16ToF32(scaleBits), f16ToF32(minimumBits));
    const fitted = fitSuperScales(scratch);
    if (fitted && blockError(scratch, f16ToF32(fitted.scaleBits), f16ToF32(fitted.minimumBits)) < error) {
      ({ scaleBits, minimumBits } = fitted);
    }
    writeBlock(out, at, { ...scratch, scaleBits, minimumBits });
  }
}

/** Stores the scale s >= 0 and minimum m >= 0 that make the sum of (s * q - m - x)^2 over a group least. */
function fitGroup({ block, scales, minimums }: Scratch, group: number): void {
  const first = group * GROUP_SIZE;
  // The format cannot lift a group above zero, so the range always holds zero.
  let low = 0;
  let high = 0;
  let x1 = 0;
  for (let j = first; j < first + GROUP_SIZE; j++) {
    const x = block[j]!;
    if (x < low) low = x;
    if (x > high) high = x;
    x1 += x;
  }
  scales[group] = 0;
  minimums[group] = 0;
  if (high === low) return;
  let best = -Infinity;
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const inverse = (15 + CANDIDATE_STEP * (candidate - CENTRE)) / (high - low);
    let q1 = 0;
    let qq = 0;
    let xq = 0;
    for (let j = first; j < first + GROUP_SIZE; j++) {
      const x = block[j]!;
      const rounded = ((x - low) * inverse + 0.5) | 0;
      const q = rounded > 15 ? 15 : rounded;
      q1 += q;
      qq += q * q;
      xq += x * q;
    }
    const determinant = GROUP_SIZE * qq - q1 * q1;
    if (determinant <= 0) continue;
    let scale = (GROUP_SIZE * xq - x1 * q1) / determinant;
    let offset = (qq * x1 - q1 * xq) / determinant;
    if (offset > 0) {
      offset = 0;
      scale = xq / qq;
    }
    // The error left is sum(x^2) minus this.
    const explained = scale * xq + offset * x1;
    if (scale > 0 && explained > best) {
      best = explained;
      scales[group] = scale;
      minimums[group] = -offset;
    }
  }
}

/** Picks for every group the sub-scale among the nearest three, its minimum and codes; returns the error left. */
function quantizeBlock(scratch: Scratch, superScale: number, superMinimum: number): number {
  const { scales, minimums, subScales, subMinimums, codes, trial } = scratch;
  let error = 0;
  for (let group = 0; group < GROUPS; group++) {
    // A super-scale that f16 rounded down can ask for more than 6 bits.
    const nearest = superScale ? Math.min(63, Math.round(scales[group]! / superScale)) : 0;
    const start = superMinimum ? Math.min(63, Math.round(minimums[group]! / superMinimum)) : 0;
    let least = Infinity;
    for (let sub = Math.max(0, nearest - 1); sub <= Math.min(63, nearest + 1); sub++) {
      let subMinimum = start;
      // The best minimum depends on the codes and they on it: twice round is enough to settle.
      for (let round = 0; round < 2; round++) {
        const fit = quantizeGroup(scratch, { group, scale: superScale * sub, minimum: superMinimum * subMinimum });
        if (fit.error < least) {
          least = fit.error;
          subScales[group] = sub;
          subMinimums[group] = subMinimum;
          codes.set(trial, group * GROUP_SIZE);
        }
        const better = superMinimum ? Math.min(63, Math.max(0, Math.round(fit.bestMinimum / superMinimum))) : 0;
        if (better === subMinimum) break;
        subMinimum = better;
      }
    }
    error += least;
  }
  return error;
}

interface GroupChoice {
  readonly group: number;
  readonly scale: number;
  readonly minimum: number;
}

/** Rounds a group to codes in `trial`; gives the error left and the minimum that would suit these codes best. */
function quantizeGroup({ block, trial }: Scratch, { group, scale, minimum }: GroupChoice): { error: number; bestMinimum: number } {
  const first = group * GROUP_SIZE;
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  let sum = 0;
  for (let j = 0; j < GROUP_SIZE; j++) {
    const x = block[first + j]!;
    const scaled = (x + minimum) * inverse + 0.5;
    const q = scaled < 0 ? 0 : scaled > 15 ? 15 : scaled | 0;
    trial[j] = q;
    const miss = scale * q - x;
    sum += miss;
    error += (miss - minimum) ** 2;
  }
  return { error, bestMinimum: sum / GROUP_SIZE };
}

/** The pair of super-block scales that fits codes, sub-scales and sub-minimums best; undefined where it is no use. */
function fitSuperScales({ block, subScales, subMinimums, codes }: Scratch): { scaleBits: number; minimumBits: number } | undefined {
  let aa = 0;
  let ab = 0;
  let bb = 0;
  let xa = 0;
  let xb = 0;
  for (let j = 0; j < BLOCK; j++) {
    const a = subScales[j >> 5]! * codes[j]!;
    const b = -subMinimums[j >> 5]!;
    const x = block[j]!;
    aa += a * a;
    ab += a * b;
    bb += b * b;
    xa += x * a;
    xb += x * b;
  }
  const determinant = aa * bb - ab * ab;
  if (determinant <= 0) return undefined;
  const scale = (bb * xa - ab * xb) / determinant;
  const minimum = (aa * xb - ab * xa) / determinant;
  return { scaleBits: f32ToF16(scale), minimumBits: f32ToF16(minimum) };
}

function blockError({ block, subScales, subMinimums, codes }: Scratch, superScale: number, superMinimum: number): number {
  let error = 0;
  for (let j = 0; j < BLOCK; j++) {
    error += (superScale * subScales[j >> 5]! * codes[j]! - superMinimum * subMinimums[j >> 5]! - block[j]!) ** 2;
  }
  return error;
}

interface EncodedBlock {
  readonly scaleBits: number;
  readonly minimumBits: number;
  readonly subScales: Uint8Array;
  readonly subMinimums: Uint8Array;
  readonly codes: Uint8Array;
}

function writeBlock(out: Uint8Array, at: number, { scaleBits, minimumBits, subScales, subMinimums, codes }: EncodedBlock): void {
  out[at] = scaleBits;
  out[at + 1] = scaleBits >> 8;
  out[at + 2] = minimumBits;
  out[at + 3] = minimumBits >> 8;
  for (let g = 0; g < 4; g++) {
    const scale = subScales[g + 4]!;
    const minimum = subMinimums[g + 4]!;
    out[at + 4 + g] = subScales[g]! | ((scale >> 4) << 6);
    out[at + 8 + g] = subMinimums[g]! | ((minimum >> 4) << 6);
    out[at + 12 + g] = (scale & 15) | ((minimum & 15) << 4);
  }
  for (let pair = 0; pair < 4; pair++) {
    for (let j = 0; j < 32; j++) {
      out[at + 16 + 32 * pair + j] = codes[64 * pair + j]! | (codes[64 * pair + 32 + j]! << 4);
    }
  }
}
