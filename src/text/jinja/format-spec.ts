/** Python's format specifications, as in "{:>8.2f}" and "%08.2f". */
import type { Budget } from './budget.ts';
import { exponentialText, fixedText, generalText } from './decimal.ts';
import { floatText } from './float-text.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, foreignText, ownText, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { charCount } from './values.ts';

export interface FormatSpec {
  readonly fill: string;
  readonly align: '<' | '>' | '^' | '=' | undefined;
  readonly sign: '+' | '-' | ' ';
  readonly alternate: boolean;
  readonly width: number;
  readonly grouping: '' | ',' | '_';
  readonly precision: number | undefined;
  readonly type: string;
}

const pattern = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su;
const maxPrecision = 1000;

/** @throws TemplateError */
export function parseFormatSpec(text: string): FormatSpec {
  const match = pattern.exec(text);
  if (match === null || match[4] !== undefined) throw new TemplateError(`format: "${text.slice(0, 60)}" is not a format`);
  const [, fill, align, sign, , alternate, zero, width, grouping, precision, type] = match;
  if (Number(precision ?? 0) > maxPrecision) throw new TemplateError(`format: the precision must be at most ${maxPrecision}`);
  return {
    fill: fill ?? (zero === undefined ? ' ' : '0'),
    align: (align ?? (zero === undefined ? undefined : '=')) as FormatSpec['align'],
    sign: (sign ?? '-') as FormatSpec['sign'],
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping: (grouping ?? '') as FormatSpec['grouping'],
    precision: precision === undefined ? undefined : Number(precision),
    type: type ?? '',
  };
}

/** Puts fill around a text up to the width. @param fallback where it stands without an alignment */
export function padText(
  text: TemplateText,
  { width, fill, align }: Pick<FormatSpec, 'width' | 'fill' | 'align'>,
  fallback: '<' | '>',
  budget: Budget,
): TemplateText {
  const missing = width - charCount(text.text);
  if (!(missing > 0)) return text;
  budget.allowText(width + text.text.length);
  const at = align ?? fallback;
  const left = at === '<' ? 0 : at === '^' ? Math.floor(missing / 2) : missing;
  return concatTexts([ownText(fill.repeat(left)), text, ownText(fill.repeat(missing - left))]);
}

/** A string in a format. */
export function formatText(text: TemplateText, spec: FormatSpec, budget: Budget): TemplateText {
  if ((spec.type !== '' && spec.type !== 's') || spec.align === '=' || spec.sign !== '-' || spec.alternate || spec.grouping !== '') {
    throw new TemplateError('format: a string takes no such format');
  }
  return padText(spec.precision === undefined ? text : firstChars(text, spec.precision), spec, '<', budget);
}

/** The first characters of a text. */
export function firstChars(text: TemplateText, count: number): TemplateText {
  let units = 0;
  for (let left = count; left > 0 && units < text.text.length; left--) units += text.text.codePointAt(units)! > 0xffff ? 2 : 1;
  return sliceText(text, 0, units);
}

const radixes: Readonly<Record<string, readonly [radix: number, prefix: string]>> = {
  b: [2, '0b'],
  o: [8, '0o'],
  x: [16, '0x'],
  X: [16, '0X'],
};

/** An int in a format. */
export function formatInt(value: bigint, spec: FormatSpec, budget: Budget): TemplateText {
  const { type } = spec;
  if ('eEfFgG%'.includes(type) && type !== '') return formatFloat(Number(value), spec, budget);
  if (spec.precision !== undefined) throw new TemplateError('format: an integer takes no precision');
  if (type === 'c') return padText(foreignText(String.fromCodePoint(Number(value))), spec, '<', budget);
  if (!['', 'd', 'n', 'b', 'o', 'x', 'X'].includes(type)) throw new TemplateError(`format: an integer takes no format "${type}"`);
  const [radix, prefix] = radixes[type] ?? [10, ''];
  if (spec.grouping === ',' && radix !== 10) throw new TemplateError(`format: "," does not go with "${type}"`);
  const digits = (value < 0n ? -value : value).toString(radix);
  const body = type === 'X' ? digits.toUpperCase() : digits;
  return placeNumber(
    { isNegative: value < 0n, prefix: spec.alternate ? prefix : '', whole: body, rest: '', group: radix === 10 ? 3 : 4 },
    spec,
    budget,
  );
}

/** A float in a format. */
export function formatFloat(value: number, spec: FormatSpec, budget: Budget): TemplateText {
  if (!['', 'e', 'E', 'f', 'F', 'g', 'G', 'n', '%'].includes(spec.type))
    throw new TemplateError(`format: a float takes no format "${spec.type}"`);
  const text = floatDigits(value, spec);
  const cased = spec.type === 'E' || spec.type === 'F' || spec.type === 'G' ? text.toUpperCase() : text;
  const [, whole, rest] = /^(\d*)(.*)$/s.exec(cased)!;
  return placeNumber({ isNegative: value < 0 || Object.is(value, -0), prefix: '', whole: whole!, rest: rest!, group: 3 }, spec, budget);
}

function floatDigits(value: number, { type, precision, alternate }: FormatSpec): string {
  const percent = type === '%' ? '%' : '';
  if (!Number.isFinite(value)) return (Number.isNaN(value) ? 'nan' : 'inf') + percent;
  const size = Math.abs(value);
  const withPoint = (text: string): string => (alternate && !text.includes('.') ? text.replace(/^\d+/, '$&.') : text);
  if (type === '' && precision === undefined) return floatText(size);
  if (type === '') return shortGeneral(size, precision!);
  const lower = type.toLowerCase();
  if (lower === 'e') return withPoint(exponentialText(size, precision ?? 6));
  if (lower === 'g' || lower === 'n') return withPoint(generalText(size, precision ?? 6, alternate));
  return withPoint(fixedText(percent === '' ? size : size * 100, precision ?? 6)) + percent;
}

/** A float with a precision but no type: as "g", with a digit behind the point. */
function shortGeneral(size: number, precision: number): string {
  const exponent = Number(exponentialText(size, Math.max(precision, 1) - 1).split('e')[1]);
  const text =
    exponent >= Math.max(precision, 1) - 1 && exponent < 16 && exponent > -5 && precision <= exponent + 1
      ? exponentialText(size, Math.max(precision, 1) - 1).replace(/\.?0+e/, 'e')
      : generalText(size, precision, false);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

interface NumberParts {
  readonly isNegative: boolean;
  readonly prefix: string;
  /** Digits before the point. */
  readonly whole: string;
  readonly rest: string;
  /** Digits between separators. */
  readonly group: number;
}

function placeNumber({ isNegative, prefix, whole, rest, group }: NumberParts, spec: FormatSpec, budget: Budget): TemplateText {
  const sign = isNegative ? '-' : spec.sign === '-' ? '' : spec.sign;
  const lead = sign + prefix;
  budget.allowText(spec.width);
  let digits = grouped(whole, spec.grouping, group);
  if (spec.align === '=') {
    const room = spec.width - lead.length - rest.length;
    if (spec.fill === '0' && spec.grouping !== '') {
      for (let zeros = 0; digits.length < room;) digits = grouped(whole.padStart(whole.length + ++zeros, '0'), spec.grouping, group);
    } else digits = spec.fill.repeat(Math.max(0, room - digits.length)) + digits;
  }
  return padText(ownText(lead + digits + rest), spec, '>', budget);
}

function grouped(digits: string, separator: string, size: number): string {
  if (separator === '') return digits;
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= size) groups.unshift(digits.slice(Math.max(0, end - size), end));
  return groups.join(separator);
}
