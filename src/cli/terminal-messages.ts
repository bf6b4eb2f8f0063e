/** Messages that a person types at a terminal, with editing over several lines and a history. */
import { EDITS, insertText } from './edit-buffer.ts';
import type { KeyAction } from './edit-keys.ts';
import { createEditPainter } from './edit-painter.ts';
import { createKeyReader } from './key-reader.ts';
import { clearText, edit, newEdit, press } from './message-edit.ts';
import { LEAVE_HINT } from './message-source.ts';
import type { MessageEvent, MessageSource } from './message-source.ts';
import { createRawTerminal } from './raw-terminal.ts';
import type { TerminalStreams } from './raw-terminal.ts';
import { createTerminal } from './terminal.ts';

export interface TerminalMessagesOptions extends TerminalStreams {
  /** What Tab makes of a text; undefined leaves it. */
  complete(text: string): Promise<{ readonly text: string; readonly candidates: readonly string[] } | undefined>;
  /** Messages of earlier chats, for Up; oldest first. */
  readonly lines?: readonly string[] | undefined;
  /** Called with each message that is sent. */
  readonly onLine?: ((text: string) => void) | undefined;
  /** The user's editor, for a text; throws where it fails. The terminal is its own meanwhile. */
  edit(text: string): string;
}

interface EventQueue {
  /** Somebody waits for an event: the prompt is on the screen. */
  isWaiting(): boolean;
  /** The input has ended; no event follows. */
  isEnded(): boolean;
  emit(event: MessageEvent): void;
  /** An event that came before it was asked for; false where there is none. */
  early(): MessageEvent | false;
  wait(): Promise<MessageEvent>;
}

function createEventQueue(): EventQueue {
  const events: MessageEvent[] = [];
  let taker: ((event: MessageEvent) => void) | undefined;
  let isEnded = false;
  return {
    isWaiting: () => taker !== undefined,
    isEnded: () => isEnded,
    emit(event) {
      isEnded ||= event === undefined;
      const take = taker ?? ((early: MessageEvent) => void events.push(early));
      taker = undefined;
      take(event);
    },
    early: () => (events.length > 0 ? events.shift() : isEnded ? undefined : false),
    wait: () => new Promise((resolve) => (taker = resolve)),
  };
}

/** What keys do: to the text, to the screen, and to those who wait for a message. */
function createConversationKeys({ input, output, complete, lines, onLine, edit: editText }: TerminalMessagesOptions) {
  const state = newEdit(lines);
  const painter = createEditPainter(createTerminal(output), () => output.rows || 24);
  const terminal = createRawTerminal({ input, output });
  const queue = createEventQueue();
  /** Ctrl-C was pressed, and nothing since. */
  let isLeaving = false;
  let interrupted: (() => void) | undefined;
  const paint = (note = '') => void (queue.isWaiting() && painter.paint(state.buffer, note));
  const finish = (buffer = state.buffer) => void (queue.isWaiting() && painter.finish(buffer));
  const interrupt = () => {
    if (!queue.isWaiting()) return interrupted?.();
    if (isLeaving && state.buffer.text === '') {
      finish();
      return queue.emit('leave');
    }
    clearText(state);
    isLeaving = true;
    paint(LEAVE_HINT);
  };
  const suspend = () => {
    if (process.platform === 'win32') return;
    if (queue.isWaiting()) painter.leave();
    terminal.restore();
    process.once('SIGCONT', () => {
      terminal.enter();
      paint();
    });
    // The whole group, as the terminal itself would do it: `npm start` waits above this process.
    process.kill(0, 'SIGTSTP');
  };
  const end = () => {
    finish();
    if (!queue.isEnded()) queue.emit(undefined);
  };
  const lend = <Result>(work: () => Result): Result => {
    terminal.restore();
    try {
      return work();
    } finally {
      terminal.enter();
    }
  };
  const openEditor = () => {
    if (!queue.isWaiting()) return;
    painter.leave();
    try {
      const text = lend(() => editText(state.buffer.text));
      edit(state, { ...state.buffer, text, cursor: text.length });
    } catch (error) {
      note = (error as Error).message;
    }
  };
  /** Nothing, where the text has become another meanwhile. */
  const completeText = async () => {
    const { text } = state.buffer;
    const found = await complete(text).catch(() => undefined);
    if (found === undefined || state.buffer.text !== text) return;
    if (found.text !== text) edit(state, { ...state.buffer, text: found.text, cursor: found.text.length });
    paint(columnsOf(found.candidates, createTerminal(output).columns() - 1));
  };
  /** Told under the text with the next painting. */
  let note = '';
  const act = (action: Exclude<KeyAction, 'interrupt'>) => {
    switch (action) {
      case 'end':
        return state.buffer.text === '' ? end() : edit(state, EDITS.deleteRight(state.buffer));
      case 'suspend':
        return suspend();
      case 'clear':
        return void (queue.isWaiting() && painter.clearScreen());
      case 'complete':
        return void completeText();
      case 'editor':
        return openEditor();
      default: {
        const { buffer } = state;
        const text = press(state, action);
        if (text === undefined) return;
        finish(buffer);
        if (text.trim() !== '') onLine?.(text);
        queue.emit({ text });
      }
    }
  };
  return {
    painter, terminal, queue, paint, interrupt, end, lend,
    onInterrupt: (listener: (() => void) | undefined) => void (interrupted = listener),
    /** A prompt begins anew. */
    begin: () => void (isLeaving = false),
    resize: () => void (queue.isWaiting() && painter.resize(state.buffer)),
    onText(text: string) {
      isLeaving = false;
      edit(state, insertText(state.buffer, text));
      paint();
    },
    onAction(action: KeyAction) {
      if (queue.isEnded()) return;
      if (action === 'interrupt') return interrupt();
      isLeaving = false;
      note = '';
      act(action);
      paint(note);
    },
  };
}

const MOST_NOTE_ROWS = 6;

/** Words side by side, as many rows as there is room for; how many are left out is said. */
function columnsOf(words: readonly string[], columns: number): string {
  const width = Math.min(columns, Math.max(0, ...words.map((word) => word.length)) + 2);
  const each = Math.max(1, Math.floor(columns / width));
  const most = each * MOST_NOTE_ROWS;
  const shown = words.length > most ? [...words.slice(0, most - 1), `... ${words.length - most + 1} more`] : words;
  const rows = Array.from({ length: Math.ceil(shown.length / each) }, (_, row) => shown.slice(row * each, (row + 1) * each));
  return rows.map((row) => row.map((word) => word.padEnd(width)).join('').trimEnd()).join('\n');
}

/**
 * Keys are read in raw mode until `close`, also while an answer runs: what is typed then is kept for the next message, unseen.
 * The terminal gets its mode back however the process ends, short of SIGKILL.
 */
export function openTerminalMessages(options: TerminalMessagesOptions): MessageSource {
  const { input, output } = options;
  const keys = createConversationKeys(options);
  const { queue, painter, terminal } = keys;
  const reader = createKeyReader(keys);
  const onData = (chunk: Buffer) => reader.take(chunk);
  const onEnd = () => {
    reader.flush();
    keys.end();
  };
  terminal.enter();
  input.on('data', onData).on('end', onEnd).on('error', onEnd);
  output.on('resize', keys.resize);
  return {
    async next() {
      const early = queue.early();
      if (early !== false) {
        if (typeof early === 'object') painter.echo(early.text);
        return early;
      }
      keys.begin();
      const event = queue.wait();
      keys.paint();
      return event;
    },
    onInterrupt: keys.onInterrupt,
    interrupt: keys.interrupt,
    lend: keys.lend,
    close() {
      input.off('data', onData).off('end', onEnd).off('error', onEnd);
      output.off('resize', keys.resize);
      if (queue.isWaiting()) painter.leave();
      terminal.close();
    },
  };
}
