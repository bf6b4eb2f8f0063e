/**
 * GGUF strings: a 64-bit length and that many bytes of UTF-8.
 * Bytes that are not UTF-8 become U+FFFD in values, so that one bad token does not cost the model; in keys and
 * names they are an error, because those are looked up.
 */
import type { HeaderCursor } from './header-cursor.ts';

const lengthBytes = 8;
/** Longest single string: a chat template or a tokenizer in JSON takes a few MB. */
const maxStringBytes = 64 * 1024 * 1024;
/** Longest key or tensor name, from the GGUF specification. */
const maxNameBytes = 65_535;
const batchBytes = 32 * 1024;

const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

async function readStringBytes(cursor: HeaderCursor, maxBytes: number, what: string): Promise<Uint8Array> {
  await cursor.require(lengthBytes, `the length of ${what}`);
  const length = cursor.takeSize(`the length of ${what}`);
  cursor.checkFits(length, what);
  if (length > maxBytes) {
    throw cursor.error(`${what} has ${length} bytes; at most ${maxBytes} are expected. The file is damaged.`);
  }
  await cursor.require(length, what);
  return cursor.takeBytes(length);
}

/** Reads a value; invalid UTF-8 becomes U+FFFD. */
export async function readGgufString(cursor: HeaderCursor, what: string): Promise<string> {
  return lossy.decode(await readStringBytes(cursor, maxStringBytes, what));
}

/** Reads a key or a tensor name, which must be UTF-8. */
export async function readGgufName(cursor: HeaderCursor, what: string): Promise<string> {
  const bytes = await readStringBytes(cursor, maxNameBytes, what);
  try {
    return strict.decode(bytes);
  } catch {
    throw cursor.error(`${what} is not valid UTF-8: ${JSON.stringify(lossy.decode(bytes.subarray(0, 100)))}. The file is damaged.`);
  }
}

/** Reads the items of a string array; the caller has checked `count` against the file. */
export async function readGgufStrings(cursor: HeaderCursor, count: number, what: string): Promise<string[]> {
  const strings: string[] = [];
  const ends = new Int32Array(Math.min(count, batchBytes / lengthBytes));
  while (strings.length < count) {
    if (takeBatch(cursor, count - strings.length, ends, strings) === 0) {
      strings.push(await readGgufString(cursor, `item ${strings.length} of ${what}`));
    }
  }
  return strings;
}

/**
 * Decodes a run of short strings with one decoder call, since a call per string would dominate the reading of a
 * vocabulary. The length before a string under 128 bytes is itself eight ASCII characters (the length and seven
 * NULs), so the run is valid UTF-8 exactly when each of its strings is, and is cut apart by UTF-16 lengths.
 */
function takeBatch(cursor: HeaderCursor, count: number, ends: Int32Array, strings: string[]): number {
  const { window, at } = cursor;
  const scanEnd = Math.min(window.length, at + batchBytes);
  const limit = Math.min(count, ends.length);
  let taken = 0;
  let next = at;
  let units = 0;
  while (taken < limit && next + lengthBytes <= scanEnd) {
    const length = shortLengthAt(window, next);
    const end = next + lengthBytes + length;
    if (length < 0 || end > window.length) break;
    units += lengthBytes + utf16Length(window, next + lengthBytes, end);
    ends[taken++] = units;
    next = end;
  }
  if (taken === 0) return 0;
  const run = cursor.takeBytes(next - at);
  const text = decodeStrict(run);
  if (text === undefined) pushOneByOne(run, taken, strings);
  else pushSlices(text, ends, taken, strings);
  return taken;
}

/** The length that begins at `at` when it is below 128, else -1. */
function shortLengthAt(bytes: Uint8Array, at: number): number {
  const high =
    bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]! | bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!;
  return high === 0 && bytes[at]! < 128 ? bytes[at]! : -1;
}

/** UTF-16 units of valid UTF-8: one per lead byte, two where a lead byte opens a surrogate pair. */
function utf16Length(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let index = start; index < end; index++) {
    const byte = bytes[index]!;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

function decodeStrict(run: Uint8Array): string | undefined {
  try {
    return strict.decode(run);
  } catch {
    return undefined;
  }
}

function pushSlices(text: string, ends: Int32Array, taken: number, strings: string[]): void {
  let start = lengthBytes;
  for (let index = 0; index < taken; index++) {
    const end = ends[index]!;
    strings.push(text.slice(start, end));
    start = end + lengthBytes;
  }
}

function pushOneByOne(run: Uint8Array, taken: number, strings: string[]): void {
  let next = 0;
  for (let index = 0; index < taken; index++) {
    const start = next + lengthBytes;
    next = start + run[next]!;
    strings.push(lossy.decode(run.subarray(start, next)));
  }
}
