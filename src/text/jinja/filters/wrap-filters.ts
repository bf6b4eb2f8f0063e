/** Filters that shorten texts and break them into lines. */
import { intArgument, textArgument } from '../arguments.ts';
import type { Budget } from '../budget.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { firstChars } from '../format-spec.ts';
import { escapeText } from '../html.ts';
import { joinTextsWithin, splitLines } from '../split-text.ts';
import { TemplateError } from '../template-errors.ts';
import { concatTexts, markupLike, ownText, sliceText } from '../template-text.ts';
import type { TemplateText } from '../template-text.ts';
import { charCount, isFloat, isTruthy, lengthOf, numberOf, typeName } from '../values.ts';
import type { Value } from '../values.ts';

const leewayOfPolicies = 5;

export const wrapFilters: readonly (readonly [string, Filter])[] = [
  filter(
    'truncate',
    [
      ['length', 255],
      ['killwords', false],
      ['end', ownText('...')],
      ['leeway', null],
    ],
    (value, [length, killWords, end, leeway], { budget }) => {
      const most = numberArgument(length, 'truncate');
      const extra = leeway === null ? leewayOfPolicies : numberArgument(leeway, 'truncate');
      const ending = textArgument(end, 'truncate');
      const kept = most - charCount(ending.text);
      if (kept < 0 || extra < 0)
        throw new TemplateError(`truncate: the length must be at least that of the end, and the leeway not negative`);
      const count = lengthOf(value);
      if (count === undefined) throw new TemplateError(`truncate: a value of type ${typeName(value)} has no length`);
      if (count <= most + extra) return value;
      if (isFloat(length)) throw new TemplateError('truncate: a text cannot be cut at a length that is a float');
      const text = textArgument(value, 'truncate');
      budget.scan(text.text.length);
      const cut = firstChars(text, kept);
      const space = isTruthy(killWords) ? -1 : cut.text.lastIndexOf(' ');
      const start = space < 0 ? cut : sliceText(cut, 0, space);
      return markupLike(text, concatTexts([start, text.markup ? escapeText(ending, budget) : ending]));
    },
  ),
  filter(
    'wordwrap',
    [
      ['width', 79],
      ['break_long_words', true],
      ['wrapstring', null],
      ['break_on_hyphens', true],
    ],
    (value, [width, breakWords, wrapString, breakHyphens], { budget }) => {
      const text = textArgument(value, 'wordwrap');
      const separator = wrapString === null ? ownText('\n') : textArgument(wrapString, 'wordwrap');
      if (text.text === '') return markupLike(separator, text);
      const rules = {
        width: numberArgument(width, 'wordwrap'),
        isWhole: !isFloat(width),
        breakWords: isTruthy(breakWords),
        breakHyphens: breakHyphens === true,
      };
      const paragraphs = splitLines(text, false, budget).map((line) => joinTextsWithin(wrapLine(line, rules, budget), separator, budget));
      return markupLike(separator, joinTextsWithin(paragraphs, separator, budget));
    },
  ),
];

/** A length: a float is as good as an int until a text is to be cut by it. */
function numberArgument(value: Value, where: string): number {
  return numberOf(value) ?? intArgument(value, where);
}

interface WrapRules {
  /** In characters. */
  readonly width: number;
  /** No float. */
  readonly isWhole: boolean;
  readonly breakWords: boolean;
  readonly breakHyphens: boolean;
}

const word = String.raw`[\p{L}\p{N}_]`;
const punctuated = String.raw`[\p{L}\p{N}_!"'&.,?]`;
const letter = String.raw`[\p{L}\p{Nl}\p{No}_]`;
const blank = String.raw`[\t\n\v\f\r ]`;
const chunkKinds = [
  `${blank}+`,
  // A dash between words.
  `(?<=${punctuated})-{2,}(?=${word})`,
  // A word: up to a hyphen between letters, its end, or a dash.
  String.raw`[^\t\n\v\f\r ]+?(?:-(?:(?<=${letter}{2}-)|(?<=${letter}-${letter}-))(?=${letter}-?${letter})` +
    `|(?=${blank}|$)|(?<=${punctuated})(?=-{2,}${word}))`,
];
const chunkPattern = new RegExp(chunkKinds.join('|'), 'gu');
const plainPattern = /[\t\n\v\f\r ]+|[^\t\n\v\f\r ]+/g;

/** A part of a line that stays in one piece: units from start to end. */
interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly chars: number;
}

/** Python's textwrap.wrap of one line, without a change of its white space. */
function wrapLine(line: TemplateText, rules: WrapRules, budget: Budget): TemplateText[] {
  const { text } = line;
  budget.scan(text.length * 8);
  if (rules.width <= 0) throw new TemplateError('wordwrap: the width must be more than zero');
  const chunks = chunksOf(text, rules.breakHyphens).toReversed();
  budget.allowItems(chunks.length);
  const isBlank = ({ start, end }: Chunk): boolean => text.slice(start, end).trim() === '';
  const lines: TemplateText[] = [];
  while (chunks.length > 0) {
    budget.spend(1);
    if (lines.length > 0 && isBlank(chunks.at(-1)!)) chunks.pop();
    const taken: Chunk[] = [];
    let room = rules.width;
    while (chunks.length > 0 && chunks.at(-1)!.chars <= room) {
      room -= chunks.at(-1)!.chars;
      taken.push(chunks.pop()!);
    }
    if (chunks.length > 0 && chunks.at(-1)!.chars > rules.width) takeLongWord(text, { chunks, taken, room }, rules);
    if (taken.length > 0 && isBlank(taken.at(-1)!)) taken.pop();
    if (taken.length > 0) lines.push(sliceText(line, taken[0]!.start, taken.at(-1)!.end));
  }
  return lines;
}

function chunksOf(text: string, breakHyphens: boolean): Chunk[] {
  const chunks: Chunk[] = [];
  let from = 0;
  const push = (end: number): void => {
    if (end > from) chunks.push({ start: from, end, chars: charCount(text.slice(from, end)) });
    from = end;
  };
  for (const match of text.matchAll(breakHyphens ? chunkPattern : plainPattern)) {
    push(match.index);
    push(match.index + match[0].length);
  }
  push(text.length);
  return chunks;
}

interface Filling {
  readonly chunks: Chunk[];
  readonly taken: Chunk[];
  /** Characters that are left of the line. */
  readonly room: number;
}

/** Breaks a word that fits no line: after a hyphen where it has one in reach. */
function takeLongWord(text: string, { chunks, taken, room }: Filling, { isWhole, breakWords, breakHyphens }: WrapRules): void {
  const { start, end, chars } = chunks.at(-1)!;
  if (!breakWords) {
    if (taken.length === 0) taken.push(chunks.pop()!);
    return;
  }
  if (!isWhole) throw new TemplateError('wordwrap: a word cannot be broken at a width that is a float');
  const chunk = { text: text.slice(start, end), foreign: [] };
  let count = room;
  if (breakHyphens && chars > room) {
    const part = firstChars(chunk, room).text;
    const hyphen = part.lastIndexOf('-');
    if (hyphen > 0 && /[^-]/.test(part.slice(0, hyphen))) count = charCount(part.slice(0, hyphen)) + 1;
  }
  const middle = start + firstChars(chunk, count).text.length;
  chunks.pop();
  taken.push({ start, end: middle, chars: count });
  chunks.push({ start: middle, end, chars: chars - count });
}
