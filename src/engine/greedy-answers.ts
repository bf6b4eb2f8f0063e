/** The likeliest tokens over sounds: on the host token by token, or by a device that chooses them, ahead of who reads. */
import type { ChosenTokens, Submitted, TokenChooser } from '../graph/executor.ts';
import type { SamplingSettings } from '../graph/sampling.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { Heard } from './sound-places.ts';

export interface GreedyOptions {
  /** What each answer follows; at least one token. */
  readonly prompt: ArrayLike<number>;
  /**
   * By sound, what its answer may begin with, such as the answer to less of the sound. Tokens of it that are the likeliest come of one
   * step; the answers are those that there are without it.
   */
  readonly drafts?: readonly ArrayLike<number>[] | undefined;
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

/** What answers follow, and where they end: each has at most `most` tokens. */
export type AnswerBounds = Pick<GreedyOptions, 'prompt' | 'endIds' | 'signal'> & { readonly most: number };

export function takeTokens(answer: Answer, tokens: readonly number[], { endIds, most }: AnswerBounds): void {
  for (const token of tokens) {
    if (answer.isDone) return;
    answer.tokens.push(token);
    answer.isDone = endIds.includes(token) || answer.tokens.length >= most;
  }
}

/** Tokens behind which the next one of an answer is asked for and which are not in the state; the position of the first. */
export function rowsBefore({ heard, tokens }: Answer, { prompt }: AnswerBounds): { tokens: ArrayLike<number>; start: number } {
  if (tokens.length === 0) return { tokens: prompt, start: heard.length };
  return { tokens: [tokens.at(-1) as number], start: heard.length + prompt.length + tokens.length - 1 };
}

/** Ties: the lowest id. @throws Error where no logit is a number */
export function likeliest(logits: Float32Array): number {
  let best = -1;
  for (let i = 0; i < logits.length; i++) if (best < 0 ? logits[i]! > -Infinity : logits[i]! > logits[best]!) best = i;
  if (best < 0) throw new Error('The decoder made no logits that are numbers: its weights or the sound hold values beyond f32.');
  return best;
}

/** Submits under way at a time: one runs, one waits behind it. */
const MOST_UNDER_WAY = 2;

/** Steps run ahead of who reads them: those behind an end token are thrown away. */
export async function chooseAhead(chooser: TokenChooser, answers: readonly Answer[], bounds: AnswerBounds): Promise<void> {
  const { prompt, signal, most } = bounds;
  const choices = new Map(answers.map((answer) => [
    answer, chooser.open({ sampling: GREEDY, history: { promptIds: prompt, outputIds: answer.tokens } }),
  ]));
  /** Tokens that an answer has or that the device was asked for; absent where it was asked for none. */
  const asked = new Map<Answer, number>();
  const countOf = (answer: Answer): number => asked.get(answer) ?? answer.tokens.length;
  const underWay: { readonly of: readonly Answer[]; readonly submitted: Submitted }[] = [];
  try {
    for (;;) {
      const open = answers.filter((answer) => !answer.isDone && countOf(answer) < most);
      if (open.length > 0 && underWay.length < MOST_UNDER_WAY) {
        signal?.throwIfAborted();
        const rows = open.map((answer) => ({
          answer,
          ...(asked.has(answer)
            ? { tokens: [], start: answer.heard.length + prompt.length + countOf(answer) - 1 }
            : rowsBefore(answer, bounds)),
        }));
        // Sequences of one row come first.
        rows.sort((a, b) => Math.max(1, a.tokens.length) - Math.max(1, b.tokens.length));
        const hasPrompts = rows.some(({ tokens }) => tokens.length > 1);
        const steps = hasPrompts ? 1 : Math.min(chooser.mostSteps, ...open.map((answer) => most - countOf(answer)));
        const sequences = rows.map(({ answer: { heard }, answer, tokens, start }) => ({
          ...heard.place, tokens, start, memory: heard.memory, wanted: 'token' as const, choice: choices.get(answer) as number,
        }));
        underWay.push({ of: rows.map(({ answer }) => answer), submitted: await chooser.submit({ sequences, steps }) });
        for (const answer of open) asked.set(answer, countOf(answer) + steps);
        continue;
      }
      const next = underWay.shift();
      if (next === undefined) return;
      takeAll(next.of, await next.submitted.results, bounds);
    }
  } finally {
    await Promise.allSettled(underWay.map(({ submitted }) => submitted.results));
    for (const choice of choices.values()) chooser.close(choice);
  }
}

function takeAll(of: readonly Answer[], chosen: readonly ChosenTokens[], bounds: AnswerBounds): void {
  of.forEach((answer, i) => {
    const { tokens, error } = chosen[i] as ChosenTokens;
    takeTokens(answer, tokens, bounds);
    if (error !== undefined && !answer.isDone) throw error;
  });
}
