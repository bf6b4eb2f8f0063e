/** Python's format specifications, as in "{:>8.2f}" and "%08.2f". */
import type { Budget } from './budget.ts';
import { exponentialText, fixedText, generalText } from './decimal.ts';
import { floatText } from './float-text.ts';
import { asciiDigits } from './number-text.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, foreignText, ownText, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { charCount } from './values.ts';

export interface FormatSpec {
  readonly fill: string;
  readonly align: '<' | '>' | '^' | '=' | undefined;
  readonly sign: '+' | '-' | ' ' | undefined;
  /** "z": what rounds to zero has no sign. */
  readonly unsignedZero: boolean;
  readonly alternate: boolean;
  readonly width: number;
  readonly grouping: '' | ',' | '_';
  readonly precision: number | undefined;
  readonly type: string;
}

const pattern = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\p{Nd}+)?([,_])?(?:\.(\p{Nd}+))?([a-zA-Z%])?$/su;
const maxPrecision = 1000;

/** @param isText a text is meant, whose zeros go behind it @throws TemplateError */
export function parseFormatSpec(text: string, isText = false): FormatSpec {
  const match = pattern.exec(text);
  if (match === null) throw new TemplateError(`format: "${text.slice(0, 60)}" is not a format`);
  const [, fill, align, sign, unsignedZero, alternate, zero, widthText, grouping, precisionText, type] = match;
  const [width, precision] = [widthText, precisionText].map((digits) => (digits === undefined ? undefined : Number(asciiDigits(digits))));
  if (precision !== undefined && precision > maxPrecision) throw new TemplateError(`format: the precision must be at most ${maxPrecision}`);
  return {
    fill: fill ?? (zero === undefined ? ' ' : '0'),
    align: (align ?? (zero === undefined || isText ? undefined : '=')) as FormatSpec['align'],
    sign: sign as FormatSpec['sign'],
    unsignedZero: unsignedZero !== undefined,
    alternate: alternate !== undefined,
    width: width ?? 0,
    grouping: (grouping ?? '') as FormatSpec['grouping'],
    precision,
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
  const { type, align, sign, unsignedZero, alternate, grouping } = spec;
  if ((type !== '' && type !== 's') || align === '=' || sign !== undefined || unsignedZero || alternate || grouping !== '') {
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
  if (spec.precision !== undefined || spec.unsignedZero) throw new TemplateError('format: an integer takes no precision and no "z"');
  if (type === 'c') return formatChar(value, spec, budget);
  if (!['', 'd', 'n', 'b', 'o', 'x', 'X'].includes(type)) throw new TemplateError(`format: an integer takes no format "${type}"`);
  const [radix, prefix] = radixes[type] ?? [10, ''];
  checkGrouping(spec);
  if (spec.grouping === ',' && radix !== 10) throw new TemplateError(`format: "," does not go with "${type}"`);
  const digits = (value < 0n ? -value : value).toString(radix);
  const body = type === 'X' ? digits.toUpperCase() : digits;
  return placeNumber(
    { isNegative: value < 0n, prefix: spec.alternate ? prefix : '', whole: body, rest: '', group: radix === 10 ? 3 : 4 },
    spec,
    budget,
  );
}

function formatChar(value: bigint, spec: FormatSpec, budget: Budget): TemplateText {
  if (spec.sign !== undefined || spec.alternate || spec.grouping !== '')
    throw new TemplateError('format: "c" takes no sign, no "#" and no separator');
  if (value < 0n || value > 0x10ffffn) throw new TemplateError('format: "c" needs the number of a character');
  return padText(foreignText(String.fromCodePoint(Number(value))), spec, '>', budget);
}

function checkGrouping({ grouping, type }: FormatSpec): void {
  if (grouping !== '' && type === 'n') throw new TemplateError(`format: "${grouping}" does not go with "n"`);
}

/** A float in a format. */
export function formatFloat(value: number, spec: FormatSpec, budget: Budget): TemplateText {
  if (!['', 'e', 'E', 'f', 'F', 'g', 'G', 'n', '%'].includes(spec.type))
    throw new TemplateError(`format: a float takes no format "${spec.type}"`);
  checkGrouping(spec);
  const text = floatDigits(value, spec);
  const cased = spec.type === 'E' || spec.type === 'F' || spec.type === 'G' ? text.toUpperCase() : text;
  const [, whole, rest] = /^(\d*)(.*)$/s.exec(cased)!;
  const isZero = spec.unsignedZero && !/[1-9in]/i.test(cased.replace(/e.*$/i, ''));
  const isNegative = !isZero && (value < 0 || Object.is(value, -0));
  return placeNumber({ isNegative, prefix: '', whole: whole!, rest: rest!, group: 3 }, spec, budget);
}

function floatDigits(value: number, { type, precision, alternate }: FormatSpec): string {
  const percent = type === '%' ? '%' : '';
  const size = Math.abs(percent === '' ? value : value * 100);
  if (!Number.isFinite(size)) return (Number.isNaN(size) ? 'nan' : 'inf') + percent;
  const withPoint = (text: string): string => (alternate && !text.includes('.') ? text.replace(/^\d+/, '$&.') : text);
  if (type === '' && precision === undefined) return withPoint(floatText(size));
  if (type === '') return withPoint(shortGeneral(size, precision!, alternate));
  const lower = type.toLowerCase();
  if (lower === 'e') return withPoint(exponentialText(size, precision ?? 6));
  if (lower === 'g' || lower === 'n') return withPoint(generalText(size, precision ?? 6, alternate));
  return withPoint(fixedText(size, precision ?? 6)) + percent;
}

/** A float with a precision but no type: as "g", with a digit behind the point. */
function shortGeneral(size: number, precision: number, alternate: boolean): string {
  const exponent = Number(exponentialText(size, Math.max(precision, 1) - 1).split('e')[1]);
  const text =
    exponent >= Math.max(precision, 1) - 1 && exponent < 16 && exponent > -5 && precision <= exponent + 1
      ? exponentialText(size, Math.max(precision, 1) - 1).replace(alternate ? '' : /(?:\.0*|(\.\d*?)0+)e/, alternate ? '' : '$1e')
      : generalText(size, precision, alternate);
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
  const sign = isNegative ? '-' : spec.sign === '-' ? '' : (spec.sign ?? '');
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
