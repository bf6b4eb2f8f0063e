/** Attributes, items and slices, as jinja2's sandbox gives them. */
import type { Budget } from './budget.ts';
import { charOffsets } from './char-offsets.ts';
import { entryOf, hashOf } from './dict.ts';
import { charsOf } from './iterate.ts';
import { methodOf } from './methods.ts';
import { formatMethodOf } from './string-format.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, markupLike, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isCallable, isDict, isInt, isList, isNamespace, isOpaque, isRange, isText, isTuple, rangeLength, typeName } from './values.ts';
import type { Range, Value } from './values.ts';

const shownUnits = 60;

/** `value.name`: an attribute before an item. What is not there is undefined. */
export function attributeOf(value: Value, name: string, budget: Budget): Value {
  checkDefined(value, name);
  const attribute = ownAttribute(value, name, budget);
  if (attribute !== undefined) return attribute;
  return isDict(value) ? value.entries.get(`"${name}`)?.value : undefined;
}

/** What Python's getattr gives, without names that start with an underscore. */
export function ownAttribute(value: Value, name: string, budget: Budget): Value {
  if (name.startsWith('_')) return undefined;
  if (isNamespace(value)) return value.fields.get(name);
  if (isOpaque(value)) return value.attribute(name);
  if (isCallable(value)) return value.attributes?.get(name);
  if (isText(value) && (name === 'format' || name === 'format_map')) return formatMethodOf(value, name, { budget, attributeOf, itemOf });
  return methodOf(value, name, budget);
}

/** `value[key]`: an item before an attribute. */
export function itemOf(value: Value, key: Value, budget: Budget): Value {
  if (value === undefined) checkDefined(value, isText(key) ? key.text : typeName(key));
  const item = ownItem(value, key, budget);
  if (item !== undefined) return item.value;
  return isText(key) ? ownAttribute(value, key.text, budget) : undefined;
}

function checkDefined(value: Value, name: string): void {
  if (value === undefined) throw new TemplateError(`cannot read "${name.slice(0, shownUnits)}" of an undefined value`);
}

/** An item, or undefined where there is none; an item may itself be jinja2's undefined. */
function ownItem(value: Value, key: Value, budget: Budget): { readonly value: Value } | undefined {
  if (isDict(value)) return isHashable(key) ? entryOf(value, key) : undefined;
  if (!isInt(key)) return undefined;
  const index = Number(key);
  if (isText(value)) {
    budget.scan(value.text.length);
    const char = charAt(value, index);
    return char && { value: char };
  }
  if (isRange(value)) {
    const at = index < 0 ? index + rangeLength(value) : index;
    return at >= 0 && at < rangeLength(value) ? { value: value.start + at * value.step } : undefined;
  }
  const items = isTuple(value) ? value.tuple : isList(value) ? value : [];
  const at = index < 0 ? index + items.length : index;
  return at >= 0 && at < items.length ? { value: items[at] } : undefined;
}

function isHashable(key: Value): boolean {
  try {
    hashOf(key);
    return true;
  } catch {
    return false;
  }
}

function charAt(value: TemplateText, index: number): TemplateText | undefined {
  const offsets = charOffsets(value.text);
  const at = index < 0 ? index + offsets.count : index;
  if (at < 0 || at >= offsets.count) return undefined;
  return markupLike(value, sliceText(value, offsets.at(at), offsets.at(at + 1)));
}

/** The start, stop and step of a slice; none where it has none. */
export type Bounds = readonly [start: Value, stop: Value, step: Value];

/** Python's slices of strings, lists, tuples and ranges. @throws TemplateError for what has none, and for bounds that are no ints */
export function sliceOf(value: Value, bounds: Bounds, budget: Budget): Value {
  if (value === undefined) throw new TemplateError('cannot take a part of an undefined value');
  if (!hasSlices(value)) throw new TemplateError(`a value of type ${typeName(value)} has no slices`);
  const wrong = bounds.find((bound) => bound !== null && !isInt(bound));
  if (!bounds.every((bound) => bound === null || isInt(bound)))
    throw new TemplateError(`the bounds of a slice are integers, but one is a value of type ${typeName(wrong)}`);
  if (bounds[2] !== null && Number(bounds[2]) === 0) throw new TemplateError('the step of a slice is zero');
  if (isText(value)) return sliceChars(value, bounds, budget);
  if (isRange(value)) return sliceRange(value, bounds);
  const items = isTuple(value) ? value.tuple : (value as readonly Value[]);
  const { start, count, step } = resolveBounds(items.length, bounds);
  budget.allowItems(count);
  const part = Array.from({ length: count }, (_, index) => items[start + index * step]);
  return isTuple(value) ? { tuple: part } : part;
}

export const hasSlices = (value: Value): boolean => isText(value) || isList(value) || isTuple(value) || isRange(value);

function sliceChars(value: TemplateText, bounds: Bounds, budget: Budget): Value {
  budget.scan(value.text.length);
  const offsets = charOffsets(value.text);
  const { start, count, step } = resolveBounds(offsets.count, bounds);
  if (step === 1) return markupLike(value, sliceText(value, offsets.at(start), offsets.at(start + count)));
  const chars = charsOf(value, budget);
  return markupLike(value, concatTexts(Array.from({ length: count }, (_, index) => chars[start + index * step]!)));
}

function sliceRange(value: Range, bounds: Bounds): Range {
  const { start, stop, step } = resolveBounds(rangeLength(value), bounds);
  return { start: value.start + start * value.step, stop: value.start + stop * value.step, step: step * value.step };
}

interface Resolved {
  readonly start: number;
  readonly stop: number;
  readonly count: number;
  readonly step: number;
}

function resolveBounds(length: number, [start, stop, step]: Bounds): Resolved {
  const by = step === null ? 1 : Number(step);
  const [low, high] = by > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: Value, fallback: number): number => {
    if (value === null) return fallback;
    const at = Number(value);
    return Math.min(Math.max(at < 0 ? at + length : at, low), high);
  };
  const from = clamp(start, by > 0 ? low : high);
  const to = clamp(stop, by > 0 ? high : low);
  return { start: from, stop: to, count: Math.max(0, Math.ceil((to - from) / by)), step: by };
}

/** A path of attributes and indices such as "function.name" or "items.0", as filters take it. */
export function pathOf(value: Value, path: Value, fallback: Value, budget: Budget): Value {
  const parts: Value[] = isText(path)
    ? path.text.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : { text: part, foreign: [] }))
    : [path];
  let at = value;
  for (const part of parts) {
    at = itemOf(at, part, budget);
    if (at === undefined && fallback !== undefined) at = fallback;
  }
  return at;
}
