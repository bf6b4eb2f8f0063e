/** Doubles rounded from exact fractions, where JavaScript's own operators are off by the last digit here and there. */

const mantissaBits = 52n;

/** |value| as a fraction of integers. @param value finite */
export function fractionOf(value: number): { readonly numerator: bigint; readonly denominator: bigint } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> mantissaBits);
  const fraction = bits & ((1n << mantissaBits) - 1n);
  const mantissa = biased === 0 ? fraction : fraction | (1n << mantissaBits);
  const exponent = Math.max(biased, 1) - 1075;
  return { numerator: exponent > 0 ? mantissa << BigInt(exponent) : mantissa, denominator: exponent < 0 ? 1n << BigInt(-exponent) : 1n };
}

const bitLength = (value: bigint): number => value.toString(16).length * 4;

/** More than a double's 53, and one that tells whether anything is left. */
const quotientBits = 70;

/** The double nearest to a / b, a half to the even one; infinite where there is none so large. */
export function exactQuotient(a: bigint, b: bigint): number {
  const isNegative = a < 0n !== b < 0n;
  const [top, bottom] = [a < 0n ? -a : a, b < 0n ? -b : b];
  const shift = quotientBits - (bitLength(top) - bitLength(bottom));
  const [numerator, denominator] = shift > 0 ? [top << BigInt(shift), bottom] : [top, bottom << BigInt(-shift)];
  const quotient = numerator / denominator;
  const rounded = Number(quotient * denominator === numerator ? quotient : quotient | 1n);
  // In two steps, since 2 to the power of the whole may be too small or large for a double.
  const half = Math.trunc(shift / 2);
  const size = rounded * 2 ** -half * 2 ** (half - shift);
  return isNegative ? -size : size;
}

const largestExactExponent = 256;

/** base ** exponent, rounded from its exact value where the exponent is a small integer. */
export function floatPower(base: number, exponent: number): number {
  const isExact = Number.isInteger(exponent) && Math.abs(exponent) <= largestExactExponent && Number.isFinite(base) && base !== 0;
  const estimate = base ** exponent;
  if (!isExact || !Number.isFinite(estimate) || Math.abs(estimate) < 1e-300) return estimate;
  const { numerator, denominator } = fractionOf(base);
  const times = BigInt(Math.abs(exponent));
  const [top, bottom] = [numerator ** times, denominator ** times];
  const size = exponent < 0 ? exactQuotient(bottom, top) : exactQuotient(top, bottom);
  return estimate < 0 ? -size : size;
}
