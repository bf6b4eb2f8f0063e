/** Weights of any format to f32: every value is exact or has one rounding to f32. */
import { FormatError } from '../errors.ts';
import { blockDecoder } from '../formats/decode-blocks.ts';
import type { BlockDecoder } from '../formats/decode-blocks.ts';
import { formatOf, isWeightType, typesInWords } from '../formats/weight-formats.ts';
import type { WeightType } from '../formats/weight-formats.ts';
import { F16_TO_F32 } from '../half.ts';
import { bytesOfElements, type TensorType } from '../tensor-type.ts';

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

/** Decoders of block formats are made of their tables once, as they are asked for. */
const made = new Map<WeightType, BlockDecoder>();

function decoderOf(type: TensorType): BlockDecoder {
  if (!isWeightType(type)) {
    throw new FormatError(
      `Cannot decode weights of type ${type}. Ingot computes with ${typesInWords()}: use a file with those types, or convert the ` +
        'original weights with `ingot convert`.',
    );
  }
  const format = formatOf(type);
  if (format.kind === 'float') return FLOAT_DECODERS[format.format];
  const decoder = made.get(type) ?? blockDecoder(format);
  made.set(type, decoder);
  return decoder;
}

const FLOAT_DECODERS = { f32: decodeF32, f16: decodeF16, bf16: decodeBf16 } as const satisfies Record<string, BlockDecoder>;

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
