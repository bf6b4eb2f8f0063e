/**
 * Weight blocks to f32. Formulas: ggml-quants.c `dequantize_row_*`; every value is exact or has one rounding to f32.
 */
import { FormatError } from '../errors.ts';
import { F16_TO_F32 } from '../half.ts';
import { bytesOfElements, TENSOR_TYPES, type TensorType } from '../tensor-type.ts';

/**
 * Decodes `out.length` values (whole blocks) of `type` from the start of `bytes`, which may have any alignment.
 * Rows are whole blocks, so one call decodes one row or many that follow each other.
 * Throws FormatError for a type that Ingot does not compute with, RangeError where `bytes` is too short.
 */
export function decodeRows(type: TensorType, bytes: Uint8Array, out: Float32Array): void {
  const needed = bytesOfElements(type, out.length);
  if (bytes.length < needed) {
    throw new RangeError(`${out.length} values of ${type} take ${needed} bytes; got ${bytes.length}`);
  }
  decoderOf(type)(bytes, out);
}

type Decoder = (bytes: Uint8Array, out: Float32Array) => void;

function decoderOf(type: TensorType): Decoder {
  switch (type) {
    case 'f32':
      return decodeF32;
    case 'f16':
      return decodeF16;
    case 'bf16':
      return decodeBf16;
    case 'q8_0':
      return decodeQ8_0;
    case 'q4_0':
      return decodeQ4_0;
    case 'q4_k':
      return decodeQ4_K;
    case 'q6_k':
      return decodeQ6_K;
    default:
      throw new FormatError(
        `Cannot decode weights of type ${type}. Ingot computes with f32, f16, bf16, q8_0, q4_0, q4_k and q6_k: ` +
          'use a file with those types, or convert the original weights with `ingot convert`.',
      );
  }
}

function decodeF32(bytes: Uint8Array, out: Float32Array): void {
  if (bytes.byteOffset % 4 === 0) {
    out.set(new Float32Array(bytes.buffer, bytes.byteOffset, out.length));
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
}

function decodeF16(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0, at = 0; i < out.length; i++, at += 2) {
    out[i] = F16_TO_F32[bytes[at]! | (bytes[at + 1]! << 8)]!;
  }
}

function decodeBf16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0, at = 0; i < bits.length; i++, at += 2) bits[i] = (bytes[at]! << 16) | (bytes[at + 1]! << 24);
}

function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q8_0;
  for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
    const scale = F16_TO_F32[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let j = 0; j < blockSize; j++) out[i + j] = scale * ((bytes[at + 2 + j]! << 24) >> 24);
  }
}

function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q4_0;
  const half = blockSize / 2;
  for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
    const scale = F16_TO_F32[bytes[at]! | (bytes[at + 1]! << 8)]!;
    for (let j = 0; j < half; j++) {
      const pair = bytes[at + 2 + j]!;
      out[i + j] = scale * ((pair & 15) - 8);
      out[i + half + j] = scale * ((pair >> 4) - 8);
    }
  }
}

/** Super-blocks of 8 groups of 32: f16 scale, f16 scale of minimums, 12 bytes of 6-bit pairs, 128 bytes of nibbles. */
function decodeQ4_K(bytes: Uint8Array, out: Float32Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q4_k;
  for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
    const superScale = F16_TO_F32[bytes[at]! | (bytes[at + 1]! << 8)]!;
    const superMinimum = F16_TO_F32[bytes[at + 2]! | (bytes[at + 3]! << 8)]!;
    for (let group = 0; group < 8; group++) {
      const scale = superScale * k4Scale(bytes, at + 4, group);
      const minimum = superMinimum * k4Minimum(bytes, at + 4, group);
      const codes = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      const values = i + 32 * group;
      for (let j = 0; j < 32; j++) out[values + j] = scale * ((bytes[codes + j]! >> shift) & 15) - minimum;
    }
  }
}

/** The 6-bit scale of a group in the 12 bytes at `at` (ggml's `get_scale_min_k4`). */
export function k4Scale(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

/** The 6-bit minimum of a group in the 12 bytes at `at`. */
export function k4Minimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group + 4]! & 63;
  return (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}

/** Super-blocks of 16 groups of 16: 128 bytes of low nibbles, 64 of high pairs, 16 signed scales, f16 scale. */
function decodeQ6_K(bytes: Uint8Array, out: Float32Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q6_k;
  for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
    const superScale = F16_TO_F32[bytes[at + 208]! | (bytes[at + 209]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const scale = superScale * ((bytes[at + 192 + group]! << 24) >> 24);
      const first = 16 * group;
      const low = at + 64 * (first >> 7) + (first & 63);
      const lowShift = 4 * ((first >> 6) & 1);
      const high = at + 128 + 32 * (first >> 7) + (first & 31);
      const highShift = 2 * ((first >> 5) & 3);
      for (let j = 0; j < 16; j++) {
        const code = ((bytes[low + j]! >> lowShift) & 15) | (((bytes[high + j]! >> highShift) & 3) << 4);
        out[i + first + j] = scale * (code - 32);
      }
    }
  }
}
