/** f32 values to weights of a format that has an encoder. */
import { FormatError } from '../errors.ts';
import { ENCODED_TYPES, formatOf, isWeightType, typesInWords } from '../formats/weight-formats.ts';
import type { Encoder } from '../formats/weight-format.ts';
import { bytesOfElements, type TensorType } from '../tensor-type.ts';

/**
 * Encodes `values` (whole blocks, all finite: see {@link findUnencodable}) as `type` at the start of `out`.
 * Throws FormatError for a type that has no encoder, RangeError where `out` is too short.
 */
export function encodeRows(type: TensorType, values: Float32Array, out: Uint8Array): void {
  const needed = bytesOfElements(type, values.length);
  if (out.length < needed) throw new RangeError(`${values.length} values of ${type} take ${needed} bytes; got room for ${out.length}`);
  encoderOf(type).rows(values, out);
}

function encoderOf(type: TensorType): Encoder {
  const encoder = isWeightType(type) ? formatOf(type).encode : undefined;
  if (encoder === undefined) throw new FormatError(`Cannot encode weights as ${type}: choose one of ${typesInWords(ENCODED_TYPES)}.`);
  return encoder;
}

/** The largest magnitude that a value may have in `type`: its own range, or that of its scale. */
export function largestEncodable(type: TensorType): number {
  return encoderOf(type).largest;
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
