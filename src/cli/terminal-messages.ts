/** Messages that a person types at a terminal, with editing over several lines and a history. */
import { EDITS, insertText } from './edit-buffer.ts';
import type { KeyAction } from './edit-keys.ts';
import { createEditPainter } from './edit-painter.ts';
import type { EditPainter } from './edit-painter.ts';
import { createKeyReader } from './key-reader.ts';
import { clearText, edit, newEdit, press } from './message-edit.ts';
import type { EditState } from './message-edit.ts';
import { LEAVE_HINT } from './message-source.ts';
import type { MessageEvent, MessageSource } from './message-source.ts';
import { createRawTerminal } from './raw-terminal.ts';
import type { RawTerminal, TerminalStreams } from './raw-terminal.ts';
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
class ConversationKeys {
  readonly painter: EditPainter;
  readonly terminal: RawTerminal;
  readonly queue = createEventQueue();
  /** Called where nobody waits for a message. */
  onInterrupt: (() => void) | undefined;
  readonly #options: TerminalMessagesOptions;
  readonly #state: EditState;
  /** Ctrl-C was pressed, and nothing since. */
  #isLeaving = false;
  /** Told under the text with the next painting. */
  #note = '';

  constructor(options: TerminalMessagesOptions) {
    const { input, output, lines } = options;
    this.#options = options;
    this.#state = newEdit(lines);
    this.painter = createEditPainter(createTerminal(output), () => output.rows || 24);
    this.terminal = createRawTerminal({ input, output });
  }

  /** A prompt begins anew. */
  begin(): void {
    this.#isLeaving = false;
  }

  paint(note = ''): void {
    if (this.queue.isWaiting()) this.painter.paint(this.#state.buffer, note);
  }

  resize(): void {
    if (this.queue.isWaiting()) this.painter.resize(this.#state.buffer);
  }

  #finish(buffer = this.#state.buffer): void {
    if (this.queue.isWaiting()) this.painter.finish(buffer);
  }

  end(): void {
    this.#finish();
    if (!this.queue.isEnded()) this.queue.emit(undefined);
  }

  interrupt(): void {
    if (!this.queue.isWaiting()) return this.onInterrupt?.();
    if (this.#isLeaving && this.#state.buffer.text === '') {
      this.#finish();
      return this.queue.emit('leave');
    }
    clearText(this.#state);
    this.#isLeaving = true;
    this.paint(LEAVE_HINT);
  }

  lend<Result>(work: () => Result): Result {
    this.terminal.restore();
    try {
      return work();
    } finally {
      this.terminal.enter();
    }
  }

  onText(text: string): void {
    this.#isLeaving = false;
    edit(this.#state, insertText(this.#state.buffer, text));
    this.paint();
  }

  onAction(action: KeyAction): void {
    if (this.queue.isEnded()) return;
    if (action === 'interrupt') return this.interrupt();
    this.#isLeaving = false;
    this.#note = '';
    this.#act(action);
    this.paint(this.#note);
  }

  #act(action: Exclude<KeyAction, 'interrupt'>): void {
    const { buffer } = this.#state;
    switch (action) {
      case 'end':
        return buffer.text === '' ? this.end() : edit(this.#state, EDITS.deleteRight(buffer));
      case 'suspend':
        return this.#suspend();
      case 'clear':
        return void (this.queue.isWaiting() && this.painter.clearScreen());
      case 'complete':
        return void this.#complete();
      case 'editor':
        return this.#openEditor();
      default: {
        const text = press(this.#state, action);
        if (text === undefined) return;
        this.#finish(buffer);
        if (text.trim() !== '') this.#options.onLine?.(text);
        this.queue.emit({ text });
      }
    }
  }

  #suspend(): void {
    if (process.platform === 'win32') return;
    if (this.queue.isWaiting()) this.painter.leave();
    this.terminal.restore();
    process.once('SIGCONT', () => {
      this.terminal.enter();
      this.paint();
    });
    // The whole group, as the terminal itself would do it: `npm start` waits above this process.
    process.kill(0, 'SIGTSTP');
  }

  #openEditor(): void {
    if (!this.queue.isWaiting()) return;
    this.painter.leave();
    try {
      this.#replace(this.lend(() => this.#options.edit(this.#state.buffer.text)));
    } catch (error) {
      this.#note = (error as Error).message;
    }
  }

  /** Nothing, where the text has become another meanwhile. */
  async #complete(): Promise<void> {
    const { text } = this.#state.buffer;
    const found = await this.#options.complete(text).catch(() => undefined);
    if (found === undefined || this.#state.buffer.text !== text) return;
    if (found.text !== text) this.#replace(found.text);
    this.paint(columnsOf(found.candidates, createTerminal(this.#options.output).columns() - 1));
  }

  #replace(text: string): void {
    edit(this.#state, { ...this.#state.buffer, text, cursor: text.length });
  }
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
  const keys = new ConversationKeys(options);
  const { queue, painter, terminal } = keys;
  const reader = createKeyReader({ onText: (text) => keys.onText(text), onAction: (action) => keys.onAction(action) });
  const onData = (chunk: Buffer) => reader.take(chunk);
  const onEnd = () => {
    reader.flush();
    keys.end();
  };
  terminal.enter();
  input.on('data', onData).on('end', onEnd).on('error', onEnd);
  const onResize = () => keys.resize();
  output.on('resize', onResize);
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
    onInterrupt: (listener) => void (keys.onInterrupt = listener),
    interrupt: () => keys.interrupt(),
    lend: (work) => keys.lend(work),
    close() {
      input.off('data', onData).off('end', onEnd).off('error', onEnd);
      output.off('resize', onResize);
      if (queue.isWaiting()) painter.leave();
      terminal.close();
    },
  };
}
