/** Which key does what while a message is edited: the keys of readline and of common editors. */
import type { EditName } from './edit-buffer.ts';

/** As `node:readline` names keys. */
export interface Key {
  readonly name?: string | undefined;
  readonly sequence: string;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

export type KeyAction =
  EditName | 'submit' | 'up' | 'down' | 'previous' | 'next' | 'interrupt' | 'end' | 'suspend' | 'clear' | 'undo' | 'complete' | 'editor';

const PLAIN: Readonly<Record<string, KeyAction>> = {
  return: 'submit',
  left: 'left',
  right: 'right',
  up: 'up',
  down: 'down',
  home: 'lineStart',
  end: 'lineEnd',
  backspace: 'deleteLeft',
  delete: 'deleteRight',
  tab: 'complete',
  // Ctrl-J; Enter is `return`.
  enter: 'newline',
};

const CONTROL: Readonly<Record<string, KeyAction>> = {
  a: 'lineStart',
  b: 'left',
  c: 'interrupt',
  d: 'end',
  e: 'lineEnd',
  f: 'right',
  g: 'editor',
  k: 'cutToLineEnd',
  l: 'clear',
  n: 'next',
  p: 'previous',
  u: 'cutToLineStart',
  w: 'cutWordLeft',
  y: 'yank',
  z: 'suspend',
  left: 'wordLeft',
  right: 'wordRight',
  home: 'textStart',
  end: 'textEnd',
  delete: 'cutWordRight',
};

const META: Readonly<Record<string, KeyAction>> = {
  return: 'newline',
  enter: 'newline',
  b: 'wordLeft',
  f: 'wordRight',
  d: 'cutWordRight',
  backspace: 'cutWordLeft',
  left: 'wordLeft',
  right: 'wordRight',
};

/** Sequences that readline has no name for: Shift-Enter where a terminal tells it apart, and Ctrl-_. */
const SEQUENCES: Readonly<Record<string, KeyAction>> = { '\u001b[13;2u': 'newline', '\u001f': 'undo' };

export function keyAction({ name = '', sequence, ctrl, meta }: Key): KeyAction | undefined {
  if (Object.hasOwn(SEQUENCES, sequence)) return SEQUENCES[sequence];
  const table = ctrl ? CONTROL : meta ? META : PLAIN;
  // A letter is typed, not a command, unless a modifier says so.
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
