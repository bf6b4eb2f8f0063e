/** Numbers in strings, as Python's int() and float() read them. */
import { isPythonSpace } from './template-text.ts';

function stripped(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isPythonSpace(text[start]!)) start++;
  while (end > start && isPythonSpace(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Decimal digits of any script as ASCII ones. */
export function asciiDigits(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (char) => (/\p{Nd}/u.test(char) ? String(digitOf(char.codePointAt(0)!)) : char));
}

/** Digits of a script follow each other, from a zero on; sets of them follow each other in places. */
function digitOf(code: number): number {
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return (code - zero) % 10;
}

const prefixes: Readonly<Record<number, string>> = { 2: 'b', 8: 'o', 16: 'x' };
const maxUnits = 4300;

/** int(text, base); undefined where it is none. */
export function parseIntText(text: string, base: number): bigint | undefined {
  if (base !== 0 && !(base >= 2 && base <= 36)) return undefined;
  const match = /^([-+]?)(?:0([box])_?)?([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(asciiDigits(stripped(text)));
  if (match === null) return undefined;
  const [, sign, letter, digits] = match;
  const plain = (letter === undefined ? '' : `0${letter}`) + digits!;
  const prefixed =
    letter === undefined ? undefined : Number(Object.keys(prefixes).find((each) => prefixes[Number(each)] === letter.toLowerCase()));
  const isPrefix = prefixed !== undefined && (base === 0 || base === prefixed);
  const radix = base === 0 ? (isPrefix ? prefixed : 10) : base;
  const body = (isPrefix ? digits! : plain).replaceAll('_', '');
  if (body.length > maxUnits || (base === 0 && !isPrefix && /^0+[1-9]/.test(body))) return undefined;
  let value = 0n;
  for (const digit of body) {
    const number = Number.parseInt(digit, 36);
    if (!(number < radix)) return undefined;
    value = value * BigInt(radix) + BigInt(number);
  }
  return sign === '-' ? -value : value;
}

/** float(text); undefined where it is none. */
export function parseFloatText(text: string): number | undefined {
  const plain = asciiDigits(stripped(text));
  const named = /^([-+]?)(inf|infinity|nan)$/i.exec(plain);
  if (named !== null) {
    const size = named[2]!.toLowerCase() === 'nan' ? Number.NaN : Infinity;
    return named[1] === '-' ? -size : size;
  }
  if (!/^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?$/i.test(plain)) return undefined;
  return Number(plain.replaceAll('_', ''));
}
