/** Python's `text % values`. */
import type { Budget } from './budget.ts';
import { entryOf } from './dict.ts';
import { firstChars, formatFloat, formatInt, padText } from './format-spec.ts';
import type { FormatSpec } from './format-spec.ts';
import { escapeText } from './html.ts';
import { reprOf, textOf } from './printing.ts';
import { TemplateError } from './template-errors.ts';
import { concatWithin, foreignText, markupLike, ownText, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { charCount, isDict, isFloat, isInt, isList, isRange, isText, isTuple, numberOf, typeName } from './values.ts';
import type { Value } from './values.ts';

const pattern = /%(?:\(((?:[^()]|\([^()]*\))*)\))?([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([\s\S])?/gu;
const maxWidth = 1_000_000;

interface Source {
  readonly format: TemplateText;
  readonly values: readonly Value[];
  readonly mapping: Value;
  readonly budget: Budget;
  used: number;
}

/** @throws TemplateError for values that do not fit the format */
export function percentFormat(format: TemplateText, value: Value, budget: Budget): TemplateText {
  const values = isTuple(value) ? value.tuple : [value];
  const hasItems = isDict(value) || isList(value) || isRange(value) || value === undefined;
  const source: Source = { format, values, mapping: isDict(value) ? value : undefined, budget, used: 0 };
  budget.scan(format.text.length);
  const parts: TemplateText[] = [];
  let from = 0;
  for (const match of format.text.matchAll(pattern)) {
    parts.push(sliceText(format, from, match.index), conversion(match, source));
    from = match.index + match[0].length;
  }
  parts.push(sliceText(format, from, format.text.length));
  if (source.used < values.length && !(hasItems && source.used === 0))
    throw new TemplateError('%: there are more values than the format takes');
  return markupLike(format, concatWithin(parts, budget));
}

function nextValue(source: Source): Value {
  if (source.used >= source.values.length) throw new TemplateError('%: there are fewer values than the format takes');
  return source.values[source.used++];
}

function conversion(match: RegExpExecArray, source: Source): TemplateText {
  const [whole, key, flags, widthText, precisionText, type] = match;
  if (type === undefined) throw new TemplateError('%: the format ends too early');
  if (whole === '%%') return ownText('%');
  const keyed = key === undefined ? undefined : { value: lookup(source, key) };
  const star = widthText === '*' ? starred(source) : Number(widthText ?? 0);
  const precision =
    precisionText === undefined ? undefined : precisionText === '*' ? Math.max(0, starred(source)) : Number(precisionText);
  const width = Math.abs(star);
  if (width > maxWidth || (precision ?? 0) > 1000) throw new TemplateError('%: the width or precision is too large');
  const isLeft = flags!.includes('-') || star < 0;
  const isNumber = 'diuxXofFeEgG'.includes(type);
  const zero = flags!.includes('0') && isNumber && !isLeft;
  const spec: FormatSpec = {
    fill: zero ? '0' : ' ',
    align: isLeft ? '<' : zero ? '=' : '>',
    sign: flags!.includes('+') ? '+' : flags!.includes(' ') ? ' ' : undefined,
    unsignedZero: false,
    alternate: flags!.includes('#'),
    width,
    grouping: '',
    precision,
    type,
  };
  if (!isNumber && !'srac'.includes(type)) throw new TemplateError(`%: there is no conversion "${type}"`);
  return convert(keyed === undefined ? nextValue(source) : keyed.value, spec, source);
}

function lookup(source: Source, key: string): Value {
  if (!isDict(source.mapping)) throw new TemplateError('%: names in the format need a dict');
  const entry = entryOf(source.mapping, ownText(key));
  if (entry === undefined) throw new TemplateError(`%: there is no value "${key.slice(0, 60)}"`);
  source.used = source.values.length;
  return entry.value;
}

function starred(source: Source): number {
  const value = nextValue(source);
  if (!isInt(value)) throw new TemplateError('%: * needs an integer');
  return Number(value);
}

function convert(value: Value, spec: FormatSpec, { format, budget }: Source): TemplateText {
  const { type, precision } = spec;
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? textOf(value, budget) : type === 'r' ? reprOf(value, budget) : asciiRepr(value, budget);
    const safe = format.markup ? escapeText(text, budget) : text;
    return padText(precision === undefined ? safe : firstChars(safe, precision), spec, '>', budget);
  }
  if (type === 'c') return padText(charOf(value), spec, '>', budget);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`%${type}: expected a number, found ${typeName(value)}`);
  if ('fFeEgG'.includes(type)) return formatFloat(number, spec, budget);
  if (isFloat(value) && (!'diu'.includes(type) || !Number.isFinite(number)))
    throw new TemplateError(`%${type}: expected an integer, found a float`);
  return intConversion(isInt(value) ? BigInt(value) : BigInt(Math.trunc(number)), spec, budget);
}

function intConversion(value: bigint, spec: FormatSpec, budget: Budget): TemplateText {
  const type = 'iu'.includes(spec.type) ? 'd' : spec.type;
  const { precision } = spec;
  if (precision === undefined) return formatInt(value, { ...spec, type }, budget);
  const plain = formatInt(value, { ...spec, type, width: 0, precision: undefined }, budget).text;
  const [, lead, digits] = /^([-+ ]?(?:0[xXo])?)(.*)$/.exec(plain)!;
  const text = lead! + digits!.padStart(precision, '0');
  if (spec.align !== '=') return padText(ownText(text), spec, '>', budget);
  return ownText(lead! + digits!.padStart(Math.max(precision, spec.width - lead!.length), '0'));
}

function charOf(value: Value): TemplateText {
  if (isText(value) && charCount(value.text) === 1) return value;
  if (isInt(value) && Number(value) >= 0 && Number(value) <= 0x10ffff) return foreignText(String.fromCodePoint(Number(value)));
  throw new TemplateError('%c: expected a character or its number');
}

/** Python's ascii(): a repr with escapes for all beyond ASCII. */
export function asciiRepr(value: Value, budget: Budget): TemplateText {
  const repr = reprOf(value, budget);
  const text = repr.text.replace(/[^\x00-\x7f]/gu, (char) => {
    const code = char.codePointAt(0)!;
    const [letter, digits] = code < 0x100 ? ['x', 2] : code < 0x10000 ? ['u', 4] : ['U', 8];
    return `\\${letter}${code.toString(16).padStart(Number(digits), '0')}`;
  });
  return { text, foreign: repr.foreign.length === 0 ? [] : [0, text.length] };
}
