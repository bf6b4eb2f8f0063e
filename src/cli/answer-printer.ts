/** Prints an answer as it streams: thinking dimmed, or marked in words where there is no colour; wrapped at words on a terminal. */
import type { FinalPiece, Piece } from '../engine/api.ts';
import { createReasoningParser } from '../text/reasoning-parser.ts';
import type { AnswerPart } from '../text/reasoning-parser.ts';
import { withoutControls } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { createWordWrapper } from './word-wrapper.ts';

export interface AnswerPrinter {
  /** Pieces of one answer, in order. */
  push(piece: Pick<Piece, 'text' | 'thinkingOpened'>): void;
  /** Prints what was held back and ends the line; safe to call twice. */
  end(): void;
}

export interface AnswerPrinterOptions {
  readonly answer: Terminal;
  /** Where thinking goes; may be the same terminal. */
  readonly thinking: Terminal;
}

/** Text of one kind on its way to a stream. */
interface Sink {
  push(text: string): void;
  flush(): void;
  isAtLineStart(): boolean;
}

type Write = (text: string) => void;

function plainSink(write: Write): Sink {
  let last = '\n';
  return {
    push(text) {
      write(text);
      last = text.at(-1) ?? last;
    },
    flush: () => {},
    isAtLineStart: () => last === '\n',
  };
}

function screenSink(terminal: Terminal, write: Write): Sink {
  const wrapper = createWordWrapper({ columns: terminal.columns, write });
  return { ...wrapper, push: (text) => wrapper.push(withoutControls(text)) };
}

/** What each kind is written through. Where both are on the screen they share its line, and so one sink. */
function openSinks({
  answer,
  thinking,
}: AnswerPrinterOptions): Readonly<Record<AnswerPart['kind'], Sink>> & { switchTo(kind: AnswerPart['kind']): void } {
  const writeAs = { answer: (text: string) => answer.write(text), thinking: (text: string) => thinking.write(thinking.dim(text)) };
  if (answer.isTty && thinking.isTty) {
    let kind: AnswerPart['kind'] = 'answer';
    const shared = screenSink(answer, (text) => writeAs[kind](text));
    return { answer: shared, thinking: shared, switchTo: (next) => void (kind = next) };
  }
  const sinkOf = (terminal: Terminal, write: Write) => (terminal.isTty ? screenSink(terminal, write) : plainSink(write));
  return { answer: sinkOf(answer, writeAs.answer), thinking: sinkOf(thinking, writeAs.thinking), switchTo: () => {} };
}

export function createAnswerPrinter(options: AnswerPrinterOptions): AnswerPrinter {
  const { thinking } = options;
  const sinks = openSinks(options);
  let last: AnswerPart['kind'] | undefined;
  /** Made at the first piece, which says whether the prompt opened the thinking. */
  let parser: ReturnType<typeof createReasoningParser> | undefined;
  let isEnded = false;
  const print = ({ kind, text }: AnswerPart) => {
    if (kind !== last) {
      if (last !== undefined) sinks[last].flush();
      if (last === 'thinking') sinks.thinking.push('\n\n');
      sinks.switchTo(kind);
      if (kind === 'thinking' && !thinking.hasColour) sinks.thinking.push('(thinking) ');
    }
    sinks[kind].push(text);
    last = kind;
  };
  return {
    push({ text, thinkingOpened }) {
      parser ??= createReasoningParser({ opened: thinkingOpened });
      parser.push(text).forEach(print);
    },
    end() {
      if (isEnded) return;
      isEnded = true;
      parser?.flush().forEach(print);
      if (last === undefined) return;
      sinks[last].flush();
      if (!sinks[last].isAtLineStart()) sinks[last].push('\n');
    },
  };
}

/** Reads a generation to its last piece; `onText` gets those with a text. */
export async function streamAnswer(generation: AsyncIterable<Piece>, onText: (piece: Piece) => void): Promise<FinalPiece> {
  for await (const piece of generation) {
    if (piece.text !== '') onText(piece);
    if (piece.finishReason !== undefined) return piece;
  }
  throw new Error('The generation ended without a last piece.');
}
