/** How near a draw comes to an edge at which rounding decides: from the definition of the cuts, in float64 and with a full sort. */
import type { SamplingSettings } from '../src/graph/sampling.ts';

export interface Edges {
  /** From u times the total weight to the nearest running sum by id, in shares of the total. */
  readonly draw: number;
  /** From top-p's wanted weight to the nearest running sum by score, in shares of the total. */
  readonly share: number;
  /** Least difference between a score at a cut and another score near it (scores are logits over temperature). */
  readonly score: number;
}

interface Token {
  readonly id: number;
  readonly score: number;
  readonly weight: number;
}

function nearest(values: readonly number[], to: number, ignoreEqual = false): number {
  let least = Infinity;
  for (const value of values) {
    const gap = Math.abs(value - to);
    if (!(ignoreEqual && gap === 0) && gap < least) least = gap;
  }
  return least;
}

/** `logits` after penalties; `uniform` in [0, 1). */
export function edgesOf(logits: Float32Array, settings: SamplingSettings, uniform: number): Edges {
  const { temperature, topK, topP, minP } = settings;
  let max = -Infinity;
  for (const logit of logits) max = Math.max(max, logit);
  let tokens: Token[] = [...logits].map((logit, id) => ({
    id,
    score: (logit - max) / temperature,
    weight: Math.exp((logit - max) / temperature),
  }));
  tokens = tokens.filter(({ weight }) => weight > 2 ** -46).sort((a, b) => b.score - a.score || a.id - b.id);
  const scores = tokens.map((token) => token.score);
  let score = Infinity;
  let share = Infinity;
  if (topK > 0 && topK < tokens.length) {
    const cut = scores[topK - 1] as number;
    score = Math.min(score, nearest(scores, cut, true));
    tokens = tokens.filter((token) => token.score >= cut);
  }
  if (topP < 1) {
    let sum = 0;
    const sums = tokens.map(({ weight }) => (sum += weight));
    const last = Math.max(0, sums.findIndex((reached) => reached >= topP * sum));
    share = nearest(sums, topP * sum) / sum;
    score = Math.min(score, nearest(scores, scores[last] as number, true));
    tokens = tokens.slice(0, last + 1);
  }
  if (minP > 0) {
    score = Math.min(score, nearest(scores, Math.log(minP)));
    tokens = tokens.filter((token) => token.score >= Math.log(minP));
  }
  tokens.sort((a, b) => a.id - b.id);
  let sum = 0;
  const sums = tokens.map(({ weight }) => (sum += weight));
  return { draw: nearest(sums, uniform * sum) / sum, share, score };
}
