/** Filters that compare items. */
import { pathOf } from '../access.ts';
import type { Budget } from '../budget.ts';
import { compareValues } from '../compare.ts';
import { dictItems, hashOf } from '../dict.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { itemsOf, iteratorOf, lazyValue } from '../iterate.ts';
import { TemplateError } from '../template-errors.ts';
import { mapText, ownText } from '../template-text.ts';
import { isDict, isInt, isText, isTruthy, isTuple, typeName } from '../values.ts';
import type { Value } from '../values.ts';

const extreme = (name: string, sign: number): readonly [string, Filter] =>
  filter(
    name,
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, [caseSensitive, attribute], { budget }) => {
      const items = itemsOf(value, budget);
      const keys = items.map((item) => keyOf(item, attribute, { caseSensitive, budget }));
      const best = keys.reduce<number>((at, key, index) => (index > 0 && compareValues(key, keys[at], budget) * sign > 0 ? index : at), 0);
      return items[best];
    },
  );

export const orderFilters: readonly (readonly [string, Filter])[] = [
  extreme('min', -1),
  extreme('max', 1),
  filter(
    'sort',
    [
      ['reverse', false],
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, [reverse, caseSensitive, attribute], { budget }) => {
      const paths = isText(attribute) ? attribute.text.split(',').map(ownText) : [attribute];
      const key = (item: Value): Value => paths.map((path) => keyOf(item, path, { caseSensitive, budget }));
      return sortItems(itemsOf(value, budget), { key, isReverse: isReversed(reverse), budget });
    },
  ),
  filter(
    'dictsort',
    [
      ['case_sensitive', false],
      ['by', ownText('key')],
      ['reverse', false],
    ],
    (value, [caseSensitive, by, reverse], { budget }) => {
      const index = isText(by) ? ['key', 'value'].indexOf(by.text) : -1;
      if (index < 0) throw new TemplateError('dictsort: "by" should be "key" or "value"');
      if (!isDict(value)) throw new TemplateError(`dictsort: cannot be applied to a value of type ${typeName(value)}`);
      const key = (item: Value): Value => keyOf(isTuple(item) ? item.tuple[index] : item, null, { caseSensitive, budget });
      return sortItems(dictItems(value), { key, isReverse: isReversed(reverse), budget });
    },
  ),
  filter(
    'unique',
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, [caseSensitive, attribute], { budget }) =>
      lazyValue(uniqueItems(value, budget, (item) => keyOf(item, attribute, { caseSensitive, budget }))),
  ),
];

function isReversed(reverse: Value): boolean {
  if (!isInt(reverse) || Math.abs(Number(reverse)) > 0x7fffffff)
    throw new TemplateError(`reverse: expected a boolean, found ${typeName(reverse)}`);
  return isTruthy(reverse);
}

interface KeyRules {
  readonly caseSensitive: Value;
  readonly budget: Budget;
  readonly fallback?: Value;
}

/** What an item is compared by: itself or an attribute, letters in lower case unless their case counts. */
export function keyOf(item: Value, attribute: Value, { caseSensitive, budget, fallback }: KeyRules): Value {
  const key = attribute === null ? item : pathOf(item, attribute, fallback, budget);
  return isText(key) && !isTruthy(caseSensitive) ? mapText(key, (text) => text.toLowerCase()) : key;
}

interface Order {
  readonly key: (item: Value) => Value;
  readonly isReverse: boolean;
  readonly budget: Budget;
}

/** Python's sorted(): items with equal keys stay in their order, reversed or not. */
export function sortItems(items: readonly Value[], { key, isReverse, budget }: Order): Value[] {
  budget.allowItems(items.length * Math.log2(items.length + 2));
  const keyed = items.map((item) => ({ item, key: key(item) }));
  keyed.sort((a, b) => compareValues(a.key, b.key, budget) * (isReverse ? -1 : 1));
  return keyed.map(({ item }) => item);
}

function* uniqueItems(value: Value, budget: Budget, key: (item: Value) => Value): Generator<Value> {
  const items = iteratorOf(value, budget);
  const seen = new Set<string>();
  for (let step = items.next(); !step.done; step = items.next()) {
    const hash = hashOf(key(step.value));
    if (!seen.has(hash)) yield step.value;
    seen.add(hash);
  }
}
