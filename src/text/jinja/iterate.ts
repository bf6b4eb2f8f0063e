/** Going through values. */
import type { Budget } from './budget.ts';
import { dictKeys } from './dict.ts';
import { TemplateError } from './template-errors.ts';
import { sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isDict, isLazy, isRange, isText, isView, rangeLength, sequenceOf, typeName } from './values.ts';
import type { Lazy, Value } from './values.ts';

/** Whether a loop can go through it. */
export function isIterable(value: Value): boolean {
  return (
    value === undefined ||
    isText(value) ||
    isDict(value) ||
    isView(value) ||
    isRange(value) ||
    isLazy(value) ||
    sequenceOf(value) !== undefined
  );
}

/** All items that a loop over a value goes through. @throws TemplateError for what is no sequence */
export function itemsOf(value: Value, budget: Budget): readonly Value[] {
  if (value === undefined) return [];
  const sequence = sequenceOf(value);
  if (sequence !== undefined) return sequence;
  if (isText(value)) return charsOf(value, budget);
  if (isView(value)) return value.items;
  if (isDict(value)) {
    budget.allowItems(value.entries.size);
    return dictKeys(value);
  }
  if (isRange(value)) {
    const length = rangeLength(value);
    budget.allowItems(length);
    return Array.from({ length }, (_, index) => value.start + index * value.step);
  }
  if (isLazy(value)) return drain(value, budget);
  throw new TemplateError(`a value of type ${typeName(value)} cannot be looped over`);
}

function drain({ lazy }: Lazy, budget: Budget): Value[] {
  const items: Value[] = [];
  for (let step = lazy.next(); !step.done; step = lazy.next()) {
    budget.spend(1);
    items.push(step.value);
  }
  return items;
}

/** Items one after the other, from the same iterator where the value is one. */
export function iteratorOf(value: Value, budget: Budget): Iterator<Value> {
  return isLazy(value) ? value.lazy : itemsOf(value, budget)[Symbol.iterator]();
}

/** What a generator function makes of items, as a value. */
export function lazyValue(lazy: Iterator<Value>, name = 'generator object'): Lazy {
  return { lazy, typeName: name };
}

export function charsOf(value: TemplateText, budget: Budget): TemplateText[] {
  budget.allowItems(value.text.length);
  const chars: TemplateText[] = [];
  let at = 0;
  for (const char of value.text) {
    chars.push(sliceText(value, at, at + char.length));
    at += char.length;
  }
  return chars;
}
