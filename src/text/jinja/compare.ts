/** Python's equality, order and membership. */
import type { Budget } from './budget.ts';
import { textArgument } from './arguments.ts';
import { entryOf, hashOf } from './dict.ts';
import { isIterable, itemsOf } from './iterate.ts';
import type { Comparison } from './nodes.ts';
import { TemplateError } from './template-errors.ts';
import {
  isDict,
  isFloat,
  isInt,
  isList,
  isRange,
  isText,
  isTuple,
  isView,
  numberOf,
  rangeLength,
  sequenceOf,
  typeName,
} from './values.ts';
import type { Value } from './values.ts';

/** Python's ==. */
export function isEqual(left: Value, right: Value, budget: Budget): boolean {
  budget.spend(1);
  if (isInt(left) && isInt(right)) return BigInt(left) === BigInt(right);
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined || b !== undefined) return a !== undefined && b !== undefined && compareNumbers(left, right) === 0;
  if (left === right) return true;
  if (isText(left) && isText(right)) return left.text === right.text;
  if ((isList(left) && isList(right)) || (isTuple(left) && isTuple(right)))
    return areItemsEqual(sequenceOf(left)!, sequenceOf(right)!, budget);
  if (isRange(left) && isRange(right)) return areItemsEqual(itemsOf(left, budget), itemsOf(right, budget), budget);
  if (isView(left) && isView(right)) {
    if (left.view === 'dict_values' || right.view === 'dict_values') return false;
    return (
      left.items.length === right.items.length && left.items.every((item) => right.items.some((other) => isEqual(item, other, budget)))
    );
  }
  if (isDict(left) && isDict(right)) {
    if (left.entries.size !== right.entries.size) return false;
    return [...left.entries].every(([hash, { value }]) => {
      const other = right.entries.get(hash);
      return other !== undefined && isEqual(value, other.value, budget);
    });
  }
  return false;
}

function areItemsEqual(left: readonly Value[], right: readonly Value[], budget: Budget): boolean {
  return left.length === right.length && left.every((item, index) => isEqual(item, right[index], budget));
}

/** Negative, zero or positive, or NaN where one of them is. */
function compareNumbers(left: Value, right: Value): number {
  if (isFloat(left) || isFloat(right)) {
    const a = isFloat(left) ? left.float : (left as number | bigint);
    const b = isFloat(right) ? right.float : (right as number | bigint);
    // JavaScript compares bigints and doubles exactly, as Python does.
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : Number.NaN;
  }
  const a = BigInt(left as number);
  const b = BigInt(right as number);
  return a < b ? -1 : Number(a > b);
}

/** Python's order of two values, NaN where nothing is less. @throws TemplateError where there is none */
export function compareValues(left: Value, right: Value, budget: Budget): number {
  budget.spend(1);
  if (numberOf(left) !== undefined && numberOf(right) !== undefined) return compareNumbers(left, right);
  if (isText(left) && isText(right)) return compareTexts(left.text, right.text);
  if ((isList(left) && isList(right)) || (isTuple(left) && isTuple(right))) {
    const a = sequenceOf(left)!;
    const b = sequenceOf(right)!;
    const at = a.findIndex((item, index) => index >= b.length || !isEqual(item, b[index], budget));
    if (at < 0) return a.length - b.length;
    return at >= b.length ? 1 : compareValues(a[at], b[at], budget);
  }
  throw new TemplateError(`values of type ${typeName(left)} and ${typeName(right)} have no order`);
}

/** By code points, not by UTF-16 units. */
function compareTexts(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    if (left[at] !== right[at]) return surrogatesLast(left.charCodeAt(at)) - surrogatesLast(right.charCodeAt(at));
  }
  return left.length - right.length;
}

const surrogatesLast = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** Python's `in`. */
export function contains(container: Value, value: Value, budget: Budget): boolean {
  if (isText(container)) {
    budget.scan(container.text.length);
    return container.text.includes(textArgument(value, 'in').text);
  }
  if (isDict(container)) return entryOf(container, value) !== undefined;
  if (isView(container) && container.view === 'dict_keys') hashOf(value);
  if (isRange(container) && numberOf(value) !== undefined) {
    const offset = (numberOf(value)! - container.start) / container.step;
    return Number.isInteger(offset) && offset >= 0 && offset < rangeLength(container);
  }
  if (!isIterable(container)) throw new TemplateError(`in: a value of type ${typeName(container)} holds nothing`);
  return itemsOf(container, budget).some((item) => isEqual(item, value, budget));
}

/** @throws TemplateError for values that have no order */
export function applyComparison(operator: Comparison, left: Value, right: Value, budget: Budget): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right, budget);
    case '!=':
      return !isEqual(left, right, budget);
    case 'in':
      return contains(right, left, budget);
    case 'not in':
      return !contains(right, left, budget);
    case '<':
      return compareValues(left, right, budget) < 0;
    case '<=':
      return compareValues(left, right, budget) <= 0;
    case '>':
      return compareValues(left, right, budget) > 0;
    case '>=':
      return compareValues(left, right, budget) >= 0;
    default:
      return operator satisfies never;
  }
}
