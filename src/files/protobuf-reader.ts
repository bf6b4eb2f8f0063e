/** Fields of a protobuf message (protobuf.dev, "Encoding"), in bounds: what ONNX files are made of. */
import { FormatError } from '../tensor/errors.ts';

/** A field's number and its value: a varint (wire type 0), or bytes (2); those of fixed width (1 and 5) are bytes as well. */
export interface ProtobufField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/**
 * @param name of the file, for messages
 * @throws FormatError where a field does not end within the message
 */
export function* protobufFields(message: Uint8Array, name: string): Generator<ProtobufField> {
  let at = 0;
  const damaged = () => new FormatError(`${name}: a field of the file's messages does not end within it. The file is damaged.`);
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw damaged();
  };
  while (at < message.length) {
    const tag = Number(varint());
    const wireType = tag & 7;
    const number = tag >>> 3;
    if (wireType === 0) {
      yield { number, value: varint() };
      continue;
    }
    const length = wireType === 2 ? Number(varint()) : FIXED_BYTES[wireType];
    if (length === undefined || length > message.length - at) throw damaged();
    yield { number, value: message.subarray(at, at + length) };
    at += length;
  }
}

/** Varints that follow each other without tags. @throws FormatError where the last one does not end */
export function packedVarints(bytes: Uint8Array, name: string): bigint[] {
  const values: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128 && shift < 70n) continue;
    if (byte >= 128) break;
    values.push(BigInt.asUintN(64, value));
    [value, shift] = [0n, 0n];
  }
  if (shift !== 0n) throw new FormatError(`${name}: a list of numbers does not end within its field. The file is damaged.`);
  return values;
}
