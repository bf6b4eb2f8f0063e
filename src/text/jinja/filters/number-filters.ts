/** Filters on numbers. */
import { applyArithmetic, intOf } from '../arithmetic.ts';
import { positionArgument, textArgument } from '../arguments.ts';
import { fixedText, roundFloat } from '../decimal.ts';
import { floatText } from '../float-text.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { parseFloatText, parseIntText } from '../number-text.ts';
import { TemplateError } from '../template-errors.ts';
import { ownText } from '../template-text.ts';
import { isFloat, isInt, isText, isTruthy, numberOf, typeName } from '../values.ts';
import type { Value } from '../values.ts';

export const numberFilters: readonly (readonly [string, Filter])[] = [
  filter('abs', [], (value) => {
    if (isFloat(value)) return { float: Math.abs(value.float) };
    if (!isInt(value)) throw unusable('abs', value);
    const int = BigInt(value);
    return intOf(int < 0n ? -int : int);
  }),
  filter(
    'int',
    [
      ['default', 0],
      ['base', 10],
    ],
    (value, [fallback, base]) => toInt(value, base) ?? fallback,
  ),
  filter('float', [['default', { float: 0 }]], (value, [fallback]) => {
    const float = toFloat(value);
    return float === undefined ? fallback : { float };
  }),
  filter(
    'round',
    [
      ['precision', 0],
      ['method', ownText('common')],
    ],
    (value, [precision, method], { budget }) => {
      const { text } = textArgument(method, 'round');
      if (text === 'common' && precision === null) return toInt(roundValue(value, 0), 10);
      if (text === 'common') return roundValue(value, positionArgument(precision, 'round'));
      if (text !== 'ceil' && text !== 'floor') throw new TemplateError('round: the method should be "common", "ceil" or "floor"');
      const scale = applyArithmetic('**', 10, precision, budget);
      const scaled = numberOf(applyArithmetic('*', value, scale, budget));
      if (scaled === undefined || !Number.isFinite(scaled)) throw unusable('round', value);
      return applyArithmetic('/', intOf(BigInt(Math[text](scaled))), scale, budget);
    },
  ),
  filter('filesizeformat', [['binary', false]], (value, [binary]) => {
    const bytes = toFloat(value);
    if (bytes === undefined) throw unusable('filesizeformat', value);
    return ownText(fileSize(bytes, isTruthy(binary)));
  }),
];

function unusable(filterName: string, value: Value): TemplateError {
  return new TemplateError(`${filterName}: cannot be applied to a value of type ${typeName(value)}`);
}

function roundValue(value: Value, digits: number): Value {
  if (isInt(value)) return digits >= 0 ? intOf(BigInt(value)) : roundInt(BigInt(value), -digits);
  if (!isFloat(value)) throw unusable('round', value);
  return { float: roundFloat(value.float, digits) };
}

/** To a multiple of 10 ** power, a half to the even one. */
function roundInt(value: bigint, power: number): Value {
  if (power > 5000) return 0;
  const unit = 10n ** BigInt(power);
  const size = value < 0n ? -value : value;
  const rest = size % unit;
  const floor = size / unit;
  const rounded = (rest * 2n > unit || (rest * 2n === unit && floor % 2n === 1n) ? floor + 1n : floor) * unit;
  return intOf(value < 0n ? -rounded : rounded);
}

/** Python's int() as the filter uses it; undefined where there is none. */
function toInt(value: Value, base: Value): Value {
  if (value === undefined) throw unusable('int', value);
  if (isInt(value)) return intOf(BigInt(value));
  if (isFloat(value)) {
    if (Math.abs(value.float) === Infinity) throw new TemplateError('int: infinity is no integer');
    return Number.isNaN(value.float) ? undefined : intOf(BigInt(Math.trunc(value.float)));
  }
  if (!isText(value)) return undefined;
  const int = isInt(base) ? parseIntText(value.text, Number(base)) : undefined;
  if (int !== undefined) return intOf(int);
  const float = parseFloatText(value.text);
  return float === undefined || !Number.isFinite(float) ? undefined : intOf(BigInt(Math.trunc(float)));
}

/** Python's float(); undefined where there is none. */
function toFloat(value: Value): number | undefined {
  if (value === undefined) throw unusable('float', value);
  if (isText(value)) return parseFloatText(value.text);
  const number = numberOf(value);
  if (typeof value === 'bigint' && !Number.isFinite(number)) throw new TemplateError('float: the integer is too large');
  return number;
}

const prefixes = 'kMGTPEZY';

function fileSize(bytes: number, isBinary: boolean): string {
  const base = isBinary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${BigInt(Math.trunc(bytes))} Bytes`;
  let index = 0;
  while (index < prefixes.length - 1 && !(bytes < base ** (index + 2))) index++;
  const prefix = isBinary ? `${prefixes[index]!.toUpperCase()}iB` : `${prefixes[index]}B`;
  const size = (base * bytes) / base ** (index + 2);
  return `${Number.isFinite(size) ? fixedText(size, 1) : floatText(size)} ${prefix}`;
}
