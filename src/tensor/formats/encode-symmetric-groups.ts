/**
 * f32 to blocks of symmetric groups (Q3_K, Q6_K, IQ4_XS, IQ4_NL): per group a scale, found by least squares over a few candidate roundings;
 * those scales become small multiples of one f16. Codes, sub-scales and the f16 are then improved in turn against the values that the
 * block really stands for. Every weight counts the same: without activations to weigh them by, that is the best guess.
 */
import { f16ToF32, f32ToF16, putHalf } from '../half.ts';
import { codeWriter } from './encode-blocks.ts';
import { F16_MAX } from './f16.ts';
import { codeValues } from './weight-format.ts';
import { subScalesOf } from './sub-scales.ts';
import type { BlockFormat, DirectScale, Encoder, TwoLevelScale } from './weight-format.ts';

/** The largest magnitude is tried at levels up to 0.9 steps beside the greatest. */
const CANDIDATES = 19;
const CENTRE = 9;

/** What codes stand for: integers, of which the first is the greatest in magnitude. */
interface Levels {
  /** The one nearest to a value. */
  nearest(value: number): number;
  readonly greatest: number;
  /** Between the places where the largest magnitude is tried. */
  readonly step: number;
}

/** Sizes of the format. */
interface Sizes {
  readonly levels: Levels;
  readonly groups: number;
  readonly groupSize: number;
  readonly leastSub: number;
  readonly mostSub: number;
}

interface Scratch extends Sizes {
  values: Float32Array;
  readonly groupScales: Float64Array;
  readonly subScales: Int8Array;
  readonly codes: Int8Array;
  readonly trial: Int8Array;
}

type SymmetricFormat = Pick<BlockFormat, 'blockSize' | 'blockBytes' | 'groupSize' | 'codeBits' | 'codePlanes' | 'code'>;

function levelsOf(format: SymmetricFormat): Levels {
  const values = codeValues(format);
  const greatest = -values[0]!;
  if (format.code.kind === 'offset') return { nearest: (value) => roundCode(value, greatest), greatest, step: 0.1 };
  const nearest = (value: number) => {
    let best = 0;
    for (let code = 1; code < values.length; code++) {
      if (Math.abs(values[code]! - value) < Math.abs(values[best]! - value)) best = code;
    }
    return values[best]!;
  };
  return { nearest, greatest, step: greatest / 80 };
}

/** Writes the code of each level of a block. */
function levelWriter(format: SymmetricFormat): (levels: Int8Array, out: Uint8Array, at: number) => void {
  const values = codeValues(format);
  const codeOf = new Uint8Array(256);
  values.forEach((value, code) => {
    codeOf[value & 255] = code;
  });
  const write = codeWriter(format);
  const codes = new Uint8Array(format.blockSize);
  return (levels, out, at) => {
    for (let i = 0; i < codes.length; i++) codes[i] = codeOf[levels[i]! & 255]!;
    write(codes, out, at);
  };
}

export function encodeSymmetricGroups(format: SymmetricFormat & { readonly scale: TwoLevelScale }): Encoder {
  const { blockSize, blockBytes, groupSize, scale } = format;
  const packing = subScalesOf(scale.subPacking);
  const groups = blockSize / groupSize;
  const levels = levelsOf(format);
  const write = levelWriter(format);
  const rows = (values: Float32Array, out: Uint8Array) => {
    const scratch: Scratch = {
      levels, groups, groupSize, leastSub: packing.least, mostSub: packing.most,
      values,
      groupScales: new Float64Array(groups),
      subScales: new Int8Array(groups),
      codes: new Int8Array(blockSize),
      trial: new Int8Array(groupSize),
    };
    for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
      scratch.values = values.subarray(i, i + blockSize);
      const superBits = encodeBlock(scratch);
      out.fill(0, at, at + blockBytes);
      putHalf(out, at + scale.offset, superBits);
      scratch.subScales.forEach((sub, group) => packing.putScale(out, at + scale.subOffset, group, sub));
      write(scratch.codes, out, at);
    }
  };
  return { rows, largest: F16_MAX * packing.most * (levels.greatest - 1) };
}

/** Of formats that have one f16 for a block: the scale that leaves the least error. */
export function encodeSymmetricBlocks(format: SymmetricFormat & { readonly scale: DirectScale }): Encoder {
  const { blockSize, blockBytes, scale } = format;
  const levels = levelsOf(format);
  const write = levelWriter(format);
  const codes = new Int8Array(blockSize);
  const rows = (values: Float32Array, out: Uint8Array) => {
    for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
      const block = values.subarray(i, i + blockSize);
      const bits = f32ToF16(bestGroupScale({ values: block, groupSize: blockSize, levels }, 0));
      const inverse = f16ToF32(bits) === 0 ? 0 : 1 / f16ToF32(bits);
      for (let j = 0; j < blockSize; j++) codes[j] = levels.nearest(block[j]! * inverse);
      out.fill(0, at, at + blockBytes);
      putHalf(out, at + scale.offset, bits);
      write(codes, out, at);
    }
  };
  return { rows, largest: F16_MAX * (levels.greatest - 1) };
}

/** Leaves sub-scales and codes in the scratch; returns the super-block's f16. */
function encodeBlock(scratch: Scratch): number {
  const { groups, groupSize, groupScales, leastSub } = scratch;
  let extreme = 0;
  for (let group = 0; group < groups; group++) {
    const scale = bestGroupScale(scratch, group * groupSize);
    groupScales[group] = scale;
    if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
  }
  const first = f32ToF16(extreme / leastSub);
  quantizeBlock(scratch, f16ToF32(first));
  const fitted = f32ToF16(fitSuperScale(scratch));
  if (fitted === first) return first;
  return blockError(scratch, f16ToF32(fitted)) < blockError(scratch, f16ToF32(first)) ? fitted : first;
}

/** The scale s that makes the sum of (s * q - x)^2 over a group least, for the best of the candidate roundings. */
function bestGroupScale({ values, groupSize, levels }: Pick<Scratch, 'values' | 'groupSize' | 'levels'>, first: number): number {
  let extreme = 0;
  for (let j = first; j < first + groupSize; j++) if (Math.abs(values[j]!) > Math.abs(extreme)) extreme = values[j]!;
  if (extreme === 0) return 0;
  let best = 0;
  let scale = 0;
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const inverse = -(levels.greatest + levels.step * (candidate - CENTRE)) / extreme;
    let xq = 0;
    let qq = 0;
    for (let j = first; j < first + groupSize; j++) {
      const x = values[j]!;
      const q = levels.nearest(x * inverse);
      xq += x * q;
      qq += q * q;
    }
    // The error left is sum(x^2) - xq^2 / qq.
    if (qq > 0 && xq * xq > best * qq) {
      best = (xq * xq) / qq;
      scale = xq / qq;
    }
  }
  return scale;
}

function roundCode(value: number, half: number): number {
  const code = Math.floor(value + 0.5);
  return code > half - 1 ? half - 1 : code < -half ? -half : code;
}

/** Picks for every group the sub-scale among the nearest three, and its codes, that leave the least error. */
function quantizeBlock(scratch: Scratch, superScale: number): void {
  const { groups, groupSize, groupScales, subScales, codes, trial, leastSub, mostSub } = scratch;
  subScales.fill(0);
  codes.fill(0);
  if (superScale === 0) return;
  for (let group = 0; group < groups; group++) {
    // A super-scale that f16 rounded down can ask for more than its bits.
    const nearest = Math.min(mostSub, Math.max(leastSub, Math.round(groupScales[group]! / superScale)));
    let least = Infinity;
    for (let sub = Math.max(leastSub, nearest - 1); sub <= Math.min(mostSub, nearest + 1); sub++) {
      const error = quantizeGroup(scratch, group * groupSize, superScale * sub);
      if (error >= least) continue;
      least = error;
      subScales[group] = sub;
      codes.set(trial, group * groupSize);
    }
  }
}

function quantizeGroup({ values, groupSize, levels, trial }: Scratch, first: number, scale: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  for (let j = 0; j < groupSize; j++) {
    const x = values[first + j]!;
    const q = levels.nearest(x * inverse);
    trial[j] = q;
    error += (scale * q - x) ** 2;
  }
  return error;
}

/** The super-block's scale that fits codes and sub-scales best. */
function fitSuperScale({ values, groupSize, subScales, codes }: Scratch): number {
  let xa = 0;
  let aa = 0;
  for (let j = 0; j < values.length; j++) {
    const a = subScales[Math.floor(j / groupSize)]! * codes[j]!;
    xa += values[j]! * a;
    aa += a * a;
  }
  return aa === 0 ? 0 : xa / aa;
}

function blockError({ values, groupSize, subScales, codes }: Scratch, superScale: number): number {
  let error = 0;
  for (let j = 0; j < values.length; j++) error += (superScale * subScales[Math.floor(j / groupSize)]! * codes[j]! - values[j]!) ** 2;
  return error;
}
