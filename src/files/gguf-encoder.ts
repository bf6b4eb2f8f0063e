/** The header of a GGUF v3 file (ggml's docs/gguf.md) as bytes: counts, key values, then where each tensor is. */
import { InputError } from '../tensor/errors.ts';
import type { GgufArray, GgufNestedArray, GgufScalarType, GgufValue } from '../tensor/gguf-value.ts';
import { bytesOfElements, TENSOR_TYPES, type TensorType } from '../tensor/tensor-type.ts';
import { GGUF_MAGIC } from './gguf-header.ts';
import { GGUF_VALUE_TYPES } from './gguf-metadata.ts';

export interface GgufTensorPlan {
  readonly name: string;
  readonly type: TensorType;
  /** Outermost dimension first, at most four. */
  readonly shape: readonly number[];
}

/** A tensor with its place, counted from the start of the data. */
export interface PlacedTensor extends GgufTensorPlan {
  readonly sizeBytes: number;
  readonly offset: number;
}

/** Bytes that grow as they are appended to; little-endian. */
class Bytes {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  get length(): number {
    return this.#length;
  }

  /** A view of what was appended. */
  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for `count` bytes and returns where they begin. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number | bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(value: string): void {
    const at = this.#grow(8 + 3 * value.length);
    const { written } = this.#encoder.encodeInto(value, this.#bytes.subarray(at + 8));
    this.#view.setBigUint64(at, BigInt(written), true);
    this.#length = at + 8 + written;
  }

  zeros(count: number): void {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
  }

  scalar(type: Exclude<GgufScalarType, 'string'>, value: number | bigint | boolean): void {
    const at = this.#grow(SCALAR_BYTES[type]);
    const view = this.#view;
    switch (type) {
      case 'uint8':
        return view.setUint8(at, Number(value));
      case 'int8':
        return view.setInt8(at, Number(value));
      case 'uint16':
        return view.setUint16(at, Number(value), true);
      case 'int16':
        return view.setInt16(at, Number(value), true);
      case 'uint32':
        return view.setUint32(at, Number(value), true);
      case 'int32':
        return view.setInt32(at, Number(value), true);
      case 'float32':
        return view.setFloat32(at, Number(value), true);
      case 'bool':
        return view.setUint8(at, value ? 1 : 0);
      case 'uint64':
        return view.setBigUint64(at, BigInt(value), true);
      case 'int64':
        return view.setBigInt64(at, BigInt(value), true);
      case 'float64':
        return view.setFloat64(at, Number(value), true);
      default:
        throw new RangeError(`no such type: ${type satisfies never}`);
    }
  }
}

const SCALAR_BYTES = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
} as const;
const INTEGER_RANGES = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

/** The whole header, padded to `alignment`, so that the data follows it at once. */
export function encodeGgufHeader(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly PlacedTensor[],
  alignment: number,
): Uint8Array {
  const bytes = new Bytes();
  bytes.u32(GGUF_MAGIC);
  bytes.u32(3);
  bytes.u64(tensors.length);
  bytes.u64(metadata.size);
  for (const [key, value] of metadata) {
    bytes.string(key);
    appendValue(bytes, key, value);
  }
  for (const { name, type, shape, offset } of tensors) {
    bytes.string(name);
    bytes.u32(shape.length);
    // GGUF lists the innermost dimension first.
    for (const size of shape.toReversed()) bytes.u64(size);
    bytes.u32(ggmlIdOf(type, name));
    bytes.u64(offset);
  }
  bytes.zeros(paddingOf(bytes.length, alignment));
  return bytes.taken();
}

/** Bytes from `offset` to the next multiple of `alignment`. */
export function paddingOf(offset: number, alignment: number): number {
  return (alignment - (offset % alignment)) % alignment;
}

/** Lays tensors out one after another, each at a multiple of `alignment`. */
export function placeTensors(tensors: readonly GgufTensorPlan[], alignment: number): PlacedTensor[] {
  const names = new Set<string>();
  let offset = 0;
  return tensors.map((tensor) => {
    checkTensor(tensor, names);
    const sizeBytes = bytesOfElements(tensor.type, tensor.shape.reduce((count, size) => count * size, 1));
    const placed = { ...tensor, sizeBytes, offset };
    offset += sizeBytes + paddingOf(sizeBytes, alignment);
    return placed;
  });
}

function checkTensor({ name, type, shape }: GgufTensorPlan, names: Set<string>): void {
  const { blockSize } = TENSOR_TYPES[type];
  if (names.has(name)) throw new InputError(`The tensor ${JSON.stringify(name)} is named twice; GGUF needs distinct names.`);
  names.add(name);
  ggmlIdOf(type, name);
  if (shape.length === 0 || shape.length > 4 || shape.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw new InputError(`The tensor ${name} has shape [${shape.join(', ')}]; GGUF needs one to four positive sizes.`);
  }
  const cols = shape.at(-1) ?? 0;
  if (cols % blockSize !== 0) {
    throw new InputError(
      `The tensor ${name} has rows of ${cols} elements; ${type} needs a multiple of ${blockSize}. Choose another type for it.`,
    );
  }
}

function appendValue(bytes: Bytes, key: string, value: GgufValue): void {
  bytes.u32(GGUF_VALUE_TYPES[value.type]);
  if (value.type === 'array') return appendArray(bytes, key, value);
  if (value.type === 'string') return bytes.string(value.value);
  checkScalar(key, value.type, value.value);
  bytes.scalar(value.type, value.value);
}

function appendArray(bytes: Bytes, key: string, array: GgufArray | GgufNestedArray): void {
  bytes.u32(GGUF_VALUE_TYPES[array.itemType]);
  bytes.u64(array.value.length);
  for (let i = 0; i < array.value.length; i++) {
    if (array.itemType === 'array') {
      appendArray(bytes, key, array.value[i]!);
    } else if (array.itemType === 'string') {
      bytes.string(array.value[i]!);
    } else {
      const item = array.value[i]!;
      checkScalar(key, array.itemType, item);
      bytes.scalar(array.itemType, item);
    }
  }
}

function checkScalar(key: string, type: Exclude<GgufScalarType, 'string'>, value: number | bigint | boolean): void {
  if (type === 'bool' || type === 'float32' || type === 'float64') return;
  const [least, most] = INTEGER_RANGES[type];
  const isInteger = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (!isInteger || value < least || value > most) {
    throw new InputError(`The metadata key ${key} is ${type} and must be an integer from ${least} to ${most}, found ${value}.`);
  }
}

function ggmlIdOf(type: TensorType, name: string): number {
  const { ggmlId } = TENSOR_TYPES[type];
  if (ggmlId === undefined) throw new InputError(`GGUF has no type ${type}, which the tensor ${name} has. Convert it first.`);
  return ggmlId;
}
