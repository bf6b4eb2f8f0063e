/**
 * Values computed from a {@link BlockLayout} record alone, one element at a time: slow, and the meaning of the record.
 * The decoders of `decode-rows.ts` and every kernel must agree with it.
 */
import { bf16ToF32, f16ToF32 } from '../half.ts';
import type { BlockLayout, GroupScale, TwoLevelScale } from '../quant-layout.ts';

/** The value of element `index` of the block that starts at `start`. */
export function decodeByLayout(layout: BlockLayout, bytes: Uint8Array, start: number, index: number): number {
  const group = Math.floor(index / layout.groupSize);
  const code = codeOf(layout, bytes, start, index) - layout.zeroPoint;
  const product = scaleOf(layout.scale, bytes, start, group, false) * code;
  if (!layout.minimum) return Math.fround(product);
  const minimum = scaleOf(layout.minimum.value, bytes, start, group, true);
  return Math.fround(product + layout.minimum.sign * minimum);
}

function codeOf(layout: BlockLayout, bytes: Uint8Array, start: number, index: number): number {
  let code = 0;
  for (const plane of layout.codePlanes) {
    const chunk = (plane.run * 8) / plane.bits;
    const byte = plane.offset + plane.run * Math.floor(index / chunk) + (index % plane.run);
    const shift = plane.bits * Math.floor((index % chunk) / plane.run);
    const bits = ((bytes[start + byte] as number) >> shift) & ((1 << plane.bits) - 1);
    code |= bits << plane.codeShift;
  }
  const signBit = 1 << (layout.codeBits - 1);
  return layout.codeSigned && code & signBit ? code - 2 * signBit : code;
}

function scaleOf(scale: GroupScale, bytes: Uint8Array, start: number, group: number, isMinimum: boolean): number {
  const at = start + scale.offset;
  const bits = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  if (scale.levels === 1) return scale.format === 'bf16' ? bf16ToF32(bits) : f16ToF32(bits);
  return f16ToF32(bits) * subScaleOf(scale, bytes, start + scale.subOffset, group, isMinimum);
}

function subScaleOf(scale: TwoLevelScale, bytes: Uint8Array, at: number, group: number, isMinimum: boolean): number {
  switch (scale.subPacking) {
    case 'bytes': {
      const byte = bytes[at + group] as number;
      return scale.subSigned && byte > 127 ? byte - 256 : byte;
    }
    case 'nibbles':
      return ((bytes[at + group] as number) >> (isMinimum ? 4 : 0)) & 15;
    case 'k4': {
      const own = bytes[at + group + (isMinimum ? 4 : 0)] as number;
      if (group < 4) return own & 63;
      const low = bytes[at + group + 4] as number;
      const high = bytes[at + group - (isMinimum ? 0 : 4)] as number;
      return ((isMinimum ? low >> 4 : low & 15) | ((high >> 6) << 4));
    }
    default:
      return scale.subPacking satisfies never;
  }
}
