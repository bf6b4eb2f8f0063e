/**
 * Prints an answer as it streams: thinking dimmed, or marked in words where there is no colour; tool calls on lines of their own; wrapped
 * at words on a terminal, and its markdown shown by styles there.
 */
import type { FinalPiece, Piece } from '../engine/api.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import { createMarkdownStyler, withSequences } from './markdown-styles.ts';
import { withoutControls } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { createWordWrapper } from './word-wrapper.ts';

export interface AnswerPrinter {
  /** Pieces of one answer, in order. */
  push(piece: Pick<Piece, 'parts'>): void;
  /** Prints what was held back and ends the line; safe to call twice. */
  end(): void;
}

export interface AnswerPrinterOptions {
  readonly answer: Terminal;
  /** Where thinking goes; may be the same terminal. */
  readonly thinking: Terminal;
  /** The answer as the model writes it, with its marks of markdown. Default: styles in their place, on a terminal that has colours. */
  readonly isPlain?: boolean | undefined;
}

/** Calls are part of the answer. */
type SinkName = 'answer' | 'thinking';

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
  return createWordWrapper({ columns: terminal.columns, write });
}

/** What each kind is written through. Where both are on the screen they share its line, and so one sink. */
function openSinks({
  answer,
  thinking,
}: AnswerPrinterOptions): Readonly<Record<SinkName, Sink>> & { switchTo(kind: SinkName): void } {
  const writeAs = {
    answer: (text: string) => answer.write(answer.isTty ? withSequences(text) : text),
    thinking: (text: string) => thinking.write(thinking.dim(text)),
  };
  if (answer.isTty && thinking.isTty) {
    let kind: SinkName = 'answer';
    const shared = screenSink(answer, (text) => writeAs[kind](text));
    return { answer: shared, thinking: shared, switchTo: (next) => void (kind = next) };
  }
  const sinkOf = (terminal: Terminal, write: Write) => (terminal.isTty ? screenSink(terminal, write) : plainSink(write));
  return { answer: sinkOf(answer, writeAs.answer), thinking: sinkOf(thinking, writeAs.thinking), switchTo: () => {} };
}

/** A call as it is shown, `get_weather({"city": "Paris"})`: what a part adds to it. */
function callText(part: Extract<AnswerPart, { readonly kind: 'toolCall' }>): string {
  switch (part.phase) {
    case 'start':
      return `${part.name}(`;
    case 'arguments':
      return part.text;
    case 'end':
      return ')\n';
    default:
      throw new Error(`answer printer: unknown part ${JSON.stringify(part satisfies never)}`);
  }
}

export function createAnswerPrinter(options: AnswerPrinterOptions): AnswerPrinter {
  const { thinking, answer, isPlain = false } = options;
  const sinks = openSinks(options);
  const styler = !isPlain && answer.isTty && answer.hasColour ? createMarkdownStyler() : undefined;
  let last: SinkName | undefined;
  let isEnded = false;
  const clean = (kind: SinkName, text: string) => (options[kind].isTty ? withoutControls(text) : text);
  /** @param text without what would move the cursor: an answer's styles are marks among the controls */
  const print = (kind: SinkName, text: string) => {
    if (kind !== last) {
      if (last !== undefined) sinks[last].flush();
      if (last === 'thinking') sinks.thinking.push('\n\n');
      sinks.switchTo(kind);
      if (kind === 'thinking' && !thinking.hasColour) sinks.thinking.push('(thinking) ');
    }
    sinks[kind].push(text);
    last = kind;
  };
  /** What the styler holds back ends where something else begins. */
  const endText = () => {
    const rest = styler?.flush() ?? '';
    if (rest !== '') print('answer', rest);
  };
  const printPart = (part: AnswerPart) => {
    if (part.kind !== 'text') endText();
    if (part.kind === 'toolCall') {
      if (part.phase === 'start' && last === 'answer' && !sinks.answer.isAtLineStart()) print('answer', '\n');
      print('answer', clean('answer', callText(part)));
    } else if (part.kind === 'reasoning') {
      if (part.text !== '') print('thinking', clean('thinking', part.text));
    } else {
      const cleaned = clean('answer', part.text);
      const text = styler === undefined ? cleaned : styler.push(cleaned);
      if (text !== '') print('answer', text);
    }
  };
  return {
    push: ({ parts }) => parts.forEach(printPart),
    end() {
      if (isEnded) return;
      isEnded = true;
      endText();
      if (last === undefined) return;
      sinks[last].flush();
      if (!sinks[last].isAtLineStart()) sinks[last].push('\n');
    },
  };
}

/** Reads a generation to its last piece; `onParts` gets those with parts. */
export async function streamAnswer(generation: AsyncIterable<Piece>, onParts: (piece: Piece) => void): Promise<FinalPiece> {
  for await (const piece of generation) {
    if (piece.parts.length > 0) onParts(piece);
    if (piece.finishReason !== undefined) return piece;
  }
  throw new Error('The generation ended without a last piece.');
}
