/**
 * The text of a message under edit, and what keys do to it. A cursor stands before the UTF-16 unit of its number, never inside a grapheme.
 */
import { graphemeAt } from './text-width.ts';

export interface EditBuffer {
  readonly text: string;
  readonly cursor: number;
  /** What was cut last, for pasting back. */
  readonly killed: string;
}

export const EMPTY_BUFFER: EditBuffer = { text: '', cursor: 0, killed: '' };

type Edit = (buffer: EditBuffer) => EditBuffer;

const WORD_BEFORE = /[\p{L}\p{N}\p{M}_]*[^\p{L}\p{N}\p{M}_]*$/u;
const WORD_AFTER = /^[^\p{L}\p{N}\p{M}_]*[\p{L}\p{N}\p{M}_]*/u;
/** A word is looked for no further than this. */
const MOST_WORD = 4096;

function before({ text, cursor }: EditBuffer): number {
  return cursor === 0 ? 0 : graphemeAt(text, cursor - 1).start;
}

function after({ text, cursor }: EditBuffer): number {
  return cursor >= text.length ? text.length : graphemeAt(text, cursor).end;
}

function wordBefore({ text, cursor }: EditBuffer): number {
  return cursor - WORD_BEFORE.exec(text.slice(Math.max(0, cursor - MOST_WORD), cursor))![0].length;
}

function wordAfter({ text, cursor }: EditBuffer): number {
  return cursor + WORD_AFTER.exec(text.slice(cursor, cursor + MOST_WORD))![0].length;
}

function lineStart({ text, cursor }: EditBuffer): number {
  return cursor === 0 ? 0 : text.lastIndexOf('\n', cursor - 1) + 1;
}

function lineEnd({ text, cursor }: EditBuffer): number {
  const end = text.indexOf('\n', cursor);
  return end < 0 ? text.length : end;
}

const moveTo = (target: (buffer: EditBuffer) => number): Edit => (buffer) => ({ ...buffer, cursor: target(buffer) });

/** Takes out what lies between the cursor and `target`. */
const cutTo = (target: (buffer: EditBuffer) => number, isKept: boolean): Edit => (buffer) => {
  const { text, cursor } = buffer;
  const [start, end] = [Math.min(cursor, target(buffer)), Math.max(cursor, target(buffer))];
  if (start === end) return buffer;
  return { text: text.slice(0, start) + text.slice(end), cursor: start, killed: isKept ? text.slice(start, end) : buffer.killed };
};

/** At a line's end Ctrl-K takes the line break, as in other editors. */
const lineEndOrBreak = (buffer: EditBuffer) => Math.max(lineEnd(buffer), after(buffer) === lineEnd(buffer) + 1 ? after(buffer) : 0);

export function insertText({ text, cursor, killed }: EditBuffer, added: string): EditBuffer {
  const joined = text.slice(0, cursor) + added + text.slice(cursor);
  const at = cursor + added.length;
  // What was inserted may have joined the next character to a grapheme (a combining mark, half of an emoji).
  const grapheme = at > 0 && at < joined.length ? graphemeAt(joined, at) : undefined;
  return { text: joined, cursor: grapheme === undefined || grapheme.start === at ? at : grapheme.end, killed };
}

export const EDITS = {
  left: moveTo(before),
  right: moveTo(after),
  wordLeft: moveTo(wordBefore),
  wordRight: moveTo(wordAfter),
  lineStart: moveTo(lineStart),
  lineEnd: moveTo(lineEnd),
  textStart: moveTo(() => 0),
  textEnd: moveTo(({ text }) => text.length),
  deleteLeft: cutTo(before, false),
  deleteRight: cutTo(after, false),
  cutWordLeft: cutTo(wordBefore, true),
  cutWordRight: cutTo(wordAfter, true),
  cutToLineStart: cutTo(lineStart, true),
  cutToLineEnd: cutTo(lineEndOrBreak, true),
  yank: (buffer: EditBuffer) => insertText(buffer, buffer.killed),
  newline: (buffer: EditBuffer) => insertText(buffer, '\n'),
} as const satisfies Readonly<Record<string, Edit>>;

export type EditName = keyof typeof EDITS;
