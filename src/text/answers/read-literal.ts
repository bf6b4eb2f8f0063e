/**
 * Reads the values of arguments as models write them (JSON, literals of Python, Gemma's own form) and writes them as JSON, while they
 * come. What is written joins to the beginning of a JSON text at any time.
 */
import type { AnswerReader, Steps } from './answer-reader.ts';
import { peek, skipSpace, takeMark, takeWhile } from './read-text.ts';

export interface LiteralSyntax {
  /** Words besides numbers, and what they are in JSON. */
  readonly words: Readonly<Record<string, string>>;
  /** Strings between single quotes too, with the escapes of Python, and commas before closing brackets. */
  readonly isPython?: boolean | undefined;
  /** A mark that strings stand between, as they are; keys stand bare. */
  readonly stringMark?: string | undefined;
  /** White space between tokens is written as it is. */
  readonly keepsSpace?: boolean | undefined;
}

const JSON_WORDS = { true: 'true', false: 'false', null: 'null' } as const;
const PYTHON_WORDS = { True: 'true', False: 'false', None: 'null' } as const;

export const JSON_SYNTAX: LiteralSyntax = { words: JSON_WORDS, keepsSpace: true };
export const PYTHON_SYNTAX: LiteralSyntax = { words: { ...JSON_WORDS, ...PYTHON_WORDS }, isPython: true };
export const GEMMA_SYNTAX: LiteralSyntax = { words: { ...JSON_WORDS, ...PYTHON_WORDS }, stringMark: '<|"|>' };

interface Literal {
  readonly reader: AnswerReader;
  readonly syntax: LiteralSyntax;
  /** Gets the JSON text. */
  readonly write: (json: string) => void;
}

const MOST_NESTED = 200;
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const JSON_ESCAPES: ReadonlySet<string> = new Set('"\\/bfnrt');
const PYTHON_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '0': '\0', '\\': '\\', "'": "'", '"': '"', '\n': '',
};
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
/** What ends a run of characters that stand for themselves: quotes, escapes, line breaks and the like, control tokens. */
const RUN_END = /["'\\\u0000-\u001f]|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Text as it stands between the quotes of a JSON string. */
export function inJsonString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function* space({ reader, syntax, write }: Literal): Steps {
  if (syntax.keepsSpace === true) {
    const text = yield* takeWhile(reader, /[ \t\r\n]/);
    if (text !== '') write(text);
  } else yield* skipSpace(reader);
}

/** Characters up to one that {@link RUN_END} names; some may be all that has come. */
function* takeRun(reader: AnswerReader): Steps<string> {
  if ((yield* peek(reader)) === '') return '';
  RUN_END.lastIndex = reader.at;
  const end = RUN_END.exec(reader.text)?.index ?? reader.text.length;
  const run = reader.text.slice(reader.at, end);
  reader.at = end;
  return run;
}

function* takeHex(reader: AnswerReader, count: number): Steps<string | undefined> {
  const hex = yield* takeWhile(reader, /[0-9a-fA-F]/, count);
  return hex.length === count ? hex : undefined;
}

/** What an escape writes, its backslash being read; undefined for none. */
function* readEscape({ reader, syntax }: Literal): Steps<string | undefined> {
  const code = yield* peek(reader);
  if (code === '') return undefined;
  reader.at++;
  if (syntax.isPython !== true) {
    if (JSON_ESCAPES.has(code)) return `\\${code}`;
    const hex = code === 'u' ? yield* takeHex(reader, 4) : undefined;
    return hex === undefined ? undefined : `\\u${hex}`;
  }
  const digits = HEX_DIGITS[code];
  if (digits !== undefined) {
    const hex = yield* takeHex(reader, digits);
    const point = Number.parseInt(hex ?? '', 16);
    return hex === undefined || point > 0x10ffff ? undefined : inJsonString(String.fromCodePoint(point));
  }
  // As in Python, a backslash before another character stands for itself.
  return inJsonString(PYTHON_ESCAPES[code] ?? `\\${code}`);
}

/** The rest of a string behind its opening quotes. */
function* readQuoted(literal: Literal, quotes: string): Steps<boolean> {
  const { reader, write } = literal;
  write('"');
  for (;;) {
    const run = yield* takeRun(reader);
    if (run !== '') {
      write(run);
      continue;
    }
    if (yield* takeMark(reader, quotes)) break;
    const next = yield* peek(reader);
    if (next === '' || (next >= '\udc00' && next <= '\udfff')) return false;
    reader.at++;
    const written = next === '\\' ? yield* readEscape(literal) : inJsonString(next);
    if (written === undefined) return false;
    write(written);
  }
  write('"');
  return true;
}

/** The rest of a string behind its opening mark: all characters stand for themselves. */
function* readMarked({ reader, write }: Literal, mark: string): Steps<boolean> {
  const spelled = reader.spelling(mark);
  const first = spelled[0] as string;
  write('"');
  for (;;) {
    if (yield* takeMark(reader, mark)) break;
    if ((yield* peek(reader)) === '') return false;
    const next = reader.text.indexOf(first, reader.at + 1);
    const text = reader.text.slice(reader.at, next < 0 ? undefined : next);
    if (/(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)) return false;
    reader.at += text.length;
    write(inJsonString(text));
  }
  write('"');
  return true;
}

/** A string, if one comes; undefined: something else does. */
function* readString(literal: Literal): Steps<boolean | undefined> {
  const { reader, syntax } = literal;
  if (syntax.stringMark !== undefined && (yield* takeMark(reader, syntax.stringMark))) return yield* readMarked(literal, syntax.stringMark);
  const quote = yield* peek(reader);
  if (quote !== '"' && (quote !== "'" || syntax.isPython !== true)) return undefined;
  if (syntax.isPython === true && (yield* takeMark(reader, quote.repeat(3)))) return yield* readQuoted(literal, quote.repeat(3));
  reader.at++;
  return yield* readQuoted(literal, quote);
}

/** A number of Python as JSON has it; undefined for what is none. */
function jsonNumber(text: string, isPython: boolean): string | undefined {
  if (JSON_NUMBER.test(text)) return text;
  const plain = text.replaceAll('_', '');
  if (!isPython || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain)) return undefined;
  const value = Number(plain);
  return Number.isFinite(value) ? JSON.stringify(value) : undefined;
}

function* readWord({ reader, syntax, write }: Literal): Steps<boolean> {
  const word = yield* takeWhile(reader, /[\w.+-]/, 400);
  const known = Object.hasOwn(syntax.words, word) ? syntax.words[word] : undefined;
  const json = known ?? jsonNumber(word, syntax.isPython === true);
  if (json === undefined) return false;
  write(json);
  return true;
}

function* readKey(literal: Literal): Steps<boolean> {
  const read = yield* readString(literal);
  if (read !== undefined || literal.syntax.stringMark === undefined) return read === true;
  const key = yield* takeWhile(literal.reader, /[^\s:{}[\],]/);
  literal.write(JSON.stringify(key));
  return key !== '';
}

/** The items of a list or an object behind its opening bracket, and the closing one. */
function* readItems(literal: Literal, closing: ']' | '}', depth: number): Steps<boolean> {
  const { reader, syntax, write } = literal;
  for (let isFirst = true; ; isFirst = false) {
    yield* space(literal);
    if ((isFirst || syntax.isPython === true) && (yield* takeMark(reader, closing))) break;
    if (!isFirst && syntax.isPython === true) write(',');
    if (closing === '}') {
      if (!(yield* readKey(literal))) return false;
      yield* space(literal);
      if (!(yield* takeMark(reader, ':'))) return false;
      write(':');
      yield* space(literal);
    }
    if (!(yield* readValue(literal, depth + 1))) return false;
    yield* space(literal);
    if (yield* takeMark(reader, closing)) break;
    if (!(yield* takeMark(reader, ','))) return false;
    // Of Python only when another item follows.
    if (syntax.isPython !== true) write(',');
  }
  write(closing);
  return true;
}

function* readValue(literal: Literal, depth: number): Steps<boolean> {
  const { reader, syntax, write } = literal;
  if (depth > MOST_NESTED) return false;
  const string = yield* readString(literal);
  if (string !== undefined) return string;
  const next = yield* peek(reader);
  const isTuple = next === '(' && syntax.isPython === true;
  if (next !== '{' && next !== '[' && !isTuple) return yield* readWord(literal);
  reader.at++;
  write(isTuple ? '[' : next);
  if (isTuple) return yield* readTuple(literal, depth);
  return yield* readItems(literal, next === '{' ? '}' : ']', depth);
}

function* readTuple(literal: Literal, depth: number): Steps<boolean> {
  const { reader, write } = literal;
  for (let isFirst = true; ; isFirst = false) {
    yield* space(literal);
    if (yield* takeMark(reader, ')')) break;
    if (!isFirst) write(',');
    if (!(yield* readValue(literal, depth + 1))) return false;
    yield* space(literal);
    if (yield* takeMark(reader, ')')) break;
    if (!(yield* takeMark(reader, ','))) return false;
  }
  write(']');
  return true;
}

/** Reads one value and writes it as JSON; false where it is none, or the answer ends in it. */
export function readLiteral(reader: AnswerReader, syntax: LiteralSyntax, write: (json: string) => void): Steps<boolean> {
  return readValue({ reader, syntax, write }, 0);
}

/** As {@link readLiteral}, an object: false where another value comes. */
export function* readObject(reader: AnswerReader, syntax: LiteralSyntax, write: (json: string) => void): Steps<boolean> {
  return (yield* peek(reader)) === '{' && (yield* readLiteral(reader, syntax, write));
}
