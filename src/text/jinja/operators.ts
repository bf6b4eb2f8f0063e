/** Operators, attributes, items and slices. */
import type { Budget } from './budget.ts';
import { compareValues, contains } from './filters.ts';
import { intArgument, methodOf, textArgument } from './methods.ts';
import { textOf } from './printing.ts';
import { concatTexts, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isDict, isEqual, isFloat, isList, isNamespace, isText, numberOf, TemplateError, typeName } from './values.ts';
import type { Value } from './values.ts';

/** All but `and` and `or`, which may leave their right side alone. @throws TemplateError */
export function applyOperator(operator: string, left: Value, right: Value, budget: Budget): Value {
  switch (operator) {
    case '==':
      return isEqual(left, right, budget);
    case '!=':
      return !isEqual(left, right, budget);
    case '~':
      return concatWithin([textOf(left, budget), textOf(right, budget)], budget);
    case 'in':
    case 'not in':
      budget.scan(isText(right) || isList(right) ? (isText(right) ? right.text.length : right.length * 8) : 0);
      return contains(right, left, budget) === (operator === 'in');
    case '<':
      return compareValues(left, right) < 0;
    case '>':
      return compareValues(left, right) > 0;
    case '<=':
      return compareValues(left, right) <= 0;
    case '>=':
      return compareValues(left, right) >= 0;
    default:
      return applyArithmetic(operator, left, right, budget);
  }
}

function applyArithmetic(operator: string, left: Value, right: Value, budget: Budget): Value {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined && b !== undefined) {
    const asFloat = isFloat(left) || isFloat(right) || operator === '/' || (operator === '**' && b < 0);
    const result = calculate(operator, a, b);
    return asFloat ? { float: result } : result;
  }
  if (operator === '+' && isText(left) && isText(right)) return concatWithin([left, right], budget);
  if (operator === '+' && isList(left) && isList(right)) {
    budget.allowItems(left.length + right.length);
    return [...left, ...right];
  }
  if (operator === '*' && b !== undefined && (isText(left) || isList(left))) return repeat(left, b, budget);
  if (operator === '*' && a !== undefined && (isText(right) || isList(right))) return repeat(right, a, budget);
  throw new TemplateError(`${operator} cannot be applied to values of type ${typeName(left)} and ${typeName(right)}`);
}

function calculate(operator: string, a: number, b: number): number {
  if (b === 0 && (operator === '/' || operator === '//' || operator === '%')) throw new TemplateError('division by zero');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - Math.floor(a / b) * b;
    case '**':
      return a ** b;
    default:
      throw new TemplateError(`there is no operator ${operator}`);
  }
}

function repeat(value: TemplateText | readonly Value[], count: number, budget: Budget): Value {
  const times = Math.max(0, Math.trunc(count));
  if (!isText(value)) {
    budget.allowItems(value.length * times);
    return Array.from({ length: times }, () => value).flat();
  }
  budget.allowText(value.text.length * times);
  budget.allowItems(times);
  return concatTexts(Array.from({ length: times }, () => value));
}

/** Joins texts with a limit on the result. */
export function concatWithin(parts: readonly TemplateText[], budget: Budget): TemplateText {
  let units = 0;
  let ranges = 0;
  for (const part of parts) {
    units += part.text.length;
    ranges += part.foreign.length;
  }
  budget.allowText(units);
  budget.spend(ranges / 16);
  return concatTexts(parts);
}

/** `value.name`: a method before an item, as Jinja looks. What is not there is undefined. */
export function attributeOf(value: Value, name: string, budget: Budget): Value {
  checkDefined(value, name);
  if (isNamespace(value)) return value.fields.get(name);
  return methodOf(value, name, budget) ?? itemOf(value, name);
}

/** `value[key]`: an item before a method. */
export function subscriptOf(value: Value, key: Value, budget: Budget): Value {
  checkDefined(value, isText(key) ? key.text : String(numberOf(key)));
  if (isText(key)) return itemOf(value, key.text) ?? (isNamespace(value) ? value.fields.get(key.text) : methodOf(value, key.text, budget));
  return indexOf(value, intArgument(key, 'an index'));
}

function checkDefined(value: Value, name: string): void {
  if (value === undefined) throw new TemplateError(`cannot read "${name.slice(0, 60)}" of an undefined value`);
}

function itemOf(value: Value, name: string): Value {
  return isDict(value) ? value.entries.get(name) : undefined;
}

export function indexOf(value: Value, index: number): Value {
  if (isList(value)) return value.at(index);
  if (!isText(value)) return undefined;
  const offsets = charOffsets(value.text);
  const count = offsets.length - 1;
  const at = index < 0 ? index + count : index;
  return at >= 0 && at < count ? sliceText(value, offsets.at(at), offsets.at(at + 1)) : undefined;
}

/** A path of attributes and indices such as "function.name" or "items.0". */
export function pathOf(value: Value, path: string, budget: Budget): Value {
  return path.split('.').reduce<Value>((at, name) => {
    if (at === undefined) return undefined;
    return /^\d+$/.test(name) ? indexOf(at, Number(name)) : (itemOf(at, name) ?? attributeOf(at, name, budget));
  }, value);
}

interface Offsets {
  readonly length: number;
  at(index: number): number;
}

/** UTF-16 offsets of characters; those of a text without surrogates are their indices. */
function charOffsets(text: string): Offsets {
  if (!/[\ud800-\udfff]/.test(text)) return { length: text.length + 1, at: (index) => index };
  const offsets = [0];
  for (const char of text) offsets.push(offsets.at(-1)! + char.length);
  return { length: offsets.length, at: (index) => offsets[index]! };
}

export interface Bounds {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;
}

/** Python's slices of strings and lists. */
export function sliceOf(value: Value, bounds: Bounds, budget: Budget): Value {
  if (value === undefined) throw new TemplateError('cannot take a part of an undefined value');
  if (isList(value)) {
    const indices = sliceIndices(value.length, bounds);
    budget.allowItems(indices.length);
    return indices.map((index) => value[index]);
  }
  const text = textArgument(value, 'a slice');
  budget.scan(text.text.length);
  const offsets = charOffsets(text.text);
  if (bounds.step === undefined || bounds.step === null || bounds.step === 1) {
    const { start, stop } = clampBounds(offsets.length - 1, bounds, 1);
    return sliceText(text, offsets.at(start), offsets.at(Math.max(start, stop)));
  }
  const indices = sliceIndices(offsets.length - 1, bounds);
  budget.allowItems(indices.length);
  return concatTexts(indices.map((index) => sliceText(text, offsets.at(index), offsets.at(index + 1))));
}

function sliceIndices(count: number, bounds: Bounds): number[] {
  const step = intArgument(bounds.step, 'a slice', 1);
  if (step === 0) throw new TemplateError('the step of a slice is zero');
  const { start, stop } = clampBounds(count, bounds, step);
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, index) => start + index * step);
}

function clampBounds(count: number, bounds: Bounds, step: number): { start: number; stop: number } {
  const [low, high] = step > 0 ? [0, count] : [-1, count - 1];
  const clamp = (value: Value, fallback: number): number => {
    if (value === undefined || value === null) return fallback;
    const at = intArgument(value, 'a slice');
    return Math.min(Math.max(at < 0 ? at + count : at, low), high);
  };
  return { start: clamp(bounds.start, step > 0 ? low : high), stop: clamp(bounds.stop, step > 0 ? high : low) };
}
