/** Methods of strings, as Python has them. Positions are in characters. */
import { bindArguments, intArgument, positionArgument, textArgument } from './arguments.ts';
import type { GivenArguments, Parameter } from './arguments.ts';
import type { Budget } from './budget.ts';
import { charOffsets } from './char-offsets.ts';
import { padText } from './format-spec.ts';
import { stripTags, unescapeHtml } from './html-entities.ts';
import { escapeText } from './html.ts';
import { itemsOf } from './iterate.ts';
import { joinTextsWithin, replaceText, splitLines, splitWhole } from './split-text.ts';
import { expandTabs, padZeros, translateText } from './text-columns.ts';
import { capitalizeText, foldCase, isLowerText, isTitleText, isUpperText, swapCase, titleText } from './text-case.ts';
import { isOfClass, textClassNames } from './text-class.ts';
import { TemplateError } from './template-errors.ts';
import { asPlain, mapText, markupLike, ownText, rewriteText, sliceText, stripText } from './template-text.ts';
import type { StripSide, TemplateText } from './template-text.ts';
import { isText, isTuple } from './values.ts';
import type { Value } from './values.ts';

export type TextMethod = (self: TemplateText, given: GivenArguments, budget: Budget) => Value;

/** @param parameters which cannot be given by name, as in most of Python's own methods */
function method(
  name: string,
  parameters: readonly Parameter[],
  apply: (self: TemplateText, args: readonly Value[], budget: Budget) => Value,
): TextMethod {
  return (self, given, budget) => {
    const args = bindArguments(name, parameters, given, true);
    budget.scan(self.text.length);
    return keepMarkup(self, apply(self, args, budget));
  };
}

function namedMethod(
  name: string,
  parameters: readonly Parameter[],
  apply: (self: TemplateText, args: readonly Value[], budget: Budget) => Value,
): TextMethod {
  return (self, given, budget) => {
    budget.scan(self.text.length);
    return keepMarkup(self, apply(self, bindArguments(name, parameters, given), budget));
  };
}

function keepMarkup(self: TemplateText, value: Value): Value {
  if (!self.markup) return value;
  if (isText(value)) return markupLike(self, value);
  if (Array.isArray(value)) return (value as readonly Value[]).map((item) => keepMarkup(self, item));
  return isTuple(value) ? { tuple: value.tuple.map((item) => keepMarkup(self, item)) } : value;
}

/** Looking at single letters takes about as long as looking through this much text. */
const unitsPerLetter = 16;

const mapping = (name: string, change: (text: string) => string): [string, TextMethod] => [
  name,
  method(name, [], (self, _args, budget) => {
    budget.scan(self.text.length * unitsPerLetter);
    return mapText(self, change);
  }),
];
const asking = (name: string, test: (text: string) => boolean): [string, TextMethod] => [
  name,
  method(name, [], (self) => test(self.text)),
];

const stripping = (name: string, side: StripSide): [string, TextMethod] => [
  name,
  method(name, [['chars', null]], (self, [chars]) => stripText(self, side, chars === null ? undefined : textArgument(chars, name).text)),
];

const padding = (name: string, align: '<' | '>' | '^'): [string, TextMethod] => [
  name,
  method(name, ['width', ['fillchar', ownText(' ')]], (self, [width, fill], budget) => {
    const { text } = textArgument(fill, name);
    if (Array.from(text).length !== 1) throw new TemplateError(`${name}: the fill must be one character`);
    return align === '^'
      ? centered(self, intArgument(width, name), text, budget)
      : padText(self, { width: intArgument(width, name), fill: text, align }, '<', budget);
  }),
];

/** str.center puts the odd one of the fill to the left only in an odd width. */
export function centered(self: TemplateText, width: number, fill: string, budget: Budget): TemplateText {
  const missing = width - charOffsets(self.text).count;
  if (missing <= 0) return self;
  const left = Math.floor(missing / 2) + (missing & width & 1);
  const padded = padText(self, { width: width - (missing - left), fill, align: '>' }, '<', budget);
  return padText(padded, { width, fill, align: '<' }, '<', budget);
}

/** The part between two positions in characters, and the first of them. */
function partOf(self: TemplateText, start: Value, end: Value, where: string): { part: string; first: number; isValid: boolean } {
  const offsets = charOffsets(self.text);
  const { count } = offsets;
  const resolve = (at: number): number => Math.min(Math.max(at < 0 ? at + count : at, 0), count);
  const from = start === null ? 0 : positionArgument(start, where);
  const to = resolve(end === null ? count : positionArgument(end, where));
  const first = resolve(from);
  return { part: self.text.slice(offsets.at(first), offsets.at(Math.max(first, to))), first, isValid: from <= count && first <= to };
}

const charsBefore = (text: string, unit: number): number => charOffsets(text.slice(0, unit)).count;

const searching = (name: string, search: (text: string, part: string) => number, isRequired: boolean): [string, TextMethod] => [
  name,
  method(name, ['sub', ['start', null], ['end', null]], (self, [sub, start, end]) => {
    const found = textArgument(sub, name).text;
    const { part, first, isValid } = partOf(self, start, end, name);
    const unit = isValid ? search(part, found) : -1;
    if (unit >= 0) return first + charsBefore(part, unit);
    if (isRequired) throw new TemplateError(`${name}: the text does not hold what is looked for`);
    return -1;
  }),
];

const testing = (name: string, test: (text: string, part: string) => boolean): [string, TextMethod] => [
  name,
  method(name, ['part', ['start', null], ['end', null]], (self, [part, start, end]) => {
    const found = partOf(self, start, end, name);
    // As in Python, the texts behind the first that fits are not looked at.
    return (isTuple(part) ? part.tuple : [part]).some((each) => {
      const { text } = textArgument(each, name);
      return found.isValid && test(found.part, text);
    });
  }),
];

const splitting = (name: string, fromEnd: boolean): [string, TextMethod] => [
  name,
  namedMethod(
    name,
    [
      ['sep', null],
      ['maxsplit', -1],
    ],
    (self, [separator, most], budget) =>
      splitWhole(
        self,
        { separator: separator === null ? undefined : textArgument(separator, name).text, most: intArgument(most, name), fromEnd },
        budget,
      ),
  ),
];

const partitioning = (name: string, find: (text: string, part: string) => number, isFromEnd: boolean): [string, TextMethod] => [
  name,
  method(name, ['sep'], (self, [separator]) => {
    const { text } = textArgument(separator, name);
    if (text === '') throw new TemplateError(`${name}: the separator is empty`);
    const at = find(self.text, text);
    if (at < 0) return { tuple: isFromEnd ? [ownText(''), ownText(''), self] : [self, ownText(''), ownText('')] };
    const end = at + text.length;
    return { tuple: [sliceText(self, 0, at), sliceText(self, at, end), sliceText(self, end, self.text.length)] };
  }),
];

function countOf(text: string, part: string): number {
  if (part === '') return charOffsets(text).count + 1;
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

/** Methods that only a markup has. */
export const markupMethods: ReadonlyMap<string, TextMethod> = new Map(
  [
    ['striptags', stripTags] as const,
    ['unescape', unescapeHtml] as const,
  ].map(([name, change]): [string, TextMethod] => [
    name,
    (self, given, budget) => {
      bindArguments(name, [], given);
      budget.scan(self.text.length * 4);
      return rewriteText(asPlain(self), change);
    },
  ]),
);

export const textMethods: ReadonlyMap<string, TextMethod> = new Map<string, TextMethod>([
  mapping('upper', (text) => text.toUpperCase()),
  mapping('lower', (text) => text.toLowerCase()),
  mapping('title', titleText),
  mapping('capitalize', capitalizeText),
  mapping('swapcase', swapCase),
  mapping('casefold', foldCase),
  asking('islower', isLowerText),
  asking('isupper', isUpperText),
  asking('istitle', isTitleText),
  ...textClassNames.map((name) => asking(name, (text) => isOfClass(text, name))),
  stripping('strip', 'both'),
  stripping('lstrip', 'start'),
  stripping('rstrip', 'end'),
  padding('center', '^'),
  padding('ljust', '<'),
  padding('rjust', '>'),
  testing('startswith', (text, part) => text.startsWith(part)),
  testing('endswith', (text, part) => text.endsWith(part)),
  searching('find', (text, part) => text.indexOf(part), false),
  searching('index', (text, part) => text.indexOf(part), true),
  searching('rfind', (text, part) => text.lastIndexOf(part), false),
  searching('rindex', (text, part) => text.lastIndexOf(part), true),
  splitting('split', false),
  splitting('rsplit', true),
  partitioning('partition', (text, part) => text.indexOf(part), false),
  partitioning('rpartition', (text, part) => text.lastIndexOf(part), true),
  [
    'count',
    method('count', ['sub', ['start', null], ['end', null]], (self, [sub, start, end]) => {
      const found = textArgument(sub, 'count').text;
      const { part, isValid } = partOf(self, start, end, 'count');
      return isValid ? countOf(part, found) : 0;
    }),
  ],
  [
    'splitlines',
    namedMethod('splitlines', [['keepends', false]], (self, [keep], budget) =>
      splitLines(self, intArgument(keep, 'splitlines') !== 0, budget),
    ),
  ],
  [
    'replace',
    method('replace', ['old', 'new', ['count', -1]], (self, [from, to, count], budget) => {
      const texts = { from: textArgument(from, 'replace'), to: textArgument(to, 'replace') };
      return replaceText(
        self,
        { ...texts, to: self.markup ? escapeText(texts.to, budget) : texts.to, count: intArgument(count, 'replace') },
        budget,
      );
    }),
  ],
  [
    'join',
    method('join', ['items'], (self, [items], budget) => {
      const all = itemsOf(items, budget);
      const texts = self.markup ? all.map((item) => escapeText(item, budget)) : all.map((item) => textArgument(item, 'join'));
      return joinTextsWithin(texts, self, budget);
    }),
  ],
  [
    'removeprefix',
    method('removeprefix', ['prefix'], (self, [part]) => {
      const { text } = textArgument(part, 'removeprefix');
      return self.text.startsWith(text) ? sliceText(self, text.length, self.text.length) : self;
    }),
  ],
  [
    'removesuffix',
    method('removesuffix', ['suffix'], (self, [part]) => {
      const { text } = textArgument(part, 'removesuffix');
      return self.text.endsWith(text) ? sliceText(self, 0, self.text.length - text.length) : self;
    }),
  ],
  ['zfill', method('zfill', ['width'], (self, [width], budget) => padZeros(self, intArgument(width, 'zfill'), budget))],
  [
    'expandtabs',
    namedMethod('expandtabs', [['tabsize', 8]], (self, [size], budget) => expandTabs(self, intArgument(size, 'expandtabs'), budget)),
  ],
  ['translate', method('translate', ['table'], (self, [table], budget) => translateText(self, table, budget))],
]);
