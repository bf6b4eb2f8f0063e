/** The tokens of a template as its parser goes through them. */
import type { Token, TokenType } from './lexer.ts';
import type { KnownNames } from './nodes.ts';
import { TemplateSyntaxError } from './template-errors.ts';

/** Statements and expressions inside each other. A parser's frames per level are many: the host's stack is the limit. */
export const maxNesting = 150;

export interface TokenStream {
  readonly tokens: readonly Token[];
  readonly known: KnownNames;
  at: number;
  depth: number;
  /** Filters and tests met that are not known, but for those in parts that need not run. */
  readonly unknown: { readonly message: string; readonly line: number }[];
}

export function current(stream: TokenStream): Token {
  return stream.tokens[Math.min(stream.at, stream.tokens.length - 1)]!;
}

export function following(stream: TokenStream): Token {
  return stream.tokens[Math.min(stream.at + 1, stream.tokens.length - 1)]!;
}

export function next(stream: TokenStream): Token {
  const token = current(stream);
  stream.at++;
  return token;
}

export function isAt(stream: TokenStream, type: TokenType, value?: string): boolean {
  return isToken(current(stream), type, value);
}

export function isToken(token: Token, type: TokenType, value?: string): boolean {
  return token.type === type && (value === undefined || token.value === value);
}

export const isAtName = (stream: TokenStream, ...names: readonly string[]): boolean =>
  current(stream).type === 'name' && names.includes(current(stream).value);

export const isAtOperator = (stream: TokenStream, ...operators: readonly string[]): boolean =>
  current(stream).type === 'operator' && operators.includes(current(stream).value);

export function skip(stream: TokenStream, type: TokenType, value?: string): boolean {
  if (!isAt(stream, type, value)) return false;
  stream.at++;
  return true;
}

export function expect(stream: TokenStream, type: TokenType, value?: string): Token {
  if (!isAt(stream, type, value))
    fail(stream, `expected ${value === undefined ? typeNames[type] : `"${value}"`}, found ${describe(current(stream))}`);
  return next(stream);
}

export function fail(stream: TokenStream, message: string, line = current(stream).line): never {
  throw new TemplateSyntaxError(message, line);
}

/** Runs a part of the parser one level deeper. */
export function nested<T>(stream: TokenStream, parse: () => T): T {
  if (++stream.depth > maxNesting) fail(stream, `it is nested more than ${maxNesting} deep`);
  const parsed = parse();
  stream.depth--;
  return parsed;
}

const typeNames: Readonly<Record<TokenType, string>> = {
  data: 'text',
  variable_begin: '"{{"',
  variable_end: '"}}"',
  block_begin: '"{%"',
  block_end: '"%}"',
  name: 'a name',
  string: 'a string',
  integer: 'a number',
  float: 'a number',
  operator: 'an operator',
  end: 'the end of the template',
};

const shownUnits = 60;

export function describe(token: Token): string {
  const { type, value } = token;
  return type === 'name' || type === 'operator' ? `"${value.slice(0, shownUnits)}"` : typeNames[type];
}
