/** The likeliest tokens over sounds: on the host token by token, or by a device that chooses them, ahead of who reads. */
import type { ChosenTokens, Submitted, TokenChooser } from '../graph/executor.ts';
import type { SamplingSettings } from '../graph/sampling.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { Heard } from './sound-places.ts';

export interface GreedyOptions {
  /** What each answer follows; at least one token. */
  readonly prompt: ArrayLike<number>;
  /** Most tokens of each answer, an end token among them. Default: as many as fit the decoder's positions. */
  readonly maxTokens?: number | undefined;
  readonly endIds: readonly number[];
  /** Looked at between steps. */
  readonly signal?: CancelSignal | undefined;
}

const GREEDY: SamplingSettings = {
  temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 0,
};

export interface Answer {
  readonly heard: Heard;
  readonly tokens: number[];
  isDone: boolean;
}

export function takeTokens(answer: Answer, tokens: readonly number[], endIds: readonly number[]): void {
  for (const token of tokens) {
    if (answer.isDone) return;
    answer.tokens.push(token);
    answer.isDone = endIds.includes(token);
  }
}

/** How many tokens of an answer count: up to an end token. */
export function endOf(tokens: readonly number[], endIds: readonly number[], most: number): number {
  const end = tokens.findIndex((token) => endIds.includes(token));
  return Math.min(most, end < 0 ? tokens.length : end + 1);
}

/** Ties: the lowest id. @throws Error where no logit is a number */
export function likeliest(logits: Float32Array): number {
  let best = -1;
  for (let i = 0; i < logits.length; i++) if (best < 0 ? logits[i]! > -Infinity : logits[i]! > logits[best]!) best = i;
  if (best < 0) throw new Error('The decoder made no logits that are numbers: its weights or the sound hold values beyond f32.');
  return best;
}

interface Ahead extends GreedyOptions {
  readonly most: number;
}

/** Submits under way at a time: one runs, one waits behind it. */
const MOST_UNDER_WAY = 2;

/** Steps run ahead of who reads them: those behind an end token are thrown away. */
export async function chooseAhead(
  chooser: TokenChooser, answers: readonly Answer[], { prompt, endIds, signal, most }: Ahead,
): Promise<void> {
  const choices = new Map(answers.map((answer) => [
    answer, chooser.open({ sampling: GREEDY, history: { promptIds: prompt, outputIds: [] } }),
  ]));
  const underWay: { readonly of: readonly Answer[]; readonly submitted: Submitted }[] = [];
  let asked = 0;
  try {
    for (;;) {
      const open = answers.filter(({ isDone }) => !isDone);
      if (open.length > 0 && asked < most && underWay.length < MOST_UNDER_WAY) {
        signal?.throwIfAborted();
        const tokens = asked === 0 ? prompt : [];
        const steps = tokens.length > 1 ? 1 : Math.min(chooser.mostSteps, most - asked);
        const before = asked === 0 ? 0 : prompt.length + asked - 1;
        const sequences = open.map((answer) => ({
          ...answer.heard.place, tokens, start: answer.heard.length + before, memory: answer.heard.memory,
          wanted: 'token' as const, choice: choices.get(answer) as number,
        }));
        underWay.push({ of: open, submitted: await chooser.submit({ sequences, steps }) });
        asked += steps;
        continue;
      }
      const next = underWay.shift();
      if (next === undefined) return;
      takeAll(next.of, await next.submitted.results, endIds);
    }
  } finally {
    await Promise.allSettled(underWay.map(({ submitted }) => submitted.results));
    for (const choice of choices.values()) chooser.close(choice);
  }
}

function takeAll(of: readonly Answer[], chosen: readonly ChosenTokens[], endIds: readonly number[]): void {
  of.forEach((answer, i) => {
    const { tokens, error } = chosen[i] as ChosenTokens;
    if (error !== undefined && !answer.isDone) throw error;
    takeTokens(answer, tokens, endIds);
  });
}
