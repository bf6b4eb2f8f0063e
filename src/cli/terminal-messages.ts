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
  complete(text: string): string | undefined;
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
function createConversationKeys({ input, output, complete }: TerminalMessagesOptions) {
  const state = newEdit();
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
  const act = (action: Exclude<KeyAction, 'interrupt'>) => {
    switch (action) {
      case 'end':
        return state.buffer.text === '' ? end() : edit(state, EDITS.deleteRight(state.buffer));
      case 'suspend':
        return suspend();
      case 'clear':
        return void (queue.isWaiting() && painter.clearScreen());
      case 'complete': {
        const text = complete(state.buffer.text);
        return void (text !== undefined && edit(state, { ...state.buffer, text, cursor: text.length }));
      }
      default: {
        const { buffer } = state;
        const text = press(state, action);
        if (text === undefined) return;
        finish(buffer);
        queue.emit({ text });
      }
    }
  };
  return {
    painter, terminal, queue, paint, interrupt, end,
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
      act(action);
      paint();
    },
  };
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
    close() {
      input.off('data', onData).off('end', onEnd).off('error', onEnd);
      output.off('resize', keys.resize);
      if (queue.isWaiting()) painter.leave();
      terminal.close();
    },
  };
}
