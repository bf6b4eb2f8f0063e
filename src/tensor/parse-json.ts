/**
 * JSON of files that others wrote, mostly with Python: its `json` module writes `NaN`, `Infinity` and `-Infinity`, which JSON does
 * not have, and reads them back. Here they are read too; everything else is as strict as JSON (RFC 8259) is.
 */
import type { JsonObject, JsonValue } from './checkpoint.ts';
import { FormatError } from './errors.ts';
import { describeJson, isJsonObject } from './json.ts';

/**
 * Parses text that must be a JSON object.
 * @param where the file, for messages
 * @throws FormatError that says what was expected, what was found, and at which line and column
 */
export function parseJsonObject(text: string, where: string): JsonObject {
  const value = parseJson(text, where);
  if (isJsonObject(value)) return value;
  throw new FormatError(`${where} must be a JSON object, found ${describeJson(value)}.`);
}

/** Parses JSON of any kind. @throws FormatError as {@link parseJsonObject} */
export function parseJson(text: string, where: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // Either Python's words are in it or it is damaged. The platform's messages give no position on some engines; this reader does.
    return readDocument({ text, where, at: 0, depth: 0 });
  }
}

/** Deeper than any model's file. JSON.parse takes more; a reader that calls itself must stop somewhere. */
const maxDepth = 1000;
const maxShownLength = 20;

interface Reader {
  readonly text: string;
  readonly where: string;
  /** Index of the next character. */
  at: number;
  depth: number;
}

const space = /[ \t\n\r]*/y;
const word = /true|false|null|NaN|-?Infinity/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const plainCharacters = /[^"\\\u0000-\u001f]*/y;
const escapedCharacter = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

const words: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function readDocument(reader: Reader): JsonValue {
  const value = readValue(reader);
  if (peek(reader) !== '') throw unexpected(reader, 'the end of the text');
  return value;
}

function readValue(reader: Reader): JsonValue {
  switch (peek(reader)) {
    case '{':
      return readObject(reader);
    case '[':
      return readArray(reader);
    case '"':
      return readString(reader);
    default: {
      const name = take(reader, word);
      if (name !== '') return words.get(name)!;
      const digits = take(reader, number);
      if (digits !== '') return Number(digits);
      throw unexpected(reader, 'a value');
    }
  }
}

function readObject(reader: Reader): JsonObject {
  const entries: [string, JsonValue][] = [];
  readItems(reader, '}', () => {
    if (peek(reader) !== '"') throw unexpected(reader, 'a key in double quotes');
    const key = readString(reader);
    if (peek(reader) !== ':') throw unexpected(reader, '":" after a key');
    reader.at++;
    entries.push([key, readValue(reader)]);
  });
  // Defines its own properties, so that "__proto__" is a key like any other.
  return Object.fromEntries(entries);
}

function readArray(reader: Reader): JsonValue[] {
  const items: JsonValue[] = [];
  readItems(reader, ']', () => items.push(readValue(reader)));
  return items;
}

/** Reads from the opening bracket to `close`, calling `readItem` at the start of every item. */
function readItems(reader: Reader, close: string, readItem: () => void): void {
  if (++reader.depth > maxDepth)
    throw new FormatError(
      `${reader.where} is not valid JSON that can be read: nested more than ${maxDepth} levels deep at ${position(reader)}. ` +
        'The file is damaged.',
    );
  reader.at++;
  if (peek(reader) !== close) {
    readItem();
    while (peek(reader) === ',') {
      reader.at++;
      readItem();
    }
    if (peek(reader) !== close) throw unexpected(reader, `"," or "${close}"`);
  }
  reader.at++;
  reader.depth--;
}

function readString(reader: Reader): string {
  const start = reader.at++;
  do take(reader, plainCharacters);
  while (take(reader, escapedCharacter) !== '');
  if (reader.text[reader.at] !== '"') {
    throw unexpected(
      reader,
      reader.text[reader.at] === '\\' ? 'an escape that JSON has' : 'the rest of a string in double quotes, without line breaks',
    );
  }
  reader.at++;
  return JSON.parse(reader.text.slice(start, reader.at)) as string;
}

/** The next character that is not white space, or '' at the end. */
function peek(reader: Reader): string {
  take(reader, space);
  return reader.text.charAt(reader.at);
}

/** What `pattern` (sticky) matches here, which is then behind the reader; '' for no match. */
function take(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at;
  const match = pattern.exec(reader.text)?.[0] ?? '';
  reader.at += match.length;
  return match;
}

function unexpected(reader: Reader, expected: string): FormatError {
  const rest = /^\S{0,20}/u.exec(reader.text.slice(reader.at, reader.at + 2 * maxShownLength))?.[0] ?? '';
  const found = reader.at >= reader.text.length ? 'the end of the text' : JSON.stringify(rest || reader.text.charAt(reader.at));
  return new FormatError(
    `${reader.where} is not valid JSON: expected ${expected} at ${position(reader)}, found ${found}. The file is damaged.`,
  );
}

function position({ text, at }: Reader): string {
  const before = text.slice(0, at).split('\n');
  return `line ${before.length}, column ${[...before.at(-1)!].length + 1}`;
}
