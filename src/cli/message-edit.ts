/** A message under edit with its history: what keys make of it. */
import { EDITS, EMPTY_BUFFER, insertText } from './edit-buffer.ts';
import type { EditBuffer, EditName } from './edit-buffer.ts';

const MOST_HISTORY = 1000;
const MOST_UNDO = 200;

export interface EditState {
  buffer: EditBuffer;
  undo: EditBuffer[];
  history: string[];
  /** The place in the history; its length where a new message is edited. */
  at: number;
  /** The new message while an old one is looked at. */
  draft: string;
}

function show(state: EditState, at: number): void {
  if (at < 0 || at > state.history.length || at === state.at) return;
  if (state.at === state.history.length) state.draft = state.buffer.text;
  const text = state.history[at] ?? state.draft;
  state.at = at;
  state.buffer = { ...state.buffer, text, cursor: text.length };
}

/** To the next line of the text, at about the same column, or on to the history. */
function moveLine(state: EditState, step: -1 | 1): void {
  const { text, cursor } = state.buffer;
  const lines = text.split('\n');
  const line = text.slice(0, cursor).split('\n').length - 1;
  const target = lines[line + step];
  if (target === undefined) return show(state, state.at + step);
  const start = (index: number) => lines.slice(0, index).reduce((sum, each) => sum + each.length + 1, 0);
  const moved = start(line + step) + Math.min(cursor - start(line), target.length);
  // By way of an insertion of nothing, the cursor does not end up inside a character.
  state.buffer = insertText({ ...state.buffer, cursor: moved }, '');
}

export function edit(state: EditState, next: EditBuffer): void {
  if (next.text !== state.buffer.text) state.undo = [...state.undo.slice(1 - MOST_UNDO), state.buffer];
  state.buffer = next;
}

/** The message, or undefined where a backslash before the cursor, or at the end, asks for another line. */
function submit(state: EditState): string | undefined {
  const { text, cursor } = state.buffer;
  const end = [cursor, text.length].find((at) => /(?<!\\)(\\\\)*\\$/.test(text.slice(0, at)));
  if (end !== undefined) {
    edit(state, EDITS.newline(EDITS.deleteLeft({ ...state.buffer, cursor: end })));
    return undefined;
  }
  if (text.trim() !== '' && state.history.at(-1) !== text) state.history = [...state.history.slice(1 - MOST_HISTORY), text];
  clearText(state);
  return text;
}

/** Begins a new message. */
export function clearText(state: EditState): void {
  Object.assign(state, { buffer: { ...EMPTY_BUFFER, killed: state.buffer.killed }, undo: [], at: state.history.length, draft: '' });
}

/** @param lines messages of earlier chats, oldest first */
export function newEdit(lines: readonly string[] = []): EditState {
  return { buffer: EMPTY_BUFFER, undo: [], history: [...lines], at: lines.length, draft: '' };
}

export type EditAction = EditName | 'submit' | 'up' | 'down' | 'previous' | 'next' | 'undo';

/** @returns the message that Enter sends; undefined for other keys, and where Enter begins a line */
export function press(state: EditState, action: EditAction): string | undefined {
  switch (action) {
    case 'submit':
      return submit(state);
    case 'up':
    case 'down':
      moveLine(state, action === 'up' ? -1 : 1);
      return undefined;
    case 'previous':
    case 'next':
      show(state, state.at + (action === 'previous' ? -1 : 1));
      return undefined;
    case 'undo':
      state.buffer = state.undo.pop() ?? state.buffer;
      return undefined;
    default:
      edit(state, EDITS[action](state.buffer));
      return undefined;
  }
}
