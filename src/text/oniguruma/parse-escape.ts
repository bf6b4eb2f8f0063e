/** Escapes that stand for one character, inside brackets and outside. */
import { createCharSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { posixClass, propertyClass, wordClass } from './named-class.ts';
import { failAt, refuse, take, takeTo } from './pattern-text.ts';
import type { PatternText } from './pattern-text.ts';

const controls: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, a: 0x07, e: 0x1b };
const refused = new Set(['c', 'C', 'M']);

/** A class by one letter (`d`, `S`), or undefined for another letter. `source.at` is behind the letter. */
export function escapedClass(source: PatternText, letter: string, insideBracket: boolean): CharSet | undefined {
  switch (letter) {
    case 'd':
    case 'D':
      return invertIf(letter === 'D', posixClass('digit')!);
    case 's':
    case 'S':
      return invertIf(letter === 'S', posixClass('space')!);
    case 'w':
    case 'W':
      return invertIf(letter === 'W', insideBracket ? posixClass('word')! : wordClass());
    case 'h':
    case 'H':
      return invertIf(letter === 'H', posixClass('xdigit')!);
    case 'p':
    case 'P':
      return source.chars[source.at] === '{' ? property(source, letter === 'P') : undefined;
    default:
      return undefined;
  }
}

function property(source: PatternText, negated: boolean): CharSet {
  source.at++;
  const name = takeTo(source, '}');
  const plain = name.startsWith('^') ? name.slice(1) : name;
  const set = propertyClass(plain) ?? refuse(source, `the property \\p{${plain.slice(0, 60)}}`);
  return invertIf(negated !== name.startsWith('^'), set);
}

export function invertIf(negated: boolean, set: CharSet): CharSet {
  return negated ? createCharSet((codePoint) => !set.has(codePoint)) : set;
}

/** The character of an escape whose first letter is taken. */
export function escapedChar(source: PatternText, letter: string): number {
  if (Object.hasOwn(controls, letter)) return controls[letter]!;
  if (refused.has(letter)) return refuse(source, `\\${letter}`);
  if (letter === 'x') return hexChar(source);
  if (letter === 'u') return codePointOf(source, digits(source, /[0-9a-fA-F]/, { min: 4, max: 4 }), 16);
  if (/[0-7]/.test(letter)) {
    source.at--;
    return codePointOf(source, digits(source, /[0-7]/, { min: 1, max: 3 }), 8);
  }
  return letter.codePointAt(0)!;
}

function hexChar(source: PatternText): number {
  if (take(source, '{')) return codePointOf(source, takeTo(source, '}'), 16);
  const value = codePointOf(source, digits(source, /[0-9a-fA-F]/, { min: 1, max: 2 }), 16);
  return value < 0x80 ? value : refuse(source, '\\x of a byte that is no character by itself');
}

function digits(source: PatternText, digit: RegExp, { min, max }: { min: number; max: number }): string {
  let text = '';
  while (text.length < max && digit.test(source.chars[source.at] ?? '')) text += source.chars[source.at++]!;
  return text.length >= min ? text : failAt(source, 'unfinished escape');
}

function codePointOf(source: PatternText, text: string, base: number): number {
  const value = /^[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, base) : Number.NaN;
  if (!(value <= 0x10ffff) || (value >= 0xd800 && value < 0xe000)) failAt(source, `no character has the code ${text.slice(0, 20)}`);
  return value;
}
