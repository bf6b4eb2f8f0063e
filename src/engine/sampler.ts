/**
 * From logits to a token: a mask, the caller's bias, penalties (repetition over prompt and output; presence and frequency over the
 * output, as OpenAI), then temperature, top-k, top-p and min-p in transformers' order, then one number of the Philox stream.
 */
import { hasBias, hasPenalties } from '../graph/sampling.ts';
import type { SamplingSettings } from '../graph/sampling.ts';
import { FormatError } from '../tensor/errors.ts';
import type { ChosenLogprob, TokenLogprob } from './api.ts';
import { cutMinP, cutTopP, drawCandidate, selectCandidates } from './candidates.ts';
import type { Candidates } from './candidates.ts';
import { uniformAt } from './philox.ts';

/** Chooses the tokens of one generation. */
export interface Sampler {
  /**
   * The next token of the output, from logits [vocab], which stay as they are. Counts it: its random number is that of the seed and of how
   * many were counted before it, wherever in a sequence or a batch it stands.
   * @param mask the tokens that may be chosen: bit i of word w is token 32 w + i. Default all
   */
  sample(logits: Float32Array, mask?: Uint32Array): number;
  /** Counts a token as output that a device chose. */
  count(token: number): void;
}

export interface SamplerOptions {
  readonly settings: SamplingSettings;
  readonly promptIds: ArrayLike<number>;
  /** Room that samplers of one model share, since none keeps anything in it between calls. */
  readonly candidates: Candidates;
}

function failOnLogits(logits: Float32Array): never {
  const at = logits.findIndex((logit) => Number.isNaN(logit) || logit === Infinity);
  const found = at < 0 ? 'no token has a finite logit' : `the logit of token ${at} is ${logits[at]}`;
  throw new FormatError(
    `The model computed no usable scores: ${found}. Its weights or activations overflow, or its keys and values what kvType says ` +
      '("f32" holds all); check the file (ingot eval on the reference device tells a damaged file from an arithmetic that is too narrow).',
  );
}

/** The largest logit's id, the lowest of equals. @throws FormatError where a logit is NaN or +Infinity, or all are -Infinity. */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    sum += logit;
    if (logit > max) {
      max = logit;
      best = id;
    }
  }
  // One NaN or +Infinity among the logits leaves its mark on their sum, and costs no test of its own.
  if (best < 0 || !(sum < Infinity)) failOnLogits(logits);
  return best;
}

/** Sums are of f32, as a device makes them; what is not finite stays as it is. */
function addBias(into: Float32Array, bias: ReadonlyMap<number, number>): void {
  for (const [id, added] of bias) {
    const logit = into[id] as number;
    if (Number.isFinite(logit)) into[id] = logit + Math.fround(added);
  }
}

function penalise(into: Float32Array, counts: ReadonlyMap<number, number>, settings: SamplingSettings): void {
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = settings;
  for (const [id, count] of counts) {
    const logit = into[id] as number;
    const repeated = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty;
    into[id] = count === 0 ? repeated : repeated - presencePenalty - count * frequencyPenalty;
  }
}

function takeOut(from: Float32Array, mask: Uint32Array): void {
  for (let id = 0; id < from.length; id++) if ((((mask[id >> 5] as number) >>> (id & 31)) & 1) === 0) from[id] = -Infinity;
}

export function createSampler({ settings, promptIds, candidates }: SamplerOptions): Sampler {
  const { temperature, topK, topP, minP, seed, logitBias } = settings;
  const penalised = hasPenalties(settings);
  const biased = hasBias(settings) ? logitBias : undefined;
  /** Occurrences in the output, by id; 0 for an id that only the prompt holds. */
  const counts = new Map<number, number>();
  if (settings.repetitionPenalty !== 1) for (let i = 0; i < promptIds.length; i++) counts.set(promptIds[i] as number, 0);

  let drawn = 0;

  const choose = (logits: Float32Array): number => {
    const best = argmax(logits);
    if (temperature === 0) return best;
    selectCandidates(candidates, logits, { max: logits[best] as number, topK, temperature });
    if (topP < 1) cutTopP(candidates, topP);
    if (minP > 0) cutMinP(candidates, minP);
    return drawCandidate(candidates, uniformAt(seed, drawn));
  };

  const count = (token: number) => {
    drawn++;
    if (penalised) counts.set(token, (counts.get(token) ?? 0) + 1);
  };
  return {
    count,
    sample(logits, mask) {
      const isChanged = penalised || biased !== undefined || mask !== undefined;
      const own = isChanged ? candidates.penalised.subarray(0, logits.length) : logits;
      if (isChanged) own.set(logits);
      if (mask !== undefined) takeOut(own, mask);
      if (biased !== undefined) addBias(own, biased);
      if (penalised) penalise(own, counts, settings);
      const token = choose(own);
      count(token);
      return token;
    },
  };
}

/** Log probabilities by softmax of `logits` [vocab]: of `token`, and of the `topCount` likeliest, best first. */
export function logprobsOf(logits: Float32Array, token: number, topCount: number): ChosenLogprob {
  const max = logits[argmax(logits)] as number;
  let sum = 0;
  const top: { token: number; logprob: number }[] = [];
  let least = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    sum += Math.exp(logit - max);
    if (topCount === 0 || (top.length === topCount && logit <= least)) continue;
    if (top.length === topCount) top.pop();
    const after = top.findIndex((entry) => entry.logprob < logit);
    top.splice(after < 0 ? top.length : after, 0, { token: id, logprob: logit });
    least = (top.at(-1) as TokenLogprob).logprob;
  }
  const logTotal = max + Math.log(sum);
  return {
    token,
    logprob: (logits[token] as number) - logTotal,
    top: top.map((entry) => ({ token: entry.token, logprob: entry.logprob - logTotal })),
  };
}
