/** Numbers in English words, as they are read aloud. */

const SMALL = [
  'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve', 'thirteen', 'fourteen',
  'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen',
] as const;
const TENS = ['', '', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'] as const;
const GROUPS = [
  '', 'thousand', 'million', 'billion', 'trillion', 'quadrillion', 'quintillion', 'sextillion', 'septillion', 'octillion', 'nonillion',
  'decillion',
] as const;

/** Digits of the largest number that has words here; longer ones are read digit by digit. */
const MOST_DIGITS = 3 * GROUPS.length;

/** Words of a whole number from its digits: `one hundred and five`. Leading zeros, and what is too long, are read digit by digit. */
export function cardinal(digits: string): string {
  if (digits.length > MOST_DIGITS || (digits.length > 1 && digits.startsWith('0'))) return spelledDigits(digits);
  if (digits === '0') return 'zero';
  const parts: string[] = [];
  for (let end = digits.length, group = 0; end > 0; end -= 3, group++) {
    const value = Number(digits.slice(Math.max(0, end - 3), end));
    // Of the last group a part below a hundred is added to what is before it: a thousand and five.
    const joined = group === 0 && value > 0 && value < 100 && digits.length > 3 ? `and ${belowThousand(value)}` : belowThousand(value);
    if (value > 0) parts.unshift(group === 0 ? joined : `${belowThousand(value)} ${GROUPS[group]}`);
  }
  return parts.join(' ');
}

function belowThousand(value: number): string {
  const hundreds = Math.floor(value / 100);
  const rest = value % 100;
  if (hundreds === 0) return belowHundred(rest);
  return `${SMALL[hundreds]} hundred${rest === 0 ? '' : ` and ${belowHundred(rest)}`}`;
}

export function belowHundred(value: number): string {
  if (value < 20) return SMALL[value] as string;
  const ones = value % 10;
  return `${TENS[Math.floor(value / 10)]}${ones === 0 ? '' : `-${SMALL[ones]}`}`;
}

/** Digit by digit: `five five zero`. */
export function spelledDigits(digits: string): string {
  return Array.from(digits, (digit) => SMALL[Number(digit)]).join(' ');
}

const ORDINALS: Readonly<Record<string, string>> = {
  one: 'first', two: 'second', three: 'third', five: 'fifth', eight: 'eighth', nine: 'ninth', twelve: 'twelfth',
};

/** `twenty-first`. */
export function ordinal(digits: string): string {
  const words = cardinal(digits.replace(/^0+(?=\d)/, ''));
  const [, before = '', last = ''] = /^(.*?)([a-z]+)$/s.exec(words) ?? [];
  if (ORDINALS[last] !== undefined) return `${before}${ORDINALS[last]}`;
  return `${before}${last.endsWith('y') ? `${last.slice(0, -1)}ieth` : `${last}th`}`;
}

/** A decimal number, with commas between its thousands or not: `three point one four`. */
export function decimal(text: string): string {
  const [whole = '', fraction] = text.replaceAll(',', '').split('.');
  if (fraction === undefined || fraction === '') return cardinal(whole);
  return `${whole === '' ? '' : `${cardinal(whole)} `}point ${spelledDigits(fraction)}`;
}

/** A year from 1000 to 2999 and others: `nineteen eighty-four`, `two thousand and five`, `nineteen oh five`. */
export function year(digits: string): string {
  const value = Number(digits);
  if (digits.length !== 4 || value < 1000 || value > 2999) return cardinal(digits);
  const [century, rest] = [Math.floor(value / 100), value % 100];
  if (value % 1000 < 10) return cardinal(digits);
  if (rest === 0) return `${belowHundred(century)} hundred`;
  return `${belowHundred(century)} ${rest < 10 ? `oh ${belowHundred(rest)}` : belowHundred(rest)}`;
}

/** `nineties`, of a word or words that end in a number. */
export function pluralOfNumber(words: string): string {
  if (words.endsWith('y')) return `${words.slice(0, -1)}ies`;
  return words.endsWith('x') ? `${words}es` : `${words}s`;
}

const ROMAN: Readonly<Record<string, number>> = { I: 1, V: 5, X: 10, L: 50, C: 100, D: 500, M: 1000 };

/** The number that a well-formed Roman numeral is; undefined for other letters. */
export function romanValue(letters: string): number | undefined {
  if (!/^(?=.)M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})$/.test(letters)) return undefined;
  const values = Array.from(letters, (letter) => ROMAN[letter] as number);
  return values.reduce((sum, value, i) => sum + (value < (values[i + 1] ?? 0) ? -value : value), 0);
}
