/** Filters that take sequences apart and put them together. */
import { intArgument } from '../arguments.ts';
import { pathOf } from '../access.ts';
import { applyArithmetic } from '../arithmetic.ts';
import type { Budget } from '../budget.ts';
import { isEqual } from '../compare.ts';
import { dictItems } from '../dict.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { escapeText } from '../html.ts';
import { charsOf, itemsOf, iteratorOf, lazyValue } from '../iterate.ts';
import { textOf } from '../printing.ts';
import type { RunContext } from '../scope.ts';
import { joinTextsWithin } from '../split-text.ts';
import { TemplateError } from '../template-errors.ts';
import { asMarkup, asPlain, concatTexts, markupLike, ownText } from '../template-text.ts';
import { isDict, isLazy, isOpaque, isText, lengthOf, typeName } from '../values.ts';
import type { Value } from '../values.ts';

const length = (name: string): readonly [string, Filter] =>
  filter(name, [], (value) => {
    const count = lengthOf(value);
    if (count === undefined) throw new TemplateError(`${name}: a value of type ${typeName(value)} has no length`);
    return count;
  });

export const sequenceFilters: readonly (readonly [string, Filter])[] = [
  length('length'),
  length('count'),
  filter('list', [], (value, _args, { budget }) => [...itemsOf(value, budget)]),
  filter('first', [], (value, _args, { budget }) => {
    if (isDict(value) || isLazy(value) || isText(value)) return firstItem(value, budget);
    return itemsOf(value, budget)[0];
  }),
  filter('last', [], (value, _args, { budget }) => {
    checkReversible(value, 'last');
    return itemsOf(value, budget).at(-1);
  }),
  filter('reverse', [], (value, _args, { budget }) => {
    if (isText(value)) return markupLike(value, concatTexts(charsOf(value, budget).toReversed()));
    const items = itemsOf(value, budget).toReversed();
    return isLazy(value) ? items : lazyValue(items[Symbol.iterator](), 'reversed');
  }),
  filter(
    'join',
    [
      ['d', ownText('')],
      ['attribute', null],
    ],
    joinItems,
  ),
  filter('items', [], (value) => lazyValue(itemPairs(value))),
  filter(
    'sum',
    [
      ['attribute', null],
      ['start', 0],
    ],
    (value, [attribute, start], { budget }) => {
      const items = itemsOf(value, budget).map((item) => (attribute === null ? item : pathOf(item, attribute, undefined, budget)));
      if (isText(start)) throw new TemplateError('sum: texts are joined with "join"');
      return items.reduce<Value>((sum, item) => applyArithmetic('+', sum, item, budget), start);
    },
  ),
  filter('batch', ['linecount', ['fill_with', null]], (value, [count, fill], { budget }) =>
    lazyValue(batches(value, { count, fill, budget })),
  ),
  filter('slice', ['slices', ['fill_with', null]], (value, [count, fill], { budget }) =>
    lazyValue(slices(value, { count, fill, budget })),
  ),
];

function* itemPairs(value: Value): Generator<Value> {
  if (value === undefined) return;
  if (!isDict(value)) throw new TemplateError(`items: cannot be applied to a value of type ${typeName(value)}`);
  yield* dictItems(value);
}

function firstItem(value: Value, budget: Budget): Value {
  const { value: first } = iteratorOf(isText(value) && value.text.length > 2 ? { ...value, text: value.text } : value, budget).next() as {
    value: Value;
  };
  return first;
}

function checkReversible(value: Value, where: string): void {
  if (isLazy(value) || isOpaque(value))
    throw new TemplateError(`${where}: a value of type ${typeName(value)} has no end to start from; make a list of it first`);
}

function joinItems(value: Value, [separator, attribute]: readonly Value[], { budget, autoescape }: RunContext): Value {
  const items = itemsOf(value, budget).map((item) => (attribute === null ? item : pathOf(item, attribute, undefined, budget)));
  if (!autoescape)
    return asPlain(
      joinTextsWithin(
        items.map((item) => textOf(item, budget)),
        textOf(separator, budget),
        budget,
      ),
    );
  const isMarkup = (each: Value): boolean => isText(each) && each.markup === true;
  if (isMarkup(separator))
    return asMarkup(
      joinTextsWithin(
        items.map((item) => escapeText(item, budget)),
        textOf(separator, budget),
        budget,
      ),
    );
  if (!items.some(isMarkup))
    return joinTextsWithin(
      items.map((item) => textOf(item, budget)),
      textOf(separator, budget),
      budget,
    );
  return asMarkup(
    joinTextsWithin(
      items.map((item) => escapeText(item, budget)),
      escapeText(separator, budget),
      budget,
    ),
  );
}

interface Parting {
  readonly count: Value;
  readonly fill: Value;
  readonly budget: Budget;
}

function* batches(value: Value, { count, fill, budget }: Parting): Generator<Value> {
  const items = iteratorOf(value, budget);
  let batch: Value[] = [];
  for (let step = items.next(); !step.done; step = items.next()) {
    if (isEqual(batch.length, count, budget)) {
      yield batch;
      batch = [];
    }
    batch.push(step.value);
  }
  if (batch.length === 0) return;
  const missing = fill === null ? 0 : Math.max(0, intArgument(count, 'batch') - batch.length);
  budget.allowItems(missing);
  yield [...batch, ...Array.from({ length: missing }, () => fill)];
}

function* slices(value: Value, { count: given, fill, budget }: Parting): Generator<Value> {
  const items = itemsOf(value, budget);
  const count = intArgument(given, 'slice');
  if (count === 0) throw new TemplateError('division by zero');
  if (count < 0) return;
  const size = Math.floor(items.length / count);
  const larger = items.length % count;
  let offset = 0;
  for (let index = 0; index < count; index++) {
    budget.spend(1);
    const start = offset + index * size;
    if (index < larger) offset++;
    const part = items.slice(start, offset + (index + 1) * size);
    yield fill !== null && index >= larger ? [...part, fill] : part;
  }
}
