/** Steps that all dialects read text by. */
import { writeText } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';

/** So much white space before a mark is left out; a longer run is text. */
const MOST_HELD = 256;
const SPACE = /\s/;

/** The next character; '' at the end of the answer. */
export function* peek(reader: AnswerReader): Steps<string> {
  while (reader.at === reader.text.length) {
    if (reader.isOver) return '';
    yield;
  }
  return reader.text[reader.at] as string;
}

/** Whether a mark comes next; reads it then. */
export function* takeMark(reader: AnswerReader, mark: string): Steps<boolean> {
  const spelled = reader.spelling(mark);
  for (;;) {
    const come = reader.text.slice(reader.at, reader.at + spelled.length);
    if (come === spelled) {
      reader.at += spelled.length;
      return true;
    }
    if (reader.isOver || !spelled.startsWith(come)) return false;
    yield;
  }
}

export function* skipSpace(reader: AnswerReader): Steps {
  while (SPACE.test(yield* peek(reader))) reader.at++;
}

/** Reads characters that `pattern`, of one character, allows: at most `most`. */
export function* takeWhile(reader: AnswerReader, pattern: RegExp, most = Infinity): Steps<string> {
  let taken = '';
  for (;;) {
    const next = yield* peek(reader);
    if (next === '' || !pattern.test(next) || taken.length >= most) return taken;
    taken += next;
    reader.at++;
  }
}

interface Found {
  readonly mark: string;
  readonly at: number;
  readonly length: number;
}

function findFirst(reader: AnswerReader, marks: readonly string[], from: number): Found | undefined {
  let found: Found | undefined;
  for (const mark of marks) {
    const spelled = reader.spelling(mark);
    const at = reader.text.indexOf(spelled, from);
    if (at < 0) continue;
    if (found === undefined || at < found.at || (at === found.at && spelled.length > found.length))
      found = { mark, at, length: spelled.length };
  }
  return found;
}

/** Where what may be the beginning of a mark begins. */
function beginningAt(reader: AnswerReader, marks: readonly string[]): number {
  const { text, at } = reader;
  const spelled = marks.map(reader.spelling);
  const longest = Math.max(1, ...spelled.map((mark) => mark.length));
  for (let from = Math.max(at, text.length - longest + 1); from < text.length; from++) {
    const tail = text.slice(from);
    if (spelled.some((mark) => mark.startsWith(tail))) return from;
  }
  return text.length;
}

export interface UntilOptions {
  /** Gets the text before the mark, as it becomes certain. */
  readonly write: (text: string) => void;
  /** Characters that are left out where they stand right before the mark. Default none. */
  readonly leftOut?: RegExp | undefined;
  /** Gets what was left out. */
  readonly onLeftOut?: ((text: string) => void) | undefined;
}

function withoutEnd(text: string, leftOut: RegExp | undefined): string {
  if (leftOut === undefined) return text;
  let end = text.length;
  const least = Math.max(0, end - MOST_HELD);
  while (end > least && leftOut.test(text[end - 1] as string)) end--;
  return text.slice(0, end);
}

/** Reads text up to one of the marks, and the mark; undefined where the answer ends before one comes. */
export function* readUntil(reader: AnswerReader, marks: readonly string[], options: UntilOptions): Steps<string | undefined> {
  const { write, leftOut, onLeftOut } = options;
  const release = (end: number): void => {
    const text = reader.text.slice(reader.at, end);
    reader.at = end;
    if (text !== '') write(text);
  };
  let searched = reader.at;
  for (;;) {
    const found = findFirst(reader, marks, searched);
    if (found !== undefined) {
      release(reader.at + withoutEnd(reader.text.slice(reader.at, found.at), leftOut).length);
      onLeftOut?.(reader.text.slice(reader.at, found.at));
      reader.at = found.at + found.length;
      return found.mark;
    }
    if (reader.isOver) break;
    const sure = beginningAt(reader, marks);
    const held = sure - withoutEnd(reader.text.slice(reader.at, sure), leftOut).length - reader.at;
    release(sure - held);
    yield;
    // What has been read may be forgotten meanwhile.
    searched = reader.at + held;
  }
  release(reader.text.length);
  return undefined;
}

/** Reads text up to a mark without writing it; undefined where the answer ends before. */
export function* collectUntil(reader: AnswerReader, mark: string): Steps<string | undefined> {
  let text = '';
  const found = yield* readUntil(reader, [mark], { write: (more) => void (text += more) });
  return found === undefined ? undefined : text;
}

/** Line breaks after a tag are no part of what follows. */
export function* skipBreaks(reader: AnswerReader): Steps {
  while ((yield* peek(reader)) === '\n') reader.at++;
}

/** Text of `kind` up to a mark. */
export function readInto(
  reader: AnswerReader,
  marks: readonly string[],
  { kind, ...more }: Omit<UntilOptions, 'write'> & { readonly kind: 'text' | 'reasoning' },
): Steps<string | undefined> {
  return readUntil(reader, marks, { write: (text) => writeText(reader, kind, text), ...more });
}
