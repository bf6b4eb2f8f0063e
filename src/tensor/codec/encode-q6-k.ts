/**
 * f32 to Q6_K: per group of 16 a symmetric scale, found by least squares over a few candidate roundings; those scales
 * become 8-bit multiples of one f16. Codes, sub-scales and the f16 are then improved in turn against the values that the
 * block really stands for. Every weight counts the same: without activations to weigh them by, that is the best guess.
 */
import { f16ToF32, f32ToF16 } from '../half.ts';

const BLOCK = 256;
const BLOCK_BYTES = 210;
const GROUPS = 16;
const GROUP_SIZE = 16;
/** The largest magnitude is tried at codes 32 - 0.9 .. 32 + 0.9. */
const CANDIDATES = 19;
const CANDIDATE_STEP = 0.1;
const CENTRE = 9;

export function encodeQ6_K(values: Float32Array, out: Uint8Array): void {
  const codes = new Int8Array(BLOCK);
  const trial = new Int8Array(GROUP_SIZE);
  const subScales = new Int8Array(GROUPS);
  const groupScales = new Float64Array(GROUPS);
  for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BLOCK_BYTES) {
    const block = values.subarray(i, i + BLOCK);
    let extreme = 0;
    for (let group = 0; group < GROUPS; group++) {
      const scale = bestGroupScale(block, group * GROUP_SIZE);
      groupScales[group] = scale;
      if (Math.abs(scale) > Math.abs(extreme)) extreme = scale;
    }
    let superBits = f32ToF16(extreme / -128);
    quantizeBlock({ block, groupScales, subScales, codes, trial }, f16ToF32(superBits));
    const fitted = f32ToF16(fitSuperScale(block, subScales, codes));
    if (
      fitted !== superBits &&
      blockError(block, subScales, codes, f16ToF32(fitted)) < blockError(block, subScales, codes, f16ToF32(superBits))
    ) {
      superBits = fitted;
    }
    writeBlock(out, at, { superBits, subScales, codes });
  }
}

/** The scale s that makes the sum of (s * q - x)^2 over a group least, for the best of the candidate roundings. */
function bestGroupScale(block: Float32Array, first: number): number {
  let extreme = 0;
  for (let j = first; j < first + GROUP_SIZE; j++) if (Math.abs(block[j]!) > Math.abs(extreme)) extreme = block[j]!;
  if (extreme === 0) return 0;
  let best = 0;
  let scale = 0;
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const inverse = -(32 + CANDIDATE_STEP * (candidate - CENTRE)) / extreme;
    let xq = 0;
    let qq = 0;
    for (let j = first; j < first + GROUP_SIZE; j++) {
      const x = block[j]!;
      const q = roundCode(x * inverse);
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

/** Nearest code in -32..31. */
function roundCode(value: number): number {
  const code = Math.floor(value + 0.5);
  return code > 31 ? 31 : code < -32 ? -32 : code;
}

interface Block {
  readonly block: Float32Array;
  readonly groupScales: Float64Array;
  readonly subScales: Int8Array;
  readonly codes: Int8Array;
  readonly trial: Int8Array;
}

/** Picks for every group the sub-scale among the nearest three, and its codes, that leave the least error. */
function quantizeBlock({ block, groupScales, subScales, codes, trial }: Block, superScale: number): void {
  subScales.fill(0);
  codes.fill(0);
  if (superScale === 0) return;
  for (let group = 0; group < GROUPS; group++) {
    // A super-scale that f16 rounded down can ask for more than 8 bits.
    const nearest = Math.min(127, Math.max(-128, Math.round(groupScales[group]! / superScale)));
    let least = Infinity;
    for (let sub = Math.max(-128, nearest - 1); sub <= Math.min(127, nearest + 1); sub++) {
      const error = quantizeGroup(block, group * GROUP_SIZE, superScale * sub, trial);
      if (error >= least) continue;
      least = error;
      subScales[group] = sub;
      codes.set(trial, group * GROUP_SIZE);
    }
  }
}

function quantizeGroup(block: Float32Array, first: number, scale: number, codes: Int8Array): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  for (let j = 0; j < GROUP_SIZE; j++) {
    const x = block[first + j]!;
    const q = roundCode(x * inverse);
    codes[j] = q;
    error += (scale * q - x) ** 2;
  }
  return error;
}

/** The super-block's scale that fits codes and sub-scales best. */
function fitSuperScale(block: Float32Array, subScales: Int8Array, codes: Int8Array): number {
  let xa = 0;
  let aa = 0;
  for (let j = 0; j < BLOCK; j++) {
    const a = subScales[j >> 4]! * codes[j]!;
    xa += block[j]! * a;
    aa += a * a;
  }
  return aa === 0 ? 0 : xa / aa;
}

function blockError(block: Float32Array, subScales: Int8Array, codes: Int8Array, superScale: number): number {
  let error = 0;
  for (let j = 0; j < BLOCK; j++) error += (superScale * subScales[j >> 4]! * codes[j]! - block[j]!) ** 2;
  return error;
}

interface EncodedBlock {
  readonly superBits: number;
  readonly subScales: Int8Array;
  readonly codes: Int8Array;
}

function writeBlock(out: Uint8Array, at: number, { superBits, subScales, codes }: EncodedBlock): void {
  for (let half = 0; half < 2; half++) {
    for (let l = 0; l < 32; l++) {
      const first = 128 * half + l;
      const a = codes[first]! + 32;
      const b = codes[first + 32]! + 32;
      const c = codes[first + 64]! + 32;
      const d = codes[first + 96]! + 32;
      out[at + 64 * half + l] = (a & 15) | ((c & 15) << 4);
      out[at + 64 * half + 32 + l] = (b & 15) | ((d & 15) << 4);
      out[at + 128 + 32 * half + l] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6);
    }
  }
  for (let group = 0; group < GROUPS; group++) out[at + 192 + group] = subScales[group]!;
  out[at + 208] = superBits;
  out[at + 209] = superBits >> 8;
}
