/** Lines that a person types, or that a pipe holds. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

export interface LineSource {
  /** The next line; undefined at the end of the input; `interrupt` where Ctrl-C was pressed instead. */
  next(prompt: string): Promise<string | 'interrupt' | undefined>;
  /** Called on Ctrl-C while no line is being asked for. */
  onInterrupt(listener: (() => void) | undefined): void;
  close(): void;
}

export interface LineStreams {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

type Line = { readonly text: string };
type LineEvent = Line | 'interrupt' | undefined;

/**
 * On a terminal with line editing and history; what is typed while an answer runs is kept for the next line, unseen.
 * Lines of a pipe come one by one, without a prompt.
 */
export function openLineSource({ input, output }: LineStreams): LineSource {
  const isTerminal = input.isTTY && output.isTTY;
  const screen = mutedScreen(output);
  const lines = createInterface({ input, output: isTerminal ? screen.stream : undefined, terminal: isTerminal, historySize: 500 });
  const events: LineEvent[] = [];
  let waiting: ((event: LineEvent) => void) | undefined;
  let interrupted: (() => void) | undefined;
  let isClosed = false;
  const emit = (event: LineEvent) => {
    const taker = waiting;
    waiting = undefined;
    if (taker !== undefined) taker(event);
    else if (event !== undefined) events.push(event);
  };
  lines.on('line', (text) => emit({ text }));
  lines.on('SIGINT', () => (waiting === undefined ? interrupted?.() : emit('interrupt')));
  lines.on('close', () => {
    isClosed = true;
    emit(undefined);
  });
  return {
    async next(prompt) {
      screen.show(true);
      if (isTerminal && !isClosed) {
        lines.setPrompt(prompt);
        lines.prompt(true);
      }
      const event = events.shift() ?? (isClosed ? undefined : await new Promise<LineEvent>((resolve) => (waiting = resolve)));
      screen.show(false);
      return typeof event === 'object' ? event.text : event;
    },
    onInterrupt(listener) {
      interrupted = listener;
    },
    close: () => lines.close(),
  };
}

/** A stream that readline may draw to only while a line is asked for. */
function mutedScreen(output: NodeJS.WriteStream): { readonly stream: Writable; show(isShown: boolean): void } {
  let isShown = false;
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      if (isShown) output.write(chunk);
      done();
    },
  });
  Object.defineProperty(stream, 'columns', { get: () => output.columns });
  output.on('resize', () => stream.emit('resize'));
  return { stream, show: (wanted) => void (isShown = wanted) };
}
