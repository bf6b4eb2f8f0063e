/**
 * Strings of a template, with a record of which parts came from its caller. The record goes through every operation,
 * so that at the end one can tell the template's own text, which may hold special tokens, from everything else.
 */
import { isWhitespace } from '../unicode-class.ts';
import type { Budget } from './budget.ts';

export interface TemplateText {
  readonly text: string;
  /** Ranges of UTF-16 units that came from the caller: start, end, start, end... in order and apart from each other. */
  readonly foreign: readonly number[];
  /** jinja2's Markup: it is HTML, in which nothing needs to be escaped any more. */
  readonly markup?: true;
}

export function asMarkup(value: TemplateText): TemplateText {
  return value.markup ? value : { ...value, markup: true };
}

/** A part or a change of a text is markup where the text is. */
export function markupLike(like: TemplateText, value: TemplateText): TemplateText {
  return like.markup ? asMarkup(value) : value;
}

export function asPlain({ text, foreign }: TemplateText): TemplateText {
  return { text, foreign };
}

export function ownText(text: string): TemplateText {
  return { text, foreign: [] };
}

export function foreignText(text: string): TemplateText {
  return { text, foreign: text === '' ? [] : [0, text.length] };
}

export function isTemplateText(value: unknown): value is TemplateText {
  return typeof value === 'object' && value !== null && 'foreign' in value && 'text' in value;
}

export function concatTexts(parts: readonly TemplateText[]): TemplateText {
  if (parts.length === 1) return asPlain(parts[0]!);
  let text = '';
  const foreign: number[] = [];
  for (const part of parts) {
    appendRanges(foreign, part.foreign, text.length);
    text += part.text;
  }
  return { text, foreign };
}

/** Joins texts with a limit on the result. */
export function concatWithin(parts: readonly TemplateText[], budget: Pick<Budget, 'allowText' | 'spend'>): TemplateText {
  let units = 0;
  let ranges = 0;
  for (const part of parts) {
    units += part.text.length;
    ranges += part.foreign.length;
  }
  budget.allowText(units);
  budget.spend(ranges / 16);
  return concatTexts(parts);
}

function appendRanges(into: number[], ranges: readonly number[], shift: number): void {
  for (let at = 0; at < ranges.length; at += 2) {
    const start = ranges[at]! + shift;
    const end = ranges[at + 1]! + shift;
    if (into.length > 0 && into.at(-1) === start) into[into.length - 1] = end;
    else into.push(start, end);
  }
}

/** Units from `start` to `end`, which lie within the text. */
export function sliceText(value: TemplateText, start: number, end: number): TemplateText {
  const foreign: number[] = [];
  for (let at = 0; at < value.foreign.length; at += 2) {
    const from = Math.max(value.foreign[at]!, start);
    const to = Math.min(value.foreign[at + 1]!, end);
    if (from < to) foreign.push(from - start, to - start);
  }
  return { text: value.text.slice(start, end), foreign };
}

/** Applies a change after which nobody can tell where parts are: all of a text with a foreign part is foreign. */
export function rewriteText(value: TemplateText, change: (text: string) => string): TemplateText {
  const text = change(value.text);
  return value.foreign.length === 0 ? ownText(text) : foreignText(text);
}

/**
 * Applies a change of letters, such as to upper case, that makes no text shorter. Where one grows, all of a text with a foreign part is
 * foreign.
 */
export function mapText(value: TemplateText, change: (text: string) => string): TemplateText {
  const text = change(value.text);
  if (value.foreign.length === 0) return ownText(text);
  return text.length === value.text.length ? { text, foreign: value.foreign } : foreignText(text);
}

/** Cuts at each of the first `most` places where `separator`, which is not empty, stands. */
export function splitText(value: TemplateText, separator: string, most = Infinity): TemplateText[] {
  const pieces: TemplateText[] = [];
  let from = 0;
  for (let at = value.text.indexOf(separator); at >= 0 && pieces.length < most; at = value.text.indexOf(separator, from)) {
    pieces.push(sliceText(value, from, at));
    from = at + separator.length;
  }
  pieces.push(sliceText(value, from, value.text.length));
  return pieces;
}

export function joinTexts(parts: readonly TemplateText[], separator: TemplateText): TemplateText {
  return concatTexts(parts.flatMap((part, index) => (index === 0 ? [part] : [separator, part])));
}

export type StripSide = 'both' | 'start' | 'end';

/** Python's strip: white space, or any of `chars`. */
export function stripText(value: TemplateText, side: StripSide, chars?: string): TemplateText {
  const drop = chars === undefined ? isPythonSpace : (char: string) => chars.includes(char);
  let start = 0;
  let end = value.text.length;
  if (side !== 'end') while (start < end && drop(value.text[start]!)) start++;
  if (side !== 'start') while (end > start && drop(value.text[end - 1]!)) end--;
  return start === 0 && end === value.text.length ? value : sliceText(value, start, end);
}

/** str.isspace of Python: Unicode's white space and the separators U+001C to U+001F, but not U+FEFF. */
export function isPythonSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  return isWhitespace(code) || (code >= 0x1c && code <= 0x1f);
}
