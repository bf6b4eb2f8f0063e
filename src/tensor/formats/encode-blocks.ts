/** What encoders of block formats share: codes to their places, and the plain roundings of ggml (ggml-quants.c `quantize_row_*_ref`). */
import { bitOf } from './decode-blocks.ts';
import { F16_MAX } from './f16.ts';
import { putScale } from './scale-values.ts';
import type { BlockFormat, DirectScale, Encoder } from './weight-format.ts';

type Codes = Pick<BlockFormat, 'blockSize' | 'blockBytes' | 'codePlanes'>;

/** Writes the codes of the block at `at`, whose bits are all 0 so far. */
export type CodeWriter = (codes: ArrayLike<number>, out: Uint8Array, at: number) => void;

export function codeWriter({ blockSize, blockBytes, codePlanes }: Codes): CodeWriter {
  const planes = codePlanes.map((plane) => ({
    firstBits: Array.from({ length: blockSize }, (_, i) => bitOf(plane, i)),
    mask: 2 ** plane.bits - 1,
    codeShift: plane.codeShift,
  }));
  return (codes, out, at) => {
    for (const { firstBits, mask, codeShift } of planes) {
      for (let i = 0; i < blockSize; i++) {
        const bit = firstBits[i]!;
        const word = ((codes[i]! >> codeShift) & mask) << (bit & 7);
        out[at + (bit >> 3)]! |= word & 255;
        // Bits beyond a code that ends with its byte are 0, and may lie behind the block.
        if (word > 255 && (bit >> 3) + 1 < blockBytes) out[at + (bit >> 3) + 1]! |= word >> 8;
      }
    }
  };
}

/** Formats of one group a block, with an f16 scale and perhaps an f16 minimum. */
type PlainFormat = Codes & Pick<BlockFormat, 'codeBits'> & { readonly scale: DirectScale };

/**
 * value = scale * (code - 2^(bits - 1)): the value of largest magnitude gets code 0, so that its sign decides that of the scale.
 * Products are made in f64, where what ggml makes in f32 rounds alike.
 */
export function symmetricEncoder(format: PlainFormat): Encoder {
  const half = 2 ** (format.codeBits - 1);
  const write = codeWriter(format);
  const { blockSize, blockBytes, scale: { offset } } = format;
  const codes = new Uint8Array(blockSize);
  const rows = (values: Float32Array, out: Uint8Array) => {
    for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
      let extreme = 0;
      for (let j = 0; j < blockSize; j++) if (Math.abs(values[i + j]!) > Math.abs(extreme)) extreme = values[i + j]!;
      const scale = Math.fround(extreme / -half);
      const inverse = scale ? Math.fround(1 / scale) : 0;
      out.fill(0, at, at + blockBytes);
      putScale('f16', out, at + offset, scale);
      for (let j = 0; j < blockSize; j++) codes[j] = Math.min(2 * half - 1, Math.floor(values[i + j]! * inverse + half + 0.5));
      write(codes, out, at);
    }
  };
  return { rows, largest: F16_MAX * half };
}

/** value = scale * code + minimum, over the range of the block's values. */
export function affineEncoder(format: PlainFormat & { readonly minimum: { readonly value: DirectScale } }): Encoder {
  const most = 2 ** format.codeBits - 1;
  const write = codeWriter(format);
  const { blockSize, blockBytes, scale: { offset }, minimum } = format;
  const codes = new Uint8Array(blockSize);
  const rows = (values: Float32Array, out: Uint8Array) => {
    for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
      let [low, high] = [values[i]!, values[i]!];
      for (let j = 1; j < blockSize; j++) {
        low = Math.min(low, values[i + j]!);
        high = Math.max(high, values[i + j]!);
      }
      const scale = Math.fround(Math.fround(high - low) / most);
      const inverse = scale ? Math.fround(1 / scale) : 0;
      out.fill(0, at, at + blockBytes);
      putScale('f16', out, at + offset, scale);
      putScale('f16', out, at + minimum.value.offset, low);
      for (let j = 0; j < blockSize; j++) {
        const scaled = Math.fround(Math.fround(values[i + j]! - low) * inverse);
        codes[j] = Math.min(most, Math.floor(scaled + 0.5));
      }
      write(codes, out, at);
    }
  };
  // The difference of two values has to fit too.
  return { rows, largest: F16_MAX };
}
