/** Messages that a person types at a terminal, with editing over several lines and a history. */
import { EDITS, EMPTY_BUFFER, insertText } from './edit-buffer.ts';
import type { EditBuffer } from './edit-buffer.ts';
import type { KeyAction } from './edit-keys.ts';
import { createEditPainter } from './edit-painter.ts';
import { createKeyReader } from './key-reader.ts';
import { LEAVE_HINT } from './message-source.ts';
import type { MessageEvent, MessageSource } from './message-source.ts';
import { createTerminal } from './terminal.ts';

export interface TerminalMessagesOptions {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  /** What Tab makes of a text; undefined leaves it. */
  complete(text: string): string | undefined;
}

const MOST_HISTORY = 500;
const MOST_UNDO = 200;

interface EditState {
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

function edit(state: EditState, next: EditBuffer): void {
  if (next.text !== state.buffer.text) state.undo = [...state.undo.slice(1 - MOST_UNDO), state.buffer];
  state.buffer = next;
}

/** The message, or undefined where a backslash at the end asks for another line. */
function submit(state: EditState): string | undefined {
  const { text, killed } = state.buffer;
  if (/(?<!\\)(\\\\)*\\$/.test(text)) {
    const broken = `${text.slice(0, -1)}\n`;
    edit(state, { text: broken, cursor: broken.length, killed });
    return undefined;
  }
  if (text.trim() !== '' && state.history.at(-1) !== text) state.history = [...state.history.slice(1 - MOST_HISTORY), text];
  clearText(state);
  return text;
}

function clearText(state: EditState): void {
  Object.assign(state, { buffer: { ...EMPTY_BUFFER, killed: state.buffer.killed }, undo: [], at: state.history.length, draft: '' });
}

/**
 * Keys are read in raw mode until `close`, also while an answer runs: what is typed then is kept for the next message, unseen.
 * The terminal gets its mode back however the process ends, short of SIGKILL.
 */
export function openTerminalMessages({ input, output, complete }: TerminalMessagesOptions): MessageSource {
  const state: EditState = { buffer: EMPTY_BUFFER, undo: [], history: [], at: 0, draft: '' };
  const painter = createEditPainter(createTerminal(output), () => output.rows || 24);
  const events: MessageEvent[] = [];
  let waiting: ((event: MessageEvent) => void) | undefined;
  let interrupted: (() => void) | undefined;
  let isEnded = false;
  /** Ctrl-C was pressed, and nothing since. */
  let isLeaving = false;
  const paint = (note = '') => void (waiting !== undefined && painter.paint(state.buffer, note));
  const emit = (event: MessageEvent) => {
    isEnded ||= event === undefined;
    const taker = waiting;
    waiting = undefined;
    if (taker === undefined) events.push(event);
    else taker(event);
  };
  const interrupt = () => {
    if (waiting === undefined) return interrupted?.();
    if (isLeaving && state.buffer.text === '') {
      painter.finish(state.buffer);
      return emit('leave');
    }
    clearText(state);
    isLeaving = true;
    paint(LEAVE_HINT);
  };
  const act = (action: KeyAction) => {
    switch (action) {
      case 'interrupt':
        return interrupt();
      case 'submit': {
        const { buffer } = state;
        const text = submit(state);
        if (text === undefined) return;
        if (waiting !== undefined) painter.finish(buffer);
        return emit({ text });
      }
      case 'end':
        if (state.buffer.text !== '') return edit(state, EDITS.deleteRight(state.buffer));
        if (waiting !== undefined) painter.finish(state.buffer);
        return emit(undefined);
      case 'suspend':
        return suspend();
      case 'up':
        return moveLine(state, -1);
      case 'down':
        return moveLine(state, 1);
      case 'previous':
        return show(state, state.at - 1);
      case 'next':
        return show(state, state.at + 1);
      case 'undo':
        state.buffer = state.undo.pop() ?? state.buffer;
        return;
      case 'clear':
        return void (waiting !== undefined && painter.clearScreen());
      case 'complete': {
        const text = complete(state.buffer.text);
        if (text !== undefined) edit(state, { ...state.buffer, text, cursor: text.length });
        return;
      }
      default:
        return edit(state, EDITS[action](state.buffer));
    }
  };
  const reader = createKeyReader({
    onText(text) {
      isLeaving = false;
      edit(state, insertText(state.buffer, text));
      paint();
    },
    onAction(action) {
      if (isEnded) return;
      if (action !== 'interrupt') isLeaving = false;
      act(action);
      if (action !== 'interrupt') paint();
    },
  });
  const terminal = rawTerminal({ input, output });
  const suspend = () => {
    if (process.platform === 'win32') return;
    if (waiting !== undefined) painter.leave();
    terminal.restore();
    process.once('SIGCONT', () => {
      terminal.enter();
      paint();
    });
    // The whole group, as the terminal itself would do it: `npm start` waits above this process.
    process.kill(0, 'SIGTSTP');
  };
  const onData = (chunk: Buffer) => reader.take(chunk);
  const onEnd = () => {
    reader.flush();
    if (!isEnded) emit(undefined);
  };
  const onResize = () => void (waiting !== undefined && painter.resize(state.buffer));
  terminal.enter();
  input.on('data', onData).on('end', onEnd).on('error', onEnd);
  output.on('resize', onResize);
  return {
    next: () => {
      if (events.length > 0) {
        const event = events.shift();
        if (typeof event === 'object') painter.echo(event.text);
        return Promise.resolve(event);
      }
      if (isEnded) return Promise.resolve(undefined);
      isLeaving = false;
      return new Promise((resolve) => {
        waiting = resolve;
        paint();
      });
    },
    onInterrupt: (listener) => void (interrupted = listener),
    interrupt,
    close() {
      input.off('data', onData).off('end', onEnd).off('error', onEnd);
      output.off('resize', onResize);
      if (waiting !== undefined) painter.leave();
      terminal.close();
    },
  };
}

const PASTE_MARKS_ON = '\u001b[?2004h';
const PASTE_MARKS_OFF = '\u001b[?2004l';

/** Raw mode with marks around what is pasted, taken back at the latest when the process exits. */
function rawTerminal({ input, output }: Pick<TerminalMessagesOptions, 'input' | 'output'>): { enter(): void; restore(): void; close(): void } {
  let isRaw = false;
  const restore = () => {
    if (!isRaw) return;
    isRaw = false;
    output.write(PASTE_MARKS_OFF);
    input.setRawMode(false);
  };
  const enter = () => {
    isRaw = true;
    input.setRawMode(true);
    input.resume();
    output.write(PASTE_MARKS_ON);
  };
  process.on('exit', restore);
  return {
    enter,
    restore,
    close() {
      restore();
      input.pause();
      process.off('exit', restore);
    },
  };
}
