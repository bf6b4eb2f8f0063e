/** Cuts a template into tokens as jinja2 does with `trim_blocks` and `lstrip_blocks`, which transformers sets. */
import { unescapeString } from './string-escapes.ts';
import { TemplateSyntaxError } from './template-errors.ts';
import { isPythonSpace } from './template-text.ts';

export type TokenType =
  'data' | 'variable_begin' | 'variable_end' | 'block_begin' | 'block_end' | 'name' | 'string' | 'integer' | 'float' | 'operator' | 'end';

export interface Token {
  readonly type: TokenType;
  /** The text itself, of strings what it stands for. */
  readonly value: string;
  readonly line: number;
  /** The value of a number; ints that a double cannot hold are bigints. */
  readonly number?: number | bigint;
}

/** White space as Python's `\s` has it, for a class of characters. */
const space = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const patterns = {
  space: new RegExp(`[${space}]+`, 'y'),
  onlySpace: new RegExp(`^[${space}]+$`),
  raw: new RegExp(`\\{%([-+]?)[${space}]*raw[${space}]*(?:-%\\}[${space}]*|%\\})`, 'y'),
  endraw: new RegExp(`\\{%([-+]?)[${space}]*endraw[${space}]*(?:\\+%\\}|-%\\}[${space}]*|%\\}\\n?)`, 'g'),
  endComment: new RegExp(`\\+#\\}|-#\\}[${space}]*|#\\}\\n?`, 'g'),
  block: new RegExp(`\\+%\\}|-%\\}[${space}]*|%\\}\\n?`, 'y'),
  variable: new RegExp(`-\\}\\}[${space}]*|\\}\\}`, 'y'),
  begin: /\{[{%#]/g,
  float: /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy,
  integer: /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy,
  name: /[\p{L}\p{N}\p{Mn}\p{Mc}\p{Pc}]+/uy,
  identifier: /^[\p{ID_Start}_][\p{ID_Continue}]*$/u,
  string: /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y,
  operator: /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y,
} as const;

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

interface Cursor {
  readonly source: string;
  readonly tokens: Token[];
  at: number;
  line: number;
  /** What is before `at` ends a line, so that white space after it may be an indentation. */
  lineStarts: boolean;
}

/** @throws TemplateSyntaxError */
export function tokenizeTemplate(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  const cursor: Cursor = { source, tokens: [], at: 0, line: 1, lineStarts: true };
  while (cursor.at < source.length) readData(cursor);
  push(cursor, 'end', '');
  return cursor.tokens;
}

function push(cursor: Cursor, type: TokenType, value: string, number?: number | bigint): void {
  cursor.tokens.push(number === undefined ? { type, value, line: cursor.line } : { type, value, line: cursor.line, number });
}

/** Goes on to `end`, counting lines. */
function advance(cursor: Cursor, end: number): void {
  for (let at = cursor.source.indexOf('\n', cursor.at); at >= 0 && at < end; at = cursor.source.indexOf('\n', at + 1)) cursor.line++;
  cursor.lineStarts = cursor.source[end - 1] === '\n';
  cursor.at = end;
}

function match(cursor: Cursor, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = cursor.at;
  return pattern.exec(cursor.source);
}

/** Text up to the next tag, and the tag. */
function readData(cursor: Cursor): void {
  const { source } = cursor;
  const begin = match(cursor, patterns.begin);
  if (begin === null) {
    push(cursor, 'data', source.slice(cursor.at));
    advance(cursor, source.length);
    return;
  }
  patterns.raw.lastIndex = begin.index;
  const raw = patterns.raw.exec(source);
  const sign = raw?.[1] ?? /[-+]/.exec(source[begin.index + 2] ?? '')?.[0] ?? '';
  pushText(cursor, begin.index, begin[0] === '{{' && sign === '' ? '+' : sign);
  advance(cursor, raw === null ? begin.index + 2 + sign.length : begin.index + raw[0].length);
  if (raw !== null) readRaw(cursor);
  else if (begin[0] === '{#') readComment(cursor);
  else readTag(cursor, begin[0] === '{{' ? 'variable' : 'block');
}

/** @param sign of the tag behind: `-` takes white space away, `+` keeps it, without one an indentation goes */
function pushText(cursor: Cursor, end: number, sign: string): void {
  const text = cursor.source.slice(cursor.at, end);
  let kept = text;
  if (sign === '-') {
    kept = withoutSpaceAtEnd(text);
  } else if (sign === '') {
    const lineStart = text.lastIndexOf('\n') + 1;
    if ((lineStart > 0 || cursor.lineStarts) && patterns.onlySpace.test(text.slice(lineStart))) kept = text.slice(0, lineStart);
  }
  if (kept !== '') push(cursor, 'data', kept);
  advance(cursor, end);
}

function withoutSpaceAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isPythonSpace(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function readRaw(cursor: Cursor): void {
  const end = match(cursor, patterns.endraw);
  if (end === null && cursor.at >= cursor.source.length) return;
  if (end === null) throw new TemplateSyntaxError('{% raw %} is never closed', cursor.line);
  pushText(cursor, end.index, end[1]!);
  advance(cursor, end.index + end[0].length);
}

function readComment(cursor: Cursor): void {
  const end = match(cursor, patterns.endComment);
  if (end === null && cursor.at >= cursor.source.length) return;
  if (end === null) throw new TemplateSyntaxError('a comment {# is never closed', cursor.line);
  advance(cursor, end.index + end[0].length);
}

function readTag(cursor: Cursor, kind: 'variable' | 'block'): void {
  push(cursor, `${kind}_begin`, '');
  const open: string[] = [];
  while (cursor.at < cursor.source.length) {
    const end = open.length === 0 ? match(cursor, patterns[kind]) : null;
    if (end !== null) {
      push(cursor, `${kind}_end`, end[0]);
      advance(cursor, end.index + end[0].length);
      return;
    }
    readToken(cursor, open);
  }
}

function readToken(cursor: Cursor, open: string[]): void {
  const spaces = match(cursor, patterns.space);
  if (spaces !== null) {
    advance(cursor, cursor.at + spaces[0].length);
    return;
  }
  const text = readNumber(cursor) ?? readName(cursor) ?? readString(cursor) ?? readOperator(cursor, open);
  if (text === undefined) {
    const char = String.fromCodePoint(cursor.source.codePointAt(cursor.at)!);
    throw new TemplateSyntaxError(`unexpected character ${JSON.stringify(char)}`, cursor.line);
  }
  advance(cursor, cursor.at + text.length);
}

const maxDigits = 4300;

function readNumber(cursor: Cursor): string | undefined {
  const float = match(cursor, patterns.float)?.[0];
  if (float !== undefined) {
    push(cursor, 'float', float, Number(float.replaceAll('_', '')));
    return float;
  }
  const integer = match(cursor, patterns.integer)?.[0];
  if (integer === undefined) return undefined;
  if (integer.length > maxDigits) throw new TemplateSyntaxError(`a number has more than ${maxDigits} digits`, cursor.line);
  const digits = integer.replaceAll('_', '');
  push(cursor, 'integer', integer, Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits));
  return integer;
}

function readName(cursor: Cursor): string | undefined {
  const name = match(cursor, patterns.name)?.[0];
  if (name === undefined) return undefined;
  if (!patterns.identifier.test(name)) throw new TemplateSyntaxError(`${JSON.stringify(name.slice(0, 60))} is not a name`, cursor.line);
  push(cursor, 'name', name);
  return name;
}

function readString(cursor: Cursor): string | undefined {
  const string = match(cursor, patterns.string)?.[0];
  if (string === undefined) return undefined;
  try {
    push(cursor, 'string', unescapeString(string.slice(1, -1)));
  } catch (error) {
    throw new TemplateSyntaxError((error as Error).message, cursor.line);
  }
  return string;
}

function readOperator(cursor: Cursor, open: string[]): string | undefined {
  const operator = match(cursor, patterns.operator)?.[0];
  if (operator === undefined) return undefined;
  if (Object.hasOwn(closing, operator)) open.push(closing[operator]!);
  else if (operator === ')' || operator === ']' || operator === '}') {
    const expected = open.pop();
    if (expected !== operator) {
      throw new TemplateSyntaxError(`unexpected "${operator}"${expected === undefined ? '' : `, expected "${expected}"`}`, cursor.line);
    }
  }
  push(cursor, 'operator', operator);
  return operator;
}
