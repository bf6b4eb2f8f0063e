/** Prints an answer as it streams: thinking dimmed, or marked in words where there is no colour. */
import type { FinalPiece, Piece } from '../engine/api.ts';
import { formatDuration, formatRate, plural } from './quantities.ts';
import { createThinkingSplitter } from './thinking-splitter.ts';
import type { AnswerPart } from './thinking-splitter.ts';
import { withoutControls } from './terminal.ts';
import type { Terminal } from './terminal.ts';

export interface AnswerPrinter {
  push(text: string): void;
  /** Prints what was held back and ends the line; safe to call twice. */
  end(): void;
}

export interface AnswerPrinterOptions {
  readonly answer: Terminal;
  /** Where thinking goes; may be the same terminal. */
  readonly thinking: Terminal;
}

export function createAnswerPrinter({ answer, thinking }: AnswerPrinterOptions): AnswerPrinter {
  const splitter = createThinkingSplitter();
  let last: AnswerPart['kind'] | undefined;
  let atLineStart = true;
  let isEnded = false;
  const print = ({ kind, text: raw }: AnswerPart) => {
    const text = answer.isTty || thinking.isTty ? withoutControls(raw) : raw;
    if (kind === 'thinking') {
      if (last === undefined && !thinking.hasColour) thinking.write('(thinking) ');
      thinking.write(thinking.dim(text));
    } else {
      if (last === 'thinking') thinking.write('\n\n');
      answer.write(text);
    }
    last = kind;
    atLineStart = text.endsWith('\n');
  };
  return {
    push: (text) => splitter.push(text).forEach(print),
    end() {
      if (isEnded) return;
      isEnded = true;
      splitter.flush().forEach(print);
      if (last !== undefined && !atLineStart) (last === 'thinking' ? thinking : answer).write('\n');
    },
  };
}

/** Reads a generation through `onText` to its last piece. */
export async function streamAnswer(generation: AsyncIterable<Piece>, onText: (text: string) => void): Promise<FinalPiece> {
  for await (const piece of generation) {
    if (piece.text !== '') onText(piece.text);
    if (piece.finishReason !== undefined) return piece;
  }
  throw new Error('The generation ended without a last piece.');
}

/** `cpu (2 threads, relaxed SIMD) | 15 prompt tokens | TTFT 23 ms | prefill 650 tok/s | 120 tokens | decode 615 tok/s` */
export function figuresLine(device: string, { usage, timings, finishReason, stopText }: FinalPiece): string {
  const cached = usage.cachedTokens > 0 ? ` (${usage.cachedTokens} cached)` : '';
  const parts = [
    device,
    `${plural(usage.promptTokens, 'prompt token')}${cached}`,
    `TTFT ${formatDuration(timings.ttftMs)}`,
    `prefill ${formatRate(timings.prefillTokensPerSecond)} tok/s`,
    plural(usage.completionTokens, 'token'),
    ...(usage.completionTokens > 1 ? [`decode ${formatRate(timings.decodeTokensPerSecond)} tok/s`] : []),
    ...(finishReason === 'length' ? ['cut at the limit of tokens'] : finishReason === 'context' ? ['the context is full'] : stopText === undefined ? [] : ['ended at a stop text']),
  ];
  return parts.join(' | ');
}
