/** A pattern being read, with what its parsers share. */
import type { CaseFold } from './case-fold.ts';

export interface PatternText {
  readonly pattern: string;
  readonly chars: readonly string[];
  at: number;
  readonly fold: CaseFold;
  /** Groups and classes that are open. */
  depth: number;
}

export function patternText(pattern: string, fold: CaseFold): PatternText {
  return { pattern, chars: Array.from(pattern), at: 0, fold, depth: 0 };
}

/** @throws SyntaxError that shows the pattern and the place */
export function failAt(source: PatternText, what: string): never {
  throw new SyntaxError(`${what} at ${source.at} of the pattern ${JSON.stringify(source.pattern.slice(0, 200))}`);
}

export function refuse(source: PatternText, what: string): never {
  return failAt(source, `${what} is not supported`);
}

export function take(source: PatternText, text: string): boolean {
  for (let offset = 0; offset < text.length; offset++) if (source.chars[source.at + offset] !== text[offset]) return false;
  source.at += text.length;
  return true;
}

export function isAtEnd(source: PatternText): boolean {
  return source.at >= source.chars.length;
}

export function next(source: PatternText, what: string): string {
  return source.chars[source.at++] ?? failAt(source, `unfinished ${what}`);
}

/** The text up to `close`, which is taken too. */
export function takeTo(source: PatternText, close: string): string {
  const end = source.chars.indexOf(close, source.at);
  if (end < 0) failAt(source, `expected ${close}`);
  const text = source.chars.slice(source.at, end).join('');
  source.at = end + 1;
  return text;
}

const maxDepth = 200;

/** Runs a parser one level deeper. @throws SyntaxError where groups are nested too deep */
export function nested<T>(source: PatternText, parse: () => T): T {
  if (++source.depth > maxDepth) failAt(source, `more than ${maxDepth} nested groups`);
  const result = parse();
  source.depth--;
  return result;
}
