/** Perplexity: how surprised a model is by given text, exp of the mean negative log likelihood per token. */
import type { Model } from '../engine/api.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import type { EvaluationSequence } from './evaluation-file.ts';

export interface PerplexityOptions {
  readonly signal?: AbortSignal | undefined;
  /** Tokens scored so far, and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Over some tokens; `nll` is the sum of their negative log likelihoods, in nats. */
export interface TokenLikelihood {
  readonly tokens: number;
  readonly nll: number;
  readonly perplexity: number;
}

export interface PerplexityResult {
  readonly sequences: number;
  /** Every token but the first of each sequence, given all before it that the window holds. */
  readonly all: TokenLikelihood;
  /** Those in answer spans; undefined where the file has none. */
  readonly answers: TokenLikelihood | undefined;
}

/** A longer sequence slides through a window of this many tokens, or of the context where that is smaller. */
const MOST_WINDOW = 2048;
/** Logits held at once: 256 MiB. */
const MOST_LOGITS = 2 ** 26;

interface Scored {
  readonly ids: readonly number[];
  readonly answerSpans: EvaluationSequence['answerSpans'];
}

/**
 * Scores sequences one by one. A sequence that the window holds is read once; in a longer one, every token after the first
 * window has at least half a window before it.
 * @throws InputError for ids outside the vocabulary or a text that a model without a tokenizer cannot read;
 * FormatError where there is nothing to score
 */
export async function measurePerplexity(
  model: Model,
  sequences: readonly EvaluationSequence[],
  options: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const scored = sequences.map((sequence) => ({ ids: idsOf(model, sequence), answerSpans: sequence.answerSpans }));
  const total = scored.reduce((sum, { ids }) => sum + Math.max(0, ids.length - 1), 0);
  if (total === 0) throw new FormatError('There is nothing to score: perplexity needs at least one sequence of two tokens.');
  const all = { tokens: 0, nll: 0 };
  const answers = { tokens: 0, nll: 0 };
  for (const sequence of scored) {
    const losses = await tokenLosses(model, sequence, options.signal, (count) => options.onProgress?.(all.tokens + count, total));
    for (let i = 1; i < losses.length; i++) all.nll += losses[i]!;
    all.tokens += Math.max(0, losses.length - 1);
    for (const [start, end] of sequence.answerSpans) {
      for (let i = Math.max(1, start); i < end; i++) {
        answers.nll += losses[i]!;
        answers.tokens++;
      }
    }
  }
  return { sequences: sequences.length, all: likelihood(all), answers: answers.tokens === 0 ? undefined : likelihood(answers) };
}

function idsOf(model: Model, { ids, text = '' }: EvaluationSequence): readonly number[] {
  if (ids !== undefined) return ids;
  if (!model.info.hasTokenizer)
    throw new InputError(`${model.info.name} has no tokenizer, so that it cannot read text. Give a .jsonl file with "ids".`);
  return model.tokenizer.encode(text, { addSpecial: true });
}

function likelihood({ tokens, nll }: { tokens: number; nll: number }): TokenLikelihood {
  return { tokens, nll, perplexity: Math.exp(nll / tokens) };
}

/** Negative log likelihood of each token given those before it; 0 for the first. */
async function tokenLosses(
  model: Model,
  { ids }: Scored,
  signal: AbortSignal | undefined,
  onScored: (count: number) => void,
): Promise<Float64Array> {
  const { vocabSize, contextLength } = model.info;
  const window = Math.min(contextLength, MOST_WINDOW);
  const mostRows = Math.max(1, Math.floor(MOST_LOGITS / vocabSize));
  const losses = new Float64Array(ids.length);
  for (let first = 1; first < ids.length;) {
    const room = first === 1 ? Math.max(1, window - 1) : Math.max(1, Math.floor(window / 2));
    const end = Math.min(ids.length, first + Math.min(room, mostRows));
    // The last token of the window is only a target: it need not be read.
    const start = Math.max(0, end - 1 - window);
    const positions = Array.from({ length: end - first }, (_, i) => first - 1 + i - start);
    const logits = await model.forward(ids.slice(start, end - 1), { positions, signal });
    for (let i = first; i < end; i++) {
      losses[i] = negativeLogLikelihood(
        logits.subarray((i - first) * vocabSize, (i - first + 1) * vocabSize),
        checkedId(ids[i]!, vocabSize, i),
      );
    }
    onScored(end - 1);
    first = end;
  }
  return losses;
}

/** The last id of a sequence is never read, so that the engine does not check it. */
function checkedId(id: number, vocabSize: number, index: number): number {
  if (id >= 0 && id < vocabSize) return id;
  throw new InputError(`Token ids must be integers from 0 to ${vocabSize - 1} (the vocabulary), found ${id} at index ${index}.`);
}

/** -log softmax(logits)[id], in nats, with the largest logit taken out first. */
function negativeLogLikelihood(logits: Float32Array, id: number): number {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return Math.log(sum) + largest - logits[id]!;
}
