/** Counts what a call's answers take and bring, as it comes: in the call's own figures, and in those of its model. */
import type { Piece } from '../engine/api.ts';
import type { OnProgress, ProgressEvent } from '../tensor/progress.ts';
import type { Call } from './call.ts';
import { ENDINGS } from './metrics.ts';
import { observe } from './metrics-text.ts';

export interface AnswerCounter {
  /** For a generation's `onProgress`: its first event says that its first step begins. */
  onPrompt(then: OnProgress | undefined): OnProgress;
  add(piece: Piece): void;
}

export function createAnswerCounter({ figures, finishReasons, startedAt, state }: Call): AnswerCounter {
  const counts = state.metrics.of(figures.model as string);
  /** By answer: when its last piece came. */
  const lastAt: number[] = [];
  const begin = ({ total, cached = 0 }: ProgressEvent) => {
    countPrompt({ figures, state }, { promptTokens: total + cached, cachedTokens: cached });
    observe(counts.queue, (performance.now() - startedAt) / 1000);
  };
  return {
    onPrompt(then) {
      let hasBegun = false;
      return (event) => {
        if (!hasBegun) begin(event);
        hasBegun = true;
        then?.(event);
      };
    },
    add({ index, tokens, finishReason }) {
      const now = performance.now();
      if (figures.firstTokenMs === undefined) {
        figures.firstTokenMs = now - startedAt;
        observe(counts.firstToken, figures.firstTokenMs / 1000);
      }
      figures.completionTokens += tokens.length;
      counts.completionTokens += tokens.length;
      const before = lastAt[index];
      lastAt[index] = now;
      if (before !== undefined && tokens.length > 0) {
        const seconds = (now - before) / 1000;
        observe(counts.gap, seconds / tokens.length, tokens.length);
        observe(counts.pieceGap, seconds);
      }
      if (finishReason === undefined) return;
      counts.answers[ENDINGS[finishReason]]++;
      finishReasons.push(finishReason);
    },
  };
}

export interface PromptTokens {
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

/** A prompt, or texts, that a model reads for a call. */
export function countPrompt({ figures, state }: Pick<Call, 'figures' | 'state'>, { promptTokens, cachedTokens }: PromptTokens): void {
  const counts = state.metrics.of(figures.model as string);
  for (const each of [figures, counts]) {
    each.promptTokens += promptTokens;
    each.cachedTokens += cachedTokens;
  }
}

/** What a model that hears predicts for a call: for `onTokens`. */
export function countTranscript({ figures, startedAt, state }: Call): (count: number) => void {
  const counts = state.metrics.of(figures.model as string);
  return (count) => {
    if (figures.firstTokenMs === undefined) {
      figures.firstTokenMs = performance.now() - startedAt;
      observe(counts.firstToken, figures.firstTokenMs / 1000);
    }
    for (const each of [figures, counts]) each.completionTokens += count;
  };
}

/** Such a transcript came to its end. */
export function endTranscript({ figures, finishReasons, state }: Call): void {
  state.metrics.of(figures.model as string).answers.stop++;
  finishReasons.push('stop');
}
