/** Doubles in decimal digits, rounded from their exact value, a half to the even digit: as Python's float formatting does. */
import { fractionOf } from './exact-float.ts';
import { exponentText } from './float-text.ts';

/** The nearest integer to |value| * 10 ** power, from its exact value. @param value finite */
export function roundScaled(value: number, power: number): bigint {
  const exact = fractionOf(value);
  const numerator = exact.numerator * (power > 0 ? 10n ** BigInt(power) : 1n);
  const denominator = exact.denominator * (power < 0 ? 10n ** BigInt(-power) : 1n);
  const floor = numerator / denominator;
  const twice = 2n * (numerator - floor * denominator);
  return twice > denominator || (twice === denominator && floor % 2n === 1n) ? floor + 1n : floor;
}

/** Python's "%.{digits}f" of |value|. */
export function fixedText(value: number, digits: number): string {
  const text = String(roundScaled(value, digits)).padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

interface Exponential {
  /** One before the point and the rest behind it. */
  readonly digits: string;
  readonly exponent: number;
}

function exponential(value: number, digits: number): Exponential {
  if (value === 0) return { digits: '0'.repeat(digits + 1), exponent: 0 };
  const estimate = Number(Math.abs(value).toExponential().split('e')[1]);
  const text = String(roundScaled(value, digits - estimate));
  // Rounding up may make one digit more: 9.99 becomes 10.0.
  return text.length > digits + 1 ? { digits: text.slice(0, digits + 1), exponent: estimate + 1 } : { digits: text, exponent: estimate };
}

const pointed = (digits: string): string => (digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits);

/** Python's "%.{digits}e" of |value|. */
export function exponentialText(value: number, digits: number): string {
  const rounded = exponential(value, digits);
  return `${pointed(rounded.digits)}e${exponentText(rounded.exponent)}`;
}

/** Python's "%.{precision}g" of |value|. @param keepZeros the flag `#` */
export function generalText(value: number, precision: number, keepZeros: boolean): string {
  const significant = Math.max(precision, 1);
  const rounded = exponential(value, significant - 1);
  const withoutZeros = (text: string): string => (keepZeros || !text.includes('.') ? text : text.replace(/\.?0+$/, ''));
  if (rounded.exponent < -4 || rounded.exponent >= significant)
    return `${withoutZeros(pointed(rounded.digits))}e${exponentText(rounded.exponent)}`;
  return withoutZeros(fixedText(value, significant - 1 - rounded.exponent));
}

/** Python's round(value, digits). */
export function roundFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 400) return value;
  if (digits < -400) return value < 0 ? -0 : 0;
  const rounded = roundScaled(value, digits);
  const size = digits > 0 ? Number(`${rounded}e-${digits}`) : Number(rounded * 10n ** BigInt(-digits));
  return value < 0 || Object.is(value, -0) ? -size : size;
}
