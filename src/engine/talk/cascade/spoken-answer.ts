/**
 * An answer of a model of text, spoken while it is written: each sentence goes to the voice as soon as it is whole, and the model writes
 * on meanwhile. The voice makes a sentence ahead of what is taken of it, no more.
 */
import type { CancelSignal } from '../../../tensor/platform.ts';
import { createSentenceStream } from '../../../text/speech/sentence-stream.ts';
import { hasWords } from '../../../text/speech/sentences.ts';
import type { Generation, Piece } from '../../api.ts';
import type { SpeakOptions, VoiceModel } from '../../speech/voice-model.ts';
import type { AnswerPiece, AnswerUsage } from '../live/answerer.ts';
import { createPieceQueue } from './piece-queue.ts';
import type { PieceQueue } from './piece-queue.ts';
import { createSpokenMarks } from './spoken-marks.ts';

export interface SpokenAnswerOptions {
  /** Begins the answer; aborts with the signal. */
  readonly write: (signal: CancelSignal) => Generation;
  /** Undefined for an answer of text alone. */
  readonly voice: VoiceModel | undefined;
  readonly speaking: Pick<SpeakOptions, 'voice' | 'speed' | 'seed'>;
  readonly signal: CancelSignal;
  /** Told of each piece of the model's as it comes. */
  readonly onPiece?: ((piece: Piece) => void) | undefined;
}

type EndPiece = Extract<AnswerPiece, { kind: 'end' }>;

/** Leaving the loop stops model and voice. The last piece comes when both are done. */
export async function* spokenAnswer(options: SpokenAnswerOptions): AsyncGenerator<AnswerPiece> {
  const answer = new SpokenAnswer(options);
  try {
    yield* answer.pieces();
  } finally {
    await answer.stop();
  }
}

class SpokenAnswer {
  readonly #options: SpokenAnswerOptions;
  readonly #controller = new AbortController();
  readonly #out: PieceQueue<AnswerPiece> = createPieceQueue();
  readonly #sentences: PieceQueue<string> = createPieceQueue();
  readonly #work: Promise<unknown>;
  #written = '';
  #end: EndPiece | undefined;
  /** Pieces of speech that nobody has taken yet. */
  #waiting = 0;
  #wakeVoice = (): void => {};

  constructor(options: SpokenAnswerOptions) {
    this.#options = options;
    const onAbort = (): void => this.#fail(options.signal.reason);
    options.signal.addEventListener('abort', onAbort);
    if (options.signal.aborted) onAbort();
    this.#work = Promise.all([this.#write(), this.#speak()])
      .then(() => {
        this.#out.push(this.#end!);
        this.#out.end();
      }, (error: unknown) => this.#fail(error))
      .finally(() => options.signal.removeEventListener('abort', onAbort));
  }

  async *pieces(): AsyncGenerator<AnswerPiece> {
    for await (const piece of this.#out.read()) {
      if (piece.kind === 'audio') {
        this.#waiting--;
        this.#wakeVoice();
      }
      yield piece;
    }
  }

  #fail(reason: unknown): void {
    this.#out.end({ reason });
    this.#sentences.end();
    this.#controller.abort(reason);
    this.#wakeVoice();
  }

  async stop(): Promise<void> {
    this.#fail(new Error('nobody listens'));
    await this.#work;
  }

  async #write(): Promise<void> {
    const stream = createSentenceStream();
    for await (const piece of this.#options.write(this.#controller.signal)) {
      this.#options.onPiece?.(piece);
      for (const part of piece.parts) {
        if (part.kind === 'toolCall') this.#out.push({ kind: 'tool-call', part });
        // What is thought is not said.
        if (part.kind !== 'text' || part.text === '') continue;
        this.#written += part.text;
        this.#out.push({ kind: 'text', text: part.text });
        for (const sentence of stream.push(part.text)) this.#sentences.push(sentence);
      }
      if (piece.finishReason === undefined) continue;
      const { promptTokens: inputTokens, cachedTokens, completionTokens: textTokens } = piece.usage;
      const usage: AnswerUsage = { inputTokens, cachedTokens, textTokens, heardTokens: 0 };
      this.#end = { kind: 'end', reason: piece.finishReason, usage };
    }
    for (const sentence of stream.end()) this.#sentences.push(sentence);
    this.#sentences.end();
  }

  async #speak(): Promise<void> {
    const { voice, speaking } = this.#options;
    const marks = createSpokenMarks(voice?.info.sampleRate ?? 1);
    const { signal } = this.#controller;
    for await (const sentence of this.#sentences.read()) {
      if (voice === undefined || !hasWords(sentence)) continue;
      for await (const piece of voice.speak(sentence, { ...speaking, signal })) {
        this.#waiting++;
        this.#out.push({ kind: 'audio', samples: piece.samples, marks: marks.push(this.#written, piece, sentence) });
        while (this.#waiting > 1 && !signal.aborted) await new Promise<void>((resolve) => void (this.#wakeVoice = resolve));
        signal.throwIfAborted();
      }
    }
  }
}
