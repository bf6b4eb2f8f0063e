/** Jinja's filters and tests, as far as chat templates use them. */
import type { Budget } from './budget.ts';
import { capitalize, dictItems, dictKeys, intArgument, joinValues, replaceMethod, textArgument, titleCase } from './methods.ts';
import { jsonOf, textOf } from './printing.ts';
import { concatTexts, foreignText, mapText, ownText, stripText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { isCallable, isDict, isEqual, isFloat, isList, isNamespace, isText, isTruthy, numberOf, TemplateError, typeName } from './values.ts';
import type { Value } from './values.ts';

export interface FilterCall {
  readonly args: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
  readonly budget: Budget;
  /** Looks up an attribute or item, as `value.name` does. */
  attribute(value: Value, name: string): Value;
}

type Filter = (value: Value, call: FilterCall) => Value;

/** @throws TemplateError for a filter that is not known */
export function applyFilter(name: string, value: Value, call: FilterCall): Value {
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
  if (filter === undefined) throw new TemplateError(`there is no filter "${name.slice(0, 60)}"`);
  return filter(value, call);
}

/** @throws TemplateError for a test that is not known */
export function applyTest(name: string, value: Value, { args, budget }: Pick<FilterCall, 'args' | 'budget'>): boolean {
  const test = Object.hasOwn(tests, name) ? tests[name] : undefined;
  if (test === undefined) throw new TemplateError(`there is no test "${name.slice(0, 60)}"`);
  return test(value, args[0], budget);
}

/** The items that a loop over a value goes through. */
export function itemsOf(value: Value, budget: Budget): readonly Value[] {
  if (value === undefined) return [];
  if (isList(value)) return value;
  if (isDict(value)) return dictKeys(value);
  if (!isText(value)) throw new TemplateError(`a value of type ${typeName(value)} cannot be looped over`);
  return chars(value, budget);
}

function chars(value: TemplateText, budget: Budget): TemplateText[] {
  budget.allowItems(value.text.length);
  return Array.from(value.text, value.foreign.length === 0 ? ownText : foreignText);
}

function textFilter(change: (text: string) => string): Filter {
  return (value, { budget }) => {
    const text = textOf(value, budget);
    budget.scan(text.text.length);
    return mapText(text, change);
  };
}

/** Keeps items by a test, on themselves or on an attribute. */
function selectFilter(options: { byAttribute: boolean; keep: boolean }): Filter {
  return (value, call) => {
    const items = itemsOf(value, call.budget);
    call.budget.allowItems(items.length);
    const [attribute, rest] = options.byAttribute ? [call.args[0], call.args.slice(1)] : [undefined, call.args];
    const [test, ...testArgs] = rest;
    return items.filter((item) => {
      const tested = options.byAttribute ? call.attribute(item, textArgument(attribute, 'selectattr').text) : item;
      const passed = test === undefined ? isTruthy(tested) : applyTest(textArgument(test, 'select').text, tested, { args: testArgs, budget: call.budget });
      return passed === options.keep;
    });
  };
}

const filters: Readonly<Record<string, Filter>> = {
  tojson: toJson,
  safe: (value) => value,
  string: (value, { budget }) => textOf(value, budget),
  trim: (value, { args, budget }) => {
    const text = textOf(value, budget);
    budget.scan(text.text.length);
    return stripText(text, 'both', isText(args[0]) ? args[0].text : undefined);
  },
  upper: textFilter((text) => text.toUpperCase()),
  lower: textFilter((text) => text.toLowerCase()),
  title: textFilter(titleCase),
  capitalize: textFilter(capitalize),
  escape: escapeHtml,
  e: escapeHtml,
  length: lengthOf,
  count: lengthOf,
  default: defaultOf,
  d: defaultOf,
  first: (value, { budget }) => itemsOf(value, budget)[0],
  last: (value, { budget }) => itemsOf(value, budget).at(-1),
  list: (value, { budget }) => [...itemsOf(value, budget)],
  items: (value) => (isDict(value) ? dictItems(value) : value === undefined ? [] : unusable('items', value)),
  join: (value, call) => {
    const separator = call.args[0] ?? call.named.get('d');
    const attribute = call.args[1] ?? call.named.get('attribute');
    const items = itemsOf(value, call.budget).map((item) =>
      textOf(attribute === undefined ? item : call.attribute(item, textArgument(attribute, 'join').text), call.budget),
    );
    return joinValues(items, separator === undefined ? ownText('') : textOf(separator, call.budget), call.budget);
  },
  replace: (value, { args: [from, to, count], budget }) =>
    replaceMethod(textOf(value, budget), { from: textOf(from, budget), to: textOf(to, budget), count: intArgument(count, 'replace', -1) }, budget),
  indent: indentLines,
  reverse: (value, { budget }) =>
    isText(value) ? concatTexts(chars(value, budget).toReversed()) : itemsOf(value, budget).toReversed(),
  sort: (value, call) => sortValues(itemsOf(value, call.budget), call),
  dictsort: (value, call) => {
    if (!isDict(value)) return unusable('dictsort', value);
    const by = call.args[1] ?? call.named.get('by');
    const index = isText(by) && by.text === 'value' ? 1 : 0;
    const caseSensitive = isTruthy(call.args[0] ?? call.named.get('case_sensitive'));
    const reverse = isTruthy(call.args[2] ?? call.named.get('reverse'));
    return sorted(dictItems(value), { key: (item) => (item as Value[])[index], caseSensitive, reverse, budget: call.budget });
  },
  unique: (value, { budget }) => {
    const items = itemsOf(value, budget);
    budget.allowItems(items.length ** 2);
    return items.filter((item, index) => items.findIndex((other) => isEqual(folded(other), folded(item), budget)) === index);
  },
  map: mapItems,
  select: selectFilter({ byAttribute: false, keep: true }),
  reject: selectFilter({ byAttribute: false, keep: false }),
  selectattr: selectFilter({ byAttribute: true, keep: true }),
  rejectattr: selectFilter({ byAttribute: true, keep: false }),
  int: (value, { args }) => toNumber(value, (text) => Math.trunc(Number(text)), intArgument(args[0], 'int', 0)),
  float: (value) => ({ float: toNumber(value, Number, 0) }),
  abs: (value) => withNumber('abs', value, Math.abs),
  round: (value, { args }) => {
    const scale = 10 ** intArgument(args[0], 'round', 0);
    const number = numberOf(value) ?? unusable('round', value);
    return { float: roundHalfEven(number * scale) / scale };
  },
  sum: (value, { budget }) => {
    const numbers = itemsOf(value, budget).map((item) => numberOf(item) ?? unusable('sum', item));
    return numbers.reduce((sum, number) => sum + number, 0);
  },
  min: (value, call) => sortValues(itemsOf(value, call.budget), call)[0],
  max: (value, call) => sortValues(itemsOf(value, call.budget), call).at(-1),
};

/** Python's round: a half goes to the even neighbour. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function unusable(filter: string, value: Value): never {
  throw new TemplateError(`${filter}: cannot be applied to a value of type ${typeName(value)}`);
}

const maxIndent = 64;

function toJson(value: Value, { args, named, budget }: FilterCall): Value {
  const indent = args[0] ?? named.get('indent');
  const separators = named.get('separators');
  const [item, key] = isList(separators) ? separators.map((each) => textOf(each, budget).text) : [];
  const spaces = indent === undefined || indent === null ? undefined : intArgument(indent, 'tojson');
  if (spaces !== undefined && !(spaces >= 0 && spaces <= maxIndent)) throw new TemplateError(`tojson: indent must be from 0 to ${maxIndent}`);
  const json = jsonOf(value, {
    indent: spaces,
    itemSeparator: item ?? (spaces === undefined ? ', ' : ','),
    keySeparator: key ?? ': ',
    sortKeys: isTruthy(named.get('sort_keys')),
    ensureAscii: isTruthy(named.get('ensure_ascii')),
    budget,
  });
  budget.scan(json.text.length);
  budget.allowText(json.text.length);
  return json;
}

const htmlNames: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

function escapeHtml(value: Value, { budget }: FilterCall): Value {
  const text = textOf(value, budget);
  budget.scan(text.text.length);
  return mapText(text, (plain) => plain.replace(/[&<>"']/g, (char) => htmlNames[char]!));
}

function lengthOf(value: Value): Value {
  if (isText(value)) return /[\ud800-\udfff]/.test(value.text) ? Array.from(value.text).length : value.text.length;
  if (isList(value)) return value.length;
  if (isDict(value)) return value.entries.size;
  return value === undefined ? 0 : unusable('length', value);
}

function defaultOf(value: Value, { args, named }: FilterCall): Value {
  const fallback = args[0] ?? named.get('default_value') ?? ownText('');
  const forFalse = isTruthy(args[1] ?? named.get('boolean'));
  return value === undefined || (forFalse && !isTruthy(value)) ? fallback : value;
}

function indentLines(value: Value, { args, named, budget }: FilterCall): Value {
  const text = textOf(value, budget);
  const width = args[0] ?? named.get('width');
  const indent = isText(width) ? width.text : ' '.repeat(checkedWidth(intArgument(width, 'indent', 4), budget));
  const first = isTruthy(args[1] ?? named.get('first'));
  const blank = isTruthy(args[2] ?? named.get('blank'));
  const lines = replaceMethod(text, { from: ownText('\n'), to: ownText(`\n${indent}`), count: -1 }, budget);
  const indented = blank || indent === '' ? lines : withoutBlankIndents(lines, indent);
  return first ? concatTexts([ownText(indent), indented]) : indented;
}

function checkedWidth(width: number, budget: Budget): number {
  budget.allowText(width);
  return Math.max(0, width);
}

/** Empty lines stay empty. */
function withoutBlankIndents(text: TemplateText, indent: string): TemplateText {
  const parts = text.text.split(`\n${indent}`);
  if (!parts.includes('')) return text;
  const plain = parts.map((part, index) => (index > 0 && (part !== '' || index === parts.length - 1) ? indent + part : part)).join('\n');
  return text.foreign.length === 0 ? ownText(plain) : { text: plain, foreign: [0, plain.length] };
}

interface Order {
  readonly key: (item: Value) => Value;
  readonly caseSensitive: boolean;
  readonly reverse: boolean;
  readonly budget: Budget;
}

function sortValues(items: readonly Value[], call: FilterCall): readonly Value[] {
  const attribute = call.named.get('attribute');
  const path = attribute === undefined ? undefined : textArgument(attribute, 'sort').text;
  return sorted(items, {
    key: (item) => (path === undefined ? item : call.attribute(item, path)),
    caseSensitive: isTruthy(call.args[1] ?? call.named.get('case_sensitive')),
    reverse: isTruthy(call.args[0] ?? call.named.get('reverse')),
    budget: call.budget,
  });
}

function sorted(items: readonly Value[], { key, caseSensitive, reverse, budget }: Order): readonly Value[] {
  budget.allowItems(items.length * Math.log2(items.length + 2));
  const keyOf = (item: Value): Value => (caseSensitive ? key(item) : folded(key(item)));
  return items.toSorted((a, b) => compareValues(keyOf(a), keyOf(b)) * (reverse ? -1 : 1));
}

function folded(value: Value): Value {
  return isText(value) ? mapText(value, (text) => text.toLowerCase()) : value;
}

/** Python's order of two values. @throws TemplateError where there is none */
export function compareValues(left: Value, right: Value): number {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined && b !== undefined) return a - b;
  if (isText(left) && isText(right)) return left.text < right.text ? -1 : Number(left.text > right.text);
  throw new TemplateError(`values of type ${typeName(left)} and ${typeName(right)} have no order`);
}

function mapItems(value: Value, call: FilterCall): Value {
  const items = itemsOf(value, call.budget);
  call.budget.allowItems(items.length);
  const attribute = call.named.get('attribute');
  if (attribute !== undefined) {
    const fallback = call.named.get('default');
    return items.map((item) => call.attribute(item, textArgument(attribute, 'map').text) ?? fallback);
  }
  const [name, ...args] = call.args;
  const filter = textArgument(name, 'map').text;
  return items.map((item) => applyFilter(filter, item, { ...call, args }));
}

function toNumber(value: Value, parse: (text: string) => number, fallback: number): number {
  const number = isText(value) ? parse(value.text.trim() === '' ? 'none' : value.text) : numberOf(value);
  if (number === undefined || Number.isNaN(number)) return fallback;
  return parse(String(number));
}

function withNumber(name: string, value: Value, change: (number: number) => number): Value {
  const number = numberOf(value) ?? unusable(name, value);
  return isFloat(value) ? { float: change(number) } : change(number);
}

type Test = (value: Value, argument: Value, budget: Budget) => boolean;

const equal: Test = (value, argument, budget) => isEqual(value, argument, budget);

const tests: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  true: (value) => value === true,
  false: (value) => value === false,
  string: (value) => isText(value),
  number: (value) => numberOf(value) !== undefined,
  integer: (value) => typeof value === 'number',
  float: (value) => isFloat(value),
  mapping: (value) => isDict(value),
  sequence: (value) => isList(value) || isText(value) || isDict(value),
  iterable: (value) => isList(value) || isText(value) || isDict(value) || value === undefined,
  callable: (value) => isCallable(value),
  odd: (value) => Math.abs((numberOf(value) ?? 0) % 2) === 1,
  even: (value) => (numberOf(value) ?? 1) % 2 === 0,
  lower: (value) => isText(value) && value.text === value.text.toLowerCase() && value.text !== value.text.toUpperCase(),
  upper: (value) => isText(value) && value.text === value.text.toUpperCase() && value.text !== value.text.toLowerCase(),
  eq: equal,
  equalto: equal,
  '==': equal,
  ne: (value, argument, budget) => !isEqual(value, argument, budget),
  '!=': (value, argument, budget) => !isEqual(value, argument, budget),
  lt: (value, argument) => compareValues(value, argument) < 0,
  gt: (value, argument) => compareValues(value, argument) > 0,
  in: (value, argument, budget) => contains(argument, value, budget),
  sameas: equal,
};

/** Python's `in`. */
export function contains(container: Value, value: Value, budget: Budget): boolean {
  if (container === undefined) return false;
  if (isText(container)) return container.text.includes(textArgument(value, 'in').text);
  if (isList(container)) return container.some((item) => isEqual(item, value, budget));
  if (isDict(container)) return isText(value) && container.entries.has(value.text);
  if (isNamespace(container)) return false;
  throw new TemplateError(`in: a value of type ${typeName(container)} holds nothing`);
}
