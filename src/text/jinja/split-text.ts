/** Cutting, joining and replacing of texts, as Python's str does. */
import type { Budget } from './budget.ts';
import { TemplateError } from './template-errors.ts';
import { isPythonSpace, joinTexts, sliceText, splitText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { charCount } from './values.ts';

export interface Splitting {
  /** Without one: runs of white space. */
  readonly separator: string | undefined;
  /** How many cuts; negative for all. */
  readonly most: number;
  readonly fromEnd: boolean;
}

/** str.split and str.rsplit. */
export function splitWhole(self: TemplateText, { separator, most, fromEnd }: Splitting, budget: Budget): TemplateText[] {
  const limit = most < 0 ? Infinity : most;
  if (separator === undefined) return fromEnd ? splitWordsFromEnd(self, limit, budget) : splitWords(self, limit, budget);
  if (separator === '') throw new TemplateError('split: the separator is empty');
  countPieces(self, separator, { limit, budget });
  return fromEnd ? splitFromEnd(self, separator, limit) : splitText(self, separator, limit);
}

interface Counting {
  readonly limit: number;
  readonly budget: Budget;
}

/** Counts the pieces of a text before they are made. */
function countPieces(self: TemplateText, separator: string, { limit, budget }: Counting): number {
  let count = 1;
  budget.scan(self.text.length);
  for (let at = self.text.indexOf(separator); at >= 0 && count <= limit; at = self.text.indexOf(separator, at + separator.length)) {
    budget.spend(1);
    count++;
  }
  return count;
}

function splitFromEnd(self: TemplateText, separator: string, most: number): TemplateText[] {
  const pieces: TemplateText[] = [];
  let end = self.text.length;
  while (pieces.length < most) {
    const at = end - separator.length < 0 ? -1 : self.text.lastIndexOf(separator, end - separator.length);
    if (at < 0) break;
    pieces.push(sliceText(self, at + separator.length, end));
    end = at;
  }
  pieces.push(sliceText(self, 0, end));
  return pieces.toReversed();
}

/** Words between runs of white space; after `most` of them the rest is one more, white space at its end kept. */
function splitWords(self: TemplateText, most: number, budget: Budget): TemplateText[] {
  const words: TemplateText[] = [];
  const { text } = self;
  const skip = (at: number, spaces: boolean): number => {
    let end = at;
    while (end < text.length && isPythonSpace(text[end]!) === spaces) end++;
    return end;
  };
  for (let at = skip(0, true); at < text.length;) {
    budget.spend(1);
    const end = words.length < most ? skip(at, false) : text.length;
    words.push(sliceText(self, at, end));
    at = skip(end, true);
  }
  return words;
}

function splitWordsFromEnd(self: TemplateText, most: number, budget: Budget): TemplateText[] {
  const words: TemplateText[] = [];
  const { text } = self;
  const skip = (at: number, spaces: boolean): number => {
    let start = at;
    while (start > 0 && isPythonSpace(text[start - 1]!) === spaces) start--;
    return start;
  };
  for (let at = skip(text.length, true); at > 0;) {
    budget.spend(1);
    const start = words.length < most ? skip(at, false) : 0;
    words.push(sliceText(self, start, at));
    at = skip(start, true);
  }
  return words.toReversed();
}

const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** str.splitlines. */
export function splitLines(self: TemplateText, keepEnds: boolean, budget: Budget): TemplateText[] {
  const lines: TemplateText[] = [];
  let from = 0;
  for (const match of self.text.matchAll(lineEnd)) {
    budget.spend(1);
    const end = match.index + match[0].length;
    lines.push(sliceText(self, from, keepEnds ? end : match.index));
    from = end;
  }
  if (from < self.text.length) lines.push(sliceText(self, from, self.text.length));
  return lines;
}

interface Replacement {
  readonly from: TemplateText;
  readonly to: TemplateText;
  /** How often; negative for everywhere. */
  readonly count: number;
}

/** str.replace. */
export function replaceText(self: TemplateText, { from, to, count }: Replacement, budget: Budget): TemplateText {
  budget.scan(self.text.length);
  if (count === 0) return self;
  const most = count < 0 ? Infinity : count;
  const cuts = from.text === '' ? Math.min(charCount(self.text) + 1, most) : countPieces(self, from.text, { limit: most, budget }) - 1;
  budget.allowText(self.text.length + cuts * to.text.length);
  return joinTexts(from.text === '' ? betweenChars(self, most, budget) : splitText(self, from.text, most), to);
}

/** The pieces between which an empty text stands: before every character and at the end. */
function betweenChars(self: TemplateText, most: number, budget: Budget): TemplateText[] {
  budget.allowItems(Math.min(charCount(self.text), most));
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
export function joinTextsWithin(items: readonly TemplateText[], separator: TemplateText, budget: Budget): TemplateText {
  budget.allowItems(items.length);
  const units = items.reduce((sum, item) => sum + item.text.length + separator.text.length, 0);
  budget.allowText(units);
  budget.scan(units);
  return joinTexts(items, separator);
}
