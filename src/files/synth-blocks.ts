/** Random weight blocks that are valid for their type and decode to values of a chosen spread around zero. */
import { encodeRows } from '../tensor/codec/encode-rows.ts';
import { clearNaNs } from '../tensor/codec/random-weights.ts';
import { putScale, readScale, SCALE_BYTES } from '../tensor/formats/scale-values.ts';
import type { ScaleFormat } from '../tensor/formats/scale-values.ts';
import { subScalesOf } from '../tensor/formats/sub-scales.ts';
import { codeValues } from '../tensor/formats/weight-format.ts';
import type { BlockFormat, TwoLevelScale } from '../tensor/formats/weight-format.ts';
import { formatOf } from '../tensor/formats/weight-formats.ts';
import type { WeightType } from '../tensor/formats/weight-formats.ts';

export interface BlockPoolOptions {
  readonly type: WeightType;
  readonly blocks: number;
  /** Standard deviation of the values. */
  readonly deviation: number;
  readonly seed: number;
}

/** `blocks` random blocks of `type`, the same for the same seed. */
export function blockPool({ type, blocks, deviation, seed }: BlockPoolOptions): Uint8Array {
  const format = formatOf(type);
  const random = randomBytes(blocks * format.blockBytes, seed);
  if (format.kind === 'float') return floatPool(type, random, blocks, deviation);
  clearNaNs(format, random);
  const put = format.scale.levels === 1 ? putDirectScales : putSuperScales;
  for (let at = 0; at < random.length; at += format.blockBytes) put(format, random, at, deviation);
  return random;
}

function randomBytes(count: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4));
  // Marsaglia's xorshift32; its state must not be zero.
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, count);
}

/** Values drawn evenly from +-sqrt(3) deviations. */
function floatPool(type: WeightType, random: Uint8Array, count: number, deviation: number): Uint8Array {
  const width = formatOf(type).blockBytes;
  const values = Float32Array.from({ length: count }, (_, i) => {
    const unit = (random[i * width]! + 256 * random[i * width + 1]! + 0.5) / 65536;
    return deviation * Math.sqrt(3) * (2 * unit - 1);
  });
  encodeRows(type, values, random);
  return random;
}

/** Mean and deviation of what evenly drawn codes stand for; of symmetric formats the deviation is from zero. */
function codeSpread(format: BlockFormat): { readonly mean: number; readonly deviation: number } {
  // A code that is NaN has become the one before it.
  const all = codeValues(format);
  const values = all.map((value, code) => (Number.isNaN(value) ? all[code - 1]! : value));
  const average = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const mean = format.minimum ? average(values) : 0;
  return { mean, deviation: Math.sqrt(average(values.map((value) => (value - mean) ** 2))) };
}

/** Scales of random sign where they have one, so that codes which are not centred on zero give values that are. */
function putDirectScales(format: BlockFormat, bytes: Uint8Array, at: number, deviation: number): void {
  const spread = codeSpread(format);
  const { scale, minimum, groupsPerBlock } = format;
  const scaleBytes = SCALE_BYTES[scale.format];
  for (let group = 0; group < groupsPerBlock; group++) {
    const place = at + scale.offset + group * scaleBytes;
    const drawn = bytes[place + scaleBytes - 1]!;
    const wanted = deviation / spread.deviation;
    if (scale.format.startsWith('e8m0')) putPower(scale.format, bytes, place, wanted * wanted);
    else putScale(scale.format, bytes, place, drawn & 0x80 ? -wanted : wanted);
    if (!minimum) continue;
    const unit = minimum.timesScale ? 1 : readScale(scale.format, bytes, place);
    const centre = -minimum.sign * spread.mean * unit;
    putScale(minimum.value.format, bytes, at + minimum.value.offset + group * scaleBytes, centre);
  }
}

/** One of the two powers of two beside a scale, so often that their mean square is the one wanted. */
function putPower(format: ScaleFormat, bytes: Uint8Array, at: number, meanSquare: number): void {
  const lower = 2 ** Math.floor(Math.log2(meanSquare) / 2);
  const shareOfUpper = (meanSquare / lower ** 2 - 1) / 3;
  putScale(format, bytes, at, bytes[at]! / 256 < shareOfUpper ? 2 * lower : lower);
}

/** Sub-scales from the upper half of their range; each group's minimum is as many steps as its scale, so that the middle code is zero. */
function putSuperScales(format: BlockFormat, bytes: Uint8Array, at: number, deviation: number): void {
  const scale = format.scale as TwoLevelScale;
  const packing = subScalesOf(scale.subPacking);
  const half = (packing.most + 1) / 2;
  const spread = codeSpread(format);
  const subSize = rootMeanSquare(half, packing.most);
  for (let group = 0; group < format.groupsPerBlock; group++) {
    const drawn = packing.scale(bytes, at + scale.subOffset, group);
    const magnitude = half + (Math.abs(drawn) % half);
    packing.putScale(bytes, at + scale.subOffset, group, drawn < 0 ? -magnitude : magnitude);
    packing.putMinimum?.(bytes, at + scale.subOffset, group, magnitude);
  }
  putScale(scale.format, bytes, at + scale.offset, deviation / (spread.deviation * subSize));
  if (format.minimum) {
    const step = readScale(scale.format, bytes, at + scale.offset);
    putScale(scale.format, bytes, at + format.minimum.value.offset, step * spread.mean);
  }
}

/** Of the integers from `least` to `most`. */
function rootMeanSquare(least: number, most: number): number {
  let sum = 0;
  for (let value = least; value <= most; value++) sum += value * value;
  return Math.sqrt(sum / (most - least + 1));
}
