/**
 * f32 values to weight blocks. f16, bf16, q8_0 and q4_0 give the bytes that ggml's reference encoders give
 * (ggml-quants.c `quantize_row_*_ref`); q4_k and q6_k search for their scales, see their files.
 */
import { FormatError } from '../errors.ts';
import { f32ToBf16, f32ToF16 } from '../half.ts';
import { bytesOfElements, TENSOR_TYPES, type TensorType } from '../tensor-type.ts';
import { encodeQ4_K } from './encode-q4-k.ts';
import { encodeQ6_K } from './encode-q6-k.ts';

/** The largest finite f16. */
const F16_MAX = 65504;

/**
 * Encodes `values` (whole blocks, all finite: see {@link findUnencodable}) as `type` at the start of `out`.
 * Throws FormatError for a type that has no encoder, RangeError where `out` is too short.
 */
export function encodeRows(type: TensorType, values: Float32Array, out: Uint8Array): void {
  const needed = bytesOfElements(type, values.length);
  if (out.length < needed) throw new RangeError(`${values.length} values of ${type} take ${needed} bytes; got room for ${out.length}`);
  encoderOf(type)(values, out);
}

type Encoder = (values: Float32Array, out: Uint8Array) => void;

function encoderOf(type: TensorType): Encoder {
  switch (type) {
    case 'f32':
      return encodeF32;
    case 'f16':
      return (values, out) => encodeHalves(values, out, f32ToF16);
    case 'bf16':
      return (values, out) => encodeHalves(values, out, f32ToBf16);
    case 'q8_0':
      return encodeQ8_0;
    case 'q4_0':
      return encodeQ4_0;
    case 'q4_k':
      return encodeQ4_K;
    case 'q6_k':
      return encodeQ6_K;
    default:
      throw new FormatError(`Cannot encode weights as ${type}: choose f32, f16, bf16, q8_0, q4_0, q4_k or q6_k.`);
  }
}

/** The largest magnitude that a value may have in `type`: its own range, or that of its f16 scale. */
export function largestEncodable(type: TensorType): number {
  switch (type) {
    case 'f16':
      return F16_MAX;
    case 'q8_0':
      return F16_MAX * 127;
    case 'q4_0':
      return F16_MAX * 8;
    case 'q4_k':
      // Scale and minimum each have 6 bits; the minimum alone must reach the most negative value.
      return F16_MAX * 63;
    case 'q6_k':
      return F16_MAX * 127 * 31;
    default:
      return Number.MAX_VALUE;
  }
}

/** Index of the first value that is NaN, infinite or too large for `type`; -1 where all can be encoded. */
export function findUnencodable(type: TensorType, values: Float32Array): number {
  const limit = largestEncodable(type);
  for (let i = 0; i < values.length; i++) {
    // Written so that NaN fails it too.
    if (!(Math.abs(values[i]!) <= limit)) return i;
  }
  return -1;
}

function encodeF32(values: Float32Array, out: Uint8Array): void {
  out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function encodeHalves(values: Float32Array, out: Uint8Array, encode: (value: number) => number): void {
  for (let i = 0, at = 0; i < values.length; i++, at += 2) {
    const bits = encode(values[i]!);
    out[at] = bits;
    out[at + 1] = bits >> 8;
  }
}

function putF16(out: Uint8Array, at: number, value: number): void {
  const bits = f32ToF16(value);
  out[at] = bits;
  out[at + 1] = bits >> 8;
}

/** Products and the inverse scale are rounded to f32 and ties go away from zero, as in ggml. */
function encodeQ8_0(values: Float32Array, out: Uint8Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q8_0;
  for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
    let largest = 0;
    for (let j = 0; j < blockSize; j++) largest = Math.max(largest, Math.abs(values[i + j]!));
    const scale = Math.fround(largest / 127);
    const inverse = scale ? Math.fround(1 / scale) : 0;
    putF16(out, at, scale);
    for (let j = 0; j < blockSize; j++) {
      const scaled = Math.fround(values[i + j]! * inverse);
      out[at + 2 + j] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
}

/** The value of largest magnitude gets code 0, so that its sign decides that of the scale. */
function encodeQ4_0(values: Float32Array, out: Uint8Array): void {
  const { blockSize, blockBytes } = TENSOR_TYPES.q4_0;
  const half = blockSize / 2;
  for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
    let extreme = 0;
    for (let j = 0; j < blockSize; j++) if (Math.abs(values[i + j]!) > Math.abs(extreme)) extreme = values[i + j]!;
    const scale = Math.fround(extreme / -8);
    const inverse = scale ? Math.fround(1 / scale) : 0;
    putF16(out, at, scale);
    for (let j = 0; j < half; j++) {
      const low = Math.min(15, Math.floor(values[i + j]! * inverse + 8.5));
      const high = Math.min(15, Math.floor(values[i + half + j]! * inverse + 8.5));
      out[at + 2 + j] = low | (high << 4);
    }
  }
}
