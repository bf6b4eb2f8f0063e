/** Methods of strings and dicts that templates call, as Python has them. */
import type { Budget } from './budget.ts';
import { textOf } from './printing.ts';
import { concatTexts, isPythonSpace, joinTexts, mapText, ownText, sliceText, splitText, stripText } from './template-text.ts';
import type { StripSide, TemplateText } from './template-text.ts';
import { isDict, isList, isText, keyText, numberOf, TemplateError, typeName } from './values.ts';
import type { Callable, Dict, Value } from './values.ts';

type Named = ReadonlyMap<string, Value>;
type Method<Self> = (self: Self, args: readonly Value[], named: Named, budget: Budget) => Value;

/** A method bound to its value, or undefined where there is none of that name. */
export function methodOf(self: Value, name: string, budget: Budget): Callable | undefined {
  if (isText(self)) return bind(textMethods, self, name, budget);
  return isDict(self) ? bind(dictMethods, self, name, budget) : undefined;
}

function bind<Self>(methods: Readonly<Record<string, Method<Self>>>, self: Self, name: string, budget: Budget): Callable | undefined {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  return method && { name, call: (args, named) => method(self, args, named, budget) };
}

export function textArgument(value: Value, where: string): TemplateText {
  if (isText(value)) return value;
  throw new TemplateError(`${where}: expected a string, found ${typeName(value)}`);
}

export function intArgument(value: Value, where: string, fallback?: number): number {
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  const number = numberOf(value);
  if (number !== undefined && Number.isInteger(number)) return number;
  throw new TemplateError(`${where}: expected an integer, found ${typeName(value)}`);
}

function stripMethod(side: StripSide): Method<TemplateText> {
  return (self, [chars], _named, budget) => {
    budget.scan(self.text.length);
    return stripText(self, side, chars === undefined || chars === null ? undefined : textArgument(chars, 'strip').text);
  };
}

function testMethod(test: (text: string, part: string) => boolean): Method<TemplateText> {
  return (self, [part]) => {
    const parts = isList(part) ? part : [part];
    return parts.some((each) => test(self.text, textArgument(each, 'startswith').text));
  };
}

function caseMethod(change: (text: string) => string): Method<TemplateText> {
  return (self, _args, _named, budget) => {
    budget.scan(self.text.length);
    return mapText(self, change);
  };
}

function classMethod(pattern: RegExp): Method<TemplateText> {
  return (self, _args, _named, budget) => {
    budget.scan(self.text.length);
    return pattern.test(self.text);
  };
}

const textMethods: Readonly<Record<string, Method<TemplateText>>> = {
  upper: caseMethod((text) => text.toUpperCase()),
  lower: caseMethod((text) => text.toLowerCase()),
  title: caseMethod(titleCase),
  capitalize: caseMethod(capitalize),
  strip: stripMethod('both'),
  lstrip: stripMethod('start'),
  rstrip: stripMethod('end'),
  startswith: testMethod((text, part) => text.startsWith(part)),
  endswith: testMethod((text, part) => text.endsWith(part)),
  isdigit: classMethod(/^\p{Nd}+$/u),
  isalpha: classMethod(/^\p{L}+$/u),
  isalnum: classMethod(/^[\p{L}\p{N}]+$/u),
  isspace: (self) => self.text !== '' && Array.from(self.text).every(isPythonSpace),
  isupper: (self) => self.text !== self.text.toLowerCase() && self.text === self.text.toUpperCase(),
  islower: (self) => self.text !== self.text.toUpperCase() && self.text === self.text.toLowerCase(),
  split: (self, [separator, most], named, budget) =>
    splitMethod(self, separator ?? named.get('sep'), intArgument(most ?? named.get('maxsplit'), 'split', -1), budget),
  rsplit: rsplitMethod,
  splitlines: (self, _args, _named, budget) => {
    budget.allowItems(self.text.length / 8);
    const lines = splitText({ ...self, text: self.text.replace(/\r(?!\n)/g, '\n') }, '\n').map((line) => stripText(line, 'end', '\r'));
    return lines.at(-1)!.text === '' ? lines.slice(0, -1) : lines;
  },
  replace: (self, [from, to, count], named, budget) =>
    replaceMethod(self, { from: textArgument(from, 'replace'), to: textArgument(to, 'replace'), count: intArgument(count ?? named.get('count'), 'replace', -1) }, budget),
  find: (self, [part], _named, budget) => {
    budget.scan(self.text.length);
    return self.text.indexOf(textArgument(part, 'find').text);
  },
  count: (self, [part], _named, budget) => {
    budget.scan(self.text.length);
    const found = textArgument(part, 'count').text;
    return found === '' ? self.text.length + 1 : self.text.split(found).length - 1;
  },
  join: (self, [items], _named, budget) => joinValues(isList(items) ? items.map((item) => textArgument(item, 'join')) : [], self, budget),
  removeprefix: (self, [part]) => {
    const { text } = textArgument(part, 'removeprefix');
    return self.text.startsWith(text) ? sliceText(self, text.length, self.text.length) : self;
  },
  removesuffix: (self, [part]) => {
    const { text } = textArgument(part, 'removesuffix');
    return text !== '' && self.text.endsWith(text) ? sliceText(self, 0, self.text.length - text.length) : self;
  },
  format: formatMethod,
};

export function titleCase(text: string): string {
  return text.replace(/\p{L}+/gu, (word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase());
}

export function capitalize(text: string): string {
  const [first = ''] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

function splitMethod(self: TemplateText, separator: Value, most: number, budget: Budget): Value {
  budget.scan(self.text.length);
  const limit = most < 0 ? Infinity : most;
  if (separator === undefined || separator === null) return splitWords(self, limit, budget);
  const { text } = textArgument(separator, 'split');
  if (text === '') throw new TemplateError('split: the separator is empty');
  const pieces = splitText(self, text, limit);
  budget.allowItems(pieces.length);
  return pieces;
}

/** Words between runs of white space; after `most` of them the rest is one more, white space at its end kept. */
function splitWords(self: TemplateText, most: number, budget: Budget): Value {
  const words: TemplateText[] = [];
  const { text } = self;
  const skip = (at: number, spaces: boolean): number => {
    let end = at;
    while (end < text.length && isPythonSpace(text[end]!) === spaces) end++;
    return end;
  };
  for (let at = skip(0, true); at < text.length; ) {
    budget.spend(1);
    const end = words.length < most ? skip(at, false) : text.length;
    words.push(sliceText(self, at, end));
    at = skip(end, true);
  }
  return words;
}

function rsplitMethod(self: TemplateText, [separator, most]: readonly Value[], named: Named, budget: Budget): Value {
  const all = splitMethod(self, separator ?? named.get('sep'), -1, budget) as readonly TemplateText[];
  const limit = intArgument(most ?? named.get('maxsplit'), 'rsplit', -1);
  if (limit < 0 || all.length <= limit + 1) return all;
  const between = isText(separator) ? separator : ownText(' ');
  const cut = all.length - limit;
  return [joinTexts(all.slice(0, cut), between), ...all.slice(cut)];
}

interface Replacement {
  readonly from: TemplateText;
  readonly to: TemplateText;
  /** How often; negative for everywhere. */
  readonly count: number;
}

export function replaceMethod(self: TemplateText, { from, to, count }: Replacement, budget: Budget): TemplateText {
  budget.scan(self.text.length);
  if (count === 0) return self;
  const most = count < 0 ? Infinity : count;
  const pieces = from.text === '' ? betweenUnits(self, most) : splitText(self, from.text, most);
  budget.allowItems(pieces.length);
  budget.allowText(self.text.length + (pieces.length - 1) * to.text.length);
  return joinTexts(pieces, to);
}

/** The pieces between which an empty text stands: before every character and at the end. */
function betweenUnits(self: TemplateText, most: number): TemplateText[] {
  const pieces = [sliceText(self, 0, 0)];
  let at = 0;
  while (at < self.text.length && pieces.length < most) {
    const end = at + (self.text.codePointAt(at)! > 0xffff ? 2 : 1);
    pieces.push(sliceText(self, at, end));
    at = end;
  }
  pieces.push(sliceText(self, at, self.text.length));
  return pieces;
}

/** Joins texts with a limit on the result. */
export function joinValues(items: readonly TemplateText[], separator: TemplateText, budget: Budget): TemplateText {
  budget.allowItems(items.length);
  const units = items.reduce((sum, item) => sum + item.text.length + separator.text.length, 0);
  budget.allowText(units);
  return items.length === 0 ? ownText('') : joinTexts(items, separator);
}

/** `{}`, `{0}` and `{name}`; what else str.format can do is refused. */
function formatMethod(self: TemplateText, args: readonly Value[], named: Named, budget: Budget): Value {
  budget.scan(self.text.length);
  let next = 0;
  let from = 0;
  const parts: TemplateText[] = [];
  for (const match of self.text.matchAll(/\{\{|\}\}|\{(\w*)\}|[{}]/g)) {
    const [whole, name] = match;
    parts.push(sliceText(self, from, match.index));
    from = match.index + whole.length;
    if (whole === '{{' || whole === '}}') parts.push(ownText(whole[0]!));
    else if (name === undefined) throw new TemplateError('format: only {}, {0} and {name} are known');
    else if (name === '') parts.push(textOf(args[next++], budget));
    else parts.push(textOf(/^\d+$/.test(name) ? args[Number(name)] : named.get(name), budget));
  }
  parts.push(sliceText(self, from, self.text.length));
  budget.allowText(parts.reduce((sum, part) => sum + part.text.length, 0));
  return concatTexts(parts);
}

export function dictItems(self: Dict): Value[] {
  return [...self.entries].map(([key, value]) => [keyText(self, key), value]);
}

export function dictKeys(self: Dict): TemplateText[] {
  return [...self.entries.keys()].map((key) => keyText(self, key));
}

const dictMethods: Readonly<Record<string, Method<Dict>>> = {
  get: (self, [key, fallback = null], named) => {
    const found = isText(key) ? self.entries.get(key.text) : undefined;
    return found === undefined ? (named.get('default') ?? fallback) : found;
  },
  items: (self, _args, _named, budget) => {
    budget.allowItems(self.entries.size);
    return dictItems(self);
  },
  keys: (self, _args, _named, budget) => {
    budget.allowItems(self.entries.size);
    return dictKeys(self);
  },
  values: (self, _args, _named, budget) => {
    budget.allowItems(self.entries.size);
    return [...self.entries.values()];
  },
};
