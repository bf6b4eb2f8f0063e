/** Blocks of any format to f32, from the format's record alone: the meaning of the record, with which every kernel must agree. */
import { codeValues } from './weight-format.ts';
import type { BlockFormat, CodePlane, GroupScale } from './weight-format.ts';
import { readScale, SCALE_BYTES } from './scale-values.ts';
import { subScalesOf } from './sub-scales.ts';

/** Decodes `out.length` values (whole blocks) from the start of `bytes`. */
export type BlockDecoder = (bytes: Uint8Array, out: Float32Array) => void;

/**
 * Makes the decoder of a format. Products are made in f64, so that every value is exact or has one rounding to f32; what f32 makes of a
 * scale times a code beforehand differs from it only where the scale is an f32.
 */
export function blockDecoder(format: BlockFormat): BlockDecoder {
  const { blockSize, blockBytes, groupSize, scale, minimum } = format;
  const readCodes = codeReader(format);
  const meaning = Float64Array.from(codeValues(format));
  const codes = new Uint8Array(blockSize);
  return (bytes, out) => {
    for (let first = 0, at = 0; first < out.length; first += blockSize, at += blockBytes) {
      readCodes(bytes, at, codes);
      for (let start = 0, group = 0; start < blockSize; start += groupSize, group++) {
        const factor = groupScale(scale, bytes, at, group, false);
        const unit = minimum?.timesScale ? factor : 1;
        const offset = minimum === undefined ? 0 : minimum.sign * unit * groupScale(minimum.value, bytes, at, group, true);
        // Adding nothing would make +0 of -0.
        if (minimum === undefined) for (let i = start; i < start + groupSize; i++) out[first + i] = factor * meaning[codes[i]!]!;
        else for (let i = start; i < start + groupSize; i++) out[first + i] = factor * meaning[codes[i]!]! + offset;
      }
    }
  };
}

/** The scale, or minimum, of a group of the block at `block`. */
function groupScale(scale: GroupScale, bytes: Uint8Array, block: number, group: number, isMinimum: boolean): number {
  if (scale.levels === 1) return readScale(scale.format, bytes, block + scale.offset + group * SCALE_BYTES[scale.format]);
  const packing = subScalesOf(scale.subPacking);
  const integer = isMinimum ? packing.minimum! : packing.scale;
  return readScale(scale.format, bytes, block + scale.offset) * integer(bytes, block + scale.subOffset, group);
}

/** First bit, counted from the block's start, of element `index` in a plane. */
export function bitOf({ bits, offset, run }: CodePlane, index: number): number {
  if (run === 'stream') return 8 * offset + bits * index;
  const chunk = (run * 8) / bits;
  return 8 * (offset + run * Math.floor(index / chunk) + (index % run)) + bits * Math.floor((index % chunk) / run);
}

/** Reads the codes of the block at `at` into an array of its elements. */
function codeReader({ blockSize, blockBytes, codePlanes }: BlockFormat): (bytes: Uint8Array, at: number, codes: Uint8Array) => void {
  const planes = codePlanes.map((plane) => {
    const firstBits = Array.from({ length: blockSize }, (_, i) => bitOf(plane, i));
    return {
      byte: Uint16Array.from(firstBits, (bit) => bit >> 3),
      // Where a code ends with its byte, what the next one holds is masked off.
      next: Uint16Array.from(firstBits, (bit) => Math.min((bit >> 3) + 1, blockBytes - 1)),
      shift: Uint8Array.from(firstBits, (bit) => bit & 7),
      mask: 2 ** plane.bits - 1,
      codeShift: plane.codeShift,
    };
  });
  return (bytes, at, codes) => {
    planes.forEach(({ byte, next, shift, mask, codeShift }, n) => {
      for (let i = 0; i < blockSize; i++) {
        const word = bytes[at + byte[i]!]! | (bytes[at + next[i]!]! << 8);
        const bits = ((word >> shift[i]!) & mask) << codeShift;
        codes[i] = n === 0 ? bits : codes[i]! | bits;
      }
    });
  };
}
