/** Filters on texts. */
import { intArgument, textArgument } from '../arguments.ts';
import { dictOf } from '../dict.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { escapeText } from '../html.ts';
import { jsonOf } from '../json-text.ts';
import { percentFormat } from '../percent-format.ts';
import { textOf } from '../printing.ts';
import type { RunContext } from '../scope.ts';
import { replaceText, splitLines } from '../split-text.ts';
import { TemplateError } from '../template-errors.ts';
import { asPlain, concatWithin, joinTexts, mapText, markupLike, ownText, stripText } from '../template-text.ts';
import type { TemplateText } from '../template-text.ts';
import { capitalizeText, titleWords } from '../text-case.ts';
import { centered } from '../text-methods.ts';
import { isInt, isText, isTruthy, isTuple, isList } from '../values.ts';
import type { Value } from '../values.ts';

/** Looking at single letters takes about as long as looking through this much text. */
const unitsPerLetter = 16;

const changing = (name: string, change: (text: string) => string, keepsMarkup = true): readonly [string, Filter] =>
  filter(name, [], (value, _args, { budget }) => {
    const text = textOf(value, budget);
    budget.scan(text.text.length);
    budget.scan(text.text.length * unitsPerLetter);
    const changed = mapText(asPlain(text), change);
    return keepsMarkup ? markupLike(text, changed) : changed;
  });

export const textFilters: readonly (readonly [string, Filter])[] = [
  changing('upper', (text) => text.toUpperCase()),
  changing('lower', (text) => text.toLowerCase()),
  changing('title', titleWords, false),
  changing('capitalize', capitalizeText),
  filter('trim', [['chars', null]], (value, [chars], { budget }) => {
    const text = textOf(value, budget);
    budget.scan(text.text.length);
    return markupLike(text, stripText(text, 'both', chars === null ? undefined : textArgument(chars, 'trim').text));
  }),
  filter('center', [['width', 80]], (value, [width], { budget }) => {
    const text = textOf(value, budget);
    return markupLike(text, centered(text, intArgument(width, 'center'), ' ', budget));
  }),
  filter('replace', ['old', 'new', ['count', null]], (value, [from, to, count], run) => replaceValue(value, { from, to, count }, run)),
  filter(
    'indent',
    [
      ['width', 4],
      ['first', false],
      ['blank', false],
    ],
    (value, [width, first, blank], { budget }) =>
      indentLines(textArgument(value, 'indent'), { width, first: isTruthy(first), blank: isTruthy(blank) }, { budget }),
  ),
  filter('wordcount', [], (value, _args, { budget }) => {
    const { text } = textOf(value, budget);
    budget.scan(text.length * unitsPerLetter);
    return text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
  }),
  [
    'format',
    (value, { args, named, run: { budget } }) => {
      if (named.has('value') || (args.length > 0 && named.size > 0))
        throw new TemplateError('format: takes values by position or by name, not both');
      const values = named.size > 0 ? dictOf([...named].map(([name, item]) => [ownText(name), item] as const)) : { tuple: args };
      return percentFormat(textOf(value, budget), values, budget);
    },
  ],
  filter(
    'tojson',
    [
      ['ensure_ascii', false],
      ['indent', null],
      ['separators', null],
      ['sort_keys', false],
    ],
    toJson,
  ),
];

interface ReplaceOptions {
  readonly from: Value;
  readonly to: Value;
  readonly count: Value;
}

function replaceValue(value: Value, { from, to, count }: ReplaceOptions, { budget, autoescape }: RunContext): Value {
  const times = count === null ? -1 : intArgument(count, 'replace');
  const [old, next] = [textOf(from, budget), textOf(to, budget)];
  const text = textOf(value, budget);
  if (!autoescape) return asPlain(replaceText(asPlain(text), { from: old, to: next, count: times }, budget));
  const self = old.markup || (next.markup && !text.markup) ? escapeText(text, budget) : text;
  return markupLike(self, replaceText(self, { from: old, to: self.markup ? escapeText(next, budget) : next, count: times }, budget));
}

interface Indentation {
  readonly width: Value;
  readonly first: boolean;
  readonly blank: boolean;
}

function indentLines(text: TemplateText, { width, first, blank }: Indentation, { budget }: Pick<RunContext, 'budget'>): TemplateText {
  const indent = isText(width) ? width : spaces(intArgument(width, 'indent'), budget);
  budget.scan(text.text.length);
  // Line ends become "\n", and the last line is one even where it is empty.
  const lines = splitLines(joinTexts([asPlain(text), ownText('')], ownText('\n')), false, budget);
  budget.allowText(text.text.length + lines.length * indent.text.length);
  budget.allowItems(lines.length);
  const indented = lines.flatMap((line, index) => {
    const isIndented = index === 0 ? first : blank || line.text !== '';
    return [...(index === 0 ? [] : [ownText('\n')]), ...(isIndented ? [indent] : []), line];
  });
  return markupLike(text, concatWithin(indented, budget));
}

function spaces(width: number, budget: RunContext['budget']): TemplateText {
  budget.allowText(width);
  return ownText(' '.repeat(Math.max(0, width)));
}

const maxIndent = 64;

function toJson(value: Value, [ensureAscii, indent, separators, sortKeys]: readonly Value[], { budget }: RunContext): Value {
  const pair = isTuple(separators) ? separators.tuple : isList(separators) ? separators : [];
  if (separators !== null && pair.length !== 2) throw new TemplateError('tojson: separators should be a pair of texts');
  const level = indent === null ? undefined : isText(indent) ? indent : isText(value) ? ownText('') : jsonIndent(indent);
  const json = jsonOf(value, {
    indent: level,
    itemSeparator: pair.length === 2 ? textArgument(pair[0], 'tojson') : ownText(level === undefined ? ', ' : ','),
    keySeparator: pair.length === 2 ? textArgument(pair[1], 'tojson') : ownText(': '),
    sortKeys: isTruthy(sortKeys),
    ensureAscii: isTruthy(ensureAscii),
    budget,
  });
  budget.scan(json.text.length);
  budget.allowText(json.text.length);
  return json;
}

function jsonIndent(indent: Value): TemplateText {
  if (!isInt(indent)) throw new TemplateError('tojson: indent should be an integer or a text');
  const width = Math.max(0, Number(indent));
  if (!(width <= maxIndent)) throw new TemplateError(`tojson: indent must be from 0 to ${maxIndent}`);
  return ownText(' '.repeat(width));
}
