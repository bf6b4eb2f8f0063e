/**
 * f32 to super-blocks of affine groups (Q2_K, Q4_K, Q5_K): per group a scale and a minimum, found by least squares over a few candidate
 * roundings; both become small multiples of two f16 of the super-block. Sub-scales, codes and the two f16 are then improved in turn against
 * the values that the block really stands for. Every weight counts the same: without activations to weigh them by, that is the best guess.
 */
import { f16ToF32, f32ToF16, putHalf } from '../half.ts';
import { codeWriter } from './encode-blocks.ts';
import { F16_MAX } from './f16.ts';
import { SUB_SCALES } from './sub-scales.ts';
import type { BlockFormat, Encoder, TwoLevelScale } from './weight-format.ts';

/** The range of a group is tried over the most code less 1 to 1 more. */
const CANDIDATES = 21;
const CANDIDATE_STEP = 0.1;
const CENTRE = 10;

/** Sizes of the format. */
interface Sizes {
  readonly block: number;
  readonly groups: number;
  readonly groupSize: number;
  /** The greatest code, and the greatest sub-scale. */
  readonly mostCode: number;
  readonly mostSub: number;
}

interface Scratch extends Sizes {
  values: Float32Array;
  /** Ideal scale and minimum (both >= 0) of each group. */
  readonly scales: Float64Array;
  readonly minimums: Float64Array;
  readonly subScales: Uint8Array;
  readonly subMinimums: Uint8Array;
  readonly codes: Uint8Array;
  readonly trial: Uint8Array;
}

type AffineFormat = Pick<BlockFormat, 'blockSize' | 'blockBytes' | 'groupSize' | 'codeBits' | 'codePlanes'> & {
  readonly scale: TwoLevelScale & { readonly subPacking: 'k4' | 'nibbles' };
  readonly minimum: { readonly value: TwoLevelScale };
};

export function encodeAffineGroups(format: AffineFormat): Encoder {
  const { blockSize, blockBytes, groupSize, codeBits, scale, minimum } = format;
  const packing = SUB_SCALES[scale.subPacking];
  const groups = blockSize / groupSize;
  const writeCodes = codeWriter(format);
  const rows = (values: Float32Array, out: Uint8Array) => {
    const scratch: Scratch = {
      block: blockSize, groups, groupSize, mostCode: 2 ** codeBits - 1, mostSub: packing.most,
      values,
      scales: new Float64Array(groups),
      minimums: new Float64Array(groups),
      subScales: new Uint8Array(groups),
      subMinimums: new Uint8Array(groups),
      codes: new Uint8Array(blockSize),
      trial: new Uint8Array(groupSize),
    };
    for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
      scratch.values = values.subarray(i, i + blockSize);
      const { scaleBits, minimumBits } = encodeBlock(scratch);
      out.fill(0, at, at + blockBytes);
      putHalf(out, at + scale.offset, scaleBits);
      putHalf(out, at + minimum.value.offset, minimumBits);
      for (let group = 0; group < groups; group++) {
        packing.putScale(out, at + scale.subOffset, group, scratch.subScales[group]!);
        packing.putMinimum(out, at + scale.subOffset, group, scratch.subMinimums[group]!);
      }
      writeCodes(scratch.codes, out, at);
    }
  };
  // Scale and minimum each have the same bits; the minimum alone must reach the most negative value.
  return { rows, largest: F16_MAX * packing.most };
}

/** Leaves sub-scales and codes in the scratch. */
function encodeBlock(scratch: Scratch): SuperScales {
  const { scales, minimums, groups, mostSub } = scratch;
  for (let group = 0; group < groups; group++) fitGroup(scratch, group);
  const first = { scaleBits: f32ToF16(Math.max(...scales) / mostSub), minimumBits: f32ToF16(Math.max(...minimums) / mostSub) };
  const error = quantizeBlock(scratch, f16ToF32(first.scaleBits), f16ToF32(first.minimumBits));
  const fitted = fitSuperScales(scratch);
  const isBetter = fitted && blockError(scratch, f16ToF32(fitted.scaleBits), f16ToF32(fitted.minimumBits)) < error;
  return isBetter ? fitted : first;
}

interface SuperScales {
  readonly scaleBits: number;
  readonly minimumBits: number;
}

/** Stores the scale s >= 0 and minimum m >= 0 that make the sum of (s * q - m - x)^2 over a group least. */
function fitGroup({ values, scales, minimums, groupSize, mostCode }: Scratch, group: number): void {
  const first = group * groupSize;
  // The format cannot lift a group above zero, so the range always holds zero.
  let low = 0;
  let high = 0;
  let x1 = 0;
  for (let j = first; j < first + groupSize; j++) {
    const x = values[j]!;
    if (x < low) low = x;
    if (x > high) high = x;
    x1 += x;
  }
  scales[group] = 0;
  minimums[group] = 0;
  if (high === low) return;
  let best = -Infinity;
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const inverse = (mostCode + CANDIDATE_STEP * (candidate - CENTRE)) / (high - low);
    let q1 = 0;
    let qq = 0;
    let xq = 0;
    for (let j = first; j < first + groupSize; j++) {
      const x = values[j]!;
      const rounded = ((x - low) * inverse + 0.5) | 0;
      const q = rounded > mostCode ? mostCode : rounded;
      q1 += q;
      qq += q * q;
      xq += x * q;
    }
    const determinant = groupSize * qq - q1 * q1;
    if (determinant <= 0) continue;
    let scale = (groupSize * xq - x1 * q1) / determinant;
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
  const { scales, minimums, subScales, subMinimums, codes, trial, groups, groupSize, mostSub } = scratch;
  let error = 0;
  for (let group = 0; group < groups; group++) {
    // A super-scale that f16 rounded down can ask for more than its bits.
    const nearest = superScale ? Math.min(mostSub, Math.round(scales[group]! / superScale)) : 0;
    const start = superMinimum ? Math.min(mostSub, Math.round(minimums[group]! / superMinimum)) : 0;
    let least = Infinity;
    for (let sub = Math.max(0, nearest - 1); sub <= Math.min(mostSub, nearest + 1); sub++) {
      let subMinimum = start;
      // The best minimum depends on the codes and they on it: twice round is enough to settle.
      for (let round = 0; round < 2; round++) {
        const fit = quantizeGroup(scratch, { group, scale: superScale * sub, minimum: superMinimum * subMinimum });
        if (fit.error < least) {
          least = fit.error;
          subScales[group] = sub;
          subMinimums[group] = subMinimum;
          codes.set(trial, group * groupSize);
        }
        const better = superMinimum ? Math.min(mostSub, Math.max(0, Math.round(fit.bestMinimum / superMinimum))) : 0;
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
function quantizeGroup(
  { values, trial, groupSize, mostCode }: Scratch, { group, scale, minimum }: GroupChoice,
): { error: number; bestMinimum: number } {
  const first = group * groupSize;
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  let sum = 0;
  for (let j = 0; j < groupSize; j++) {
    const x = values[first + j]!;
    const scaled = (x + minimum) * inverse + 0.5;
    const q = scaled < 0 ? 0 : scaled > mostCode ? mostCode : scaled | 0;
    trial[j] = q;
    const miss = scale * q - x;
    sum += miss;
    error += (miss - minimum) ** 2;
  }
  return { error, bestMinimum: sum / groupSize };
}

/** The pair of super-block scales that fits codes, sub-scales and sub-minimums best; undefined where it is no use. */
function fitSuperScales({ values, block, groupSize, subScales, subMinimums, codes }: Scratch): SuperScales | undefined {
  let aa = 0;
  let ab = 0;
  let bb = 0;
  let xa = 0;
  let xb = 0;
  for (let j = 0; j < block; j++) {
    const a = subScales[Math.floor(j / groupSize)]! * codes[j]!;
    const b = -subMinimums[Math.floor(j / groupSize)]!;
    const x = values[j]!;
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

function blockError(
  { values, block, groupSize, subScales, subMinimums, codes }: Scratch, superScale: number, superMinimum: number,
): number {
  let error = 0;
  for (let j = 0; j < block; j++) {
    const group = Math.floor(j / groupSize);
    error += (superScale * subScales[group]! * codes[j]! - superMinimum * subMinimums[group]! - values[j]!) ** 2;
  }
  return error;
}
