/** GGUF key values: the thirteen value types, arrays of them, arrays of arrays. */
import type { FormatError } from '../tensor/errors.ts';
import type { MetadataValue } from '../tensor/checkpoint.ts';
import { HeaderCursor, numberIfSafe } from './header-cursor.ts';
import { readGgufName, readGgufString, readGgufStrings } from './gguf-string.ts';

/** Value type ids of the GGUF specification. */
export const GGUF_VALUE_TYPES = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

/** Smallest size of a value of each type, by id: a string or array has at least its length. */
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
const maxArrayDepth = 4;
/** Strings, booleans and arrays cost more in memory than in the file, so that their number has a bound of its own. */
const maxObjects = 1 << 24;
/** An empty typed array costs about as much memory as this many booleans. */
const objectsPerArray = 32;

interface ReadState {
  readonly cursor: HeaderCursor;
  objectsLeft: number;
}

/**
 * Reads `count` key values.
 * @throws FormatError for a damaged file or a key that occurs twice.
 */
export async function readGgufMetadata(cursor: HeaderCursor, count: number): Promise<Map<string, MetadataValue>> {
  const state: ReadState = { cursor, objectsLeft: maxObjects };
  const metadata = new Map<string, MetadataValue>();
  for (let index = 0; index < count; index++) {
    const key = await readGgufName(cursor, `key ${index} of ${count}`);
    if (metadata.has(key)) throw cursor.error(`the key ${JSON.stringify(key.slice(0, 100))} occurs twice. The file is damaged.`);
    const what = JSON.stringify(key.slice(0, 100));
    await cursor.require(4, `the type of ${what}`);
    metadata.set(key, await readValue(state, cursor.takeU32(), what));
  }
  return metadata;
}

async function readValue(state: ReadState, typeId: number, what: string, depth = 0): Promise<MetadataValue> {
  const { cursor } = state;
  if (typeId === GGUF_VALUE_TYPES.string) return readGgufString(cursor, what);
  if (typeId === GGUF_VALUE_TYPES.array) return readArray(state, what, depth);
  const size = valueBytes[typeId];
  if (size === undefined) throw unknownType(cursor, typeId, what);
  await cursor.require(size, what);
  return takeScalar(cursor, typeId, what);
}

function takeScalar(cursor: HeaderCursor, typeId: number, what: string): MetadataValue {
  switch (typeId) {
    case GGUF_VALUE_TYPES.uint8:
      return cursor.takeU8();
    case GGUF_VALUE_TYPES.int8:
      return cursor.takeI8();
    case GGUF_VALUE_TYPES.uint16:
      return cursor.takeU16();
    case GGUF_VALUE_TYPES.int16:
      return cursor.takeI16();
    case GGUF_VALUE_TYPES.uint32:
      return cursor.takeU32();
    case GGUF_VALUE_TYPES.int32:
      return cursor.takeI32();
    case GGUF_VALUE_TYPES.float32:
      return cursor.takeF32();
    case GGUF_VALUE_TYPES.bool:
      return booleanOf(cursor, cursor.takeU8(), what);
    case GGUF_VALUE_TYPES.uint64:
      return cursor.takeU64();
    case GGUF_VALUE_TYPES.int64:
      return cursor.takeI64();
    case GGUF_VALUE_TYPES.float64:
      return cursor.takeF64();
    default:
      throw unknownType(cursor, typeId, what);
  }
}

function booleanOf(cursor: HeaderCursor, byte: number, what: string): boolean {
  if (byte > 1) throw cursor.error(`${what} is a boolean and must be 0 or 1, found ${byte}. The file is damaged.`);
  return byte === 1;
}

async function readArray(state: ReadState, what: string, depth: number): Promise<MetadataValue> {
  const { cursor } = state;
  if (depth >= maxArrayDepth) throw cursor.error(`${what} nests arrays more than ${maxArrayDepth} deep. The file is damaged.`);
  await cursor.require(12, `the length of ${what}`);
  const typeId = cursor.takeU32();
  const count = cursor.takeSize(`the length of ${what}`);
  const itemBytes = valueBytes[typeId];
  if (itemBytes === undefined) throw unknownType(cursor, typeId, what);
  cursor.checkFits(count * itemBytes, `the ${count} items of ${what}`);
  switch (typeId) {
    case GGUF_VALUE_TYPES.string:
      spend(state, count, what);
      return readGgufStrings(cursor, count, what);
    case GGUF_VALUE_TYPES.bool: {
      spend(state, count, what);
      const bytes = await readBytes(cursor, count, what);
      return Array.from(bytes, (byte) => booleanOf(cursor, byte, what));
    }
    case GGUF_VALUE_TYPES.array: {
      spend(state, count * objectsPerArray, what);
      const items: MetadataValue[] = [];
      for (let index = 0; index < count; index++) items.push(await readArray(state, what, depth + 1));
      return items;
    }
    default:
      return numbersOf(cursor, typeId, await readBytes(cursor, count * itemBytes, what), what);
  }
}

function spend(state: ReadState, objects: number, what: string): void {
  state.objectsLeft -= objects;
  if (state.objectsLeft < 0) {
    throw state.cursor.error(`${what}: the arrays of the file hold more than ${maxObjects} items. The file is damaged.`);
  }
}

async function readBytes(cursor: HeaderCursor, sizeBytes: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeBytes);
  await cursor.readInto(bytes, what);
  return bytes;
}

function numbersOf(cursor: HeaderCursor, typeId: number, bytes: Uint8Array<ArrayBuffer>, what: string): MetadataValue {
  switch (typeId) {
    case GGUF_VALUE_TYPES.uint8:
      return bytes;
    case GGUF_VALUE_TYPES.int8:
      return new Int8Array(bytes.buffer);
    case GGUF_VALUE_TYPES.uint16:
      return new Uint16Array(bytes.buffer);
    case GGUF_VALUE_TYPES.int16:
      return new Int16Array(bytes.buffer);
    case GGUF_VALUE_TYPES.uint32:
      return new Uint32Array(bytes.buffer);
    case GGUF_VALUE_TYPES.int32:
      return new Int32Array(bytes.buffer);
    case GGUF_VALUE_TYPES.float32:
      return new Float32Array(bytes.buffer);
    case GGUF_VALUE_TYPES.float64:
      return new Float64Array(bytes.buffer);
    case GGUF_VALUE_TYPES.uint64:
      return exactIntegers(new BigUint64Array(bytes.buffer));
    case GGUF_VALUE_TYPES.int64:
      return exactIntegers(new BigInt64Array(bytes.buffer));
    default:
      throw unknownType(cursor, typeId, what);
  }
}

/** 64-bit integers as doubles where all of them are exact, else as bigints. */
function exactIntegers(values: BigInt64Array | BigUint64Array): Float64Array | bigint[] {
  const numbers = new Float64Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const number = numberIfSafe(values[index]!);
    if (typeof number === 'bigint') return Array.from(values);
    numbers[index] = number;
  }
  return numbers;
}

function unknownType(cursor: HeaderCursor, typeId: number, what: string): FormatError {
  return cursor.error(`${what} has the value type ${typeId}; GGUF v3 knows 0 to 12. The file is damaged or newer than this reader.`);
}
