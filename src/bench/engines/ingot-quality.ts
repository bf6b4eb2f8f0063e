/** What a quantisation costs: perplexity of a text, how far its choices are from the same model's in a wider type, tasks answered well. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Model } from '../../engine/api.ts';
import { readEvaluationFile } from '../../evaluation/evaluation-file.ts';
import type { EvaluationSequence } from '../../evaluation/evaluation-file.ts';
import { measurePerplexity } from '../../evaluation/perplexity.ts';
import { answerTasks, spread } from '../../evaluation/task-accuracy.ts';
import { InputError } from '../../tensor/errors.ts';
import type { AnsweredTasks, Quality, QualityRequest } from '../engine.ts';

/** Tokens of one pass: 150,000 logits of each are 40 MB a model. */
const MOST_ROWS = 64;

/** @param load opens the reference beside the model, which both must have room for */
export async function measureQuality(
  model: Model, { text, reference, mostTokens }: QualityRequest, load: (path: string) => Promise<Model>,
): Promise<Quality> {
  const file = await readEvaluationFile(text);
  if (file.kind === 'tasks') throw new InputError(`${text} holds tasks: perplexity needs a text, or lines of ids or texts.`);
  const sequences = firstTokens(model, file.sequences, mostTokens);
  const { all: { perplexity, tokens: scoredTokens } } = await measurePerplexity(model, sequences.map((ids) => ({ ids, answerSpans: [] })));
  const scored = { text: await markOf(text), scoredTokens, windowTokens: Math.max(...sequences.map((ids) => ids.length)) };
  if (reference === undefined) return { perplexity, divergence: undefined, agreement: undefined, scored };
  const wider = await load(reference);
  try {
    return { perplexity, ...(await differences(model, wider, sequences)), scored };
  } finally {
    await wider.dispose();
  }
}

/** What tells a file from another, whatever it is called. */
const markOf = async (path: string) => createHash('sha256').update(await readFile(path)).digest('hex').slice(0, 12);

/** Ids of the sequences, as many as are wanted together, each no longer than the context. */
function firstTokens(model: Model, sequences: readonly EvaluationSequence[], mostTokens: number): number[][] {
  const { contextLength, hasTokenizer, name } = model.info;
  let left = mostTokens;
  return sequences.flatMap(({ ids, text = '' }) => {
    if (ids === undefined && !hasTokenizer) throw new InputError(`${name} has no tokenizer: give lines with "ids".`);
    const all = ids ?? model.tokenizer.encode(text, { addSpecial: true });
    const taken = all.slice(0, Math.min(left, contextLength));
    left -= taken.length;
    return taken.length < 2 ? [] : [[...taken]];
  });
}

/** Of next-token distributions at every position but the last, over pieces of a sequence that a pass reads anew. */
async function differences(
  model: Model, wider: Model, sequences: readonly (readonly number[])[],
): Promise<{ readonly divergence: number; readonly agreement: number }> {
  const [{ name, vocabSize }, other] = [model.info, wider.info];
  if (other.vocabSize !== vocabSize)
    throw new InputError(`${other.name} has ${other.vocabSize} tokens and ${name} ${vocabSize}: they are other models.`);
  const sum = { divergence: 0, same: 0, rows: 0 };
  for (const ids of sequences) {
    for (let first = 0; first < ids.length; first += MOST_ROWS) {
      const end = Math.min(ids.length, first + MOST_ROWS);
      const positions = Array.from({ length: end - first }, (_, i) => first + i);
      const read = ids.slice(0, end);
      const [found, wanted] = [await model.forward(read, { positions }), await wider.forward(read, { positions })];
      for (let row = 0; row < positions.length; row++) {
        const of = (logits: Float32Array) => logits.subarray(row * vocabSize, (row + 1) * vocabSize);
        const { divergence, isSame } = rowDifference(of(wanted), of(found));
        sum.divergence += divergence;
        sum.same += isSame ? 1 : 0;
        sum.rows++;
      }
    }
  }
  return { divergence: sum.divergence / sum.rows, agreement: sum.same / sum.rows };
}

/** Kullback-Leibler divergence of `found` from `wanted`, in nats: sum of p log(p / q) over the softmax of both. */
export function rowDifference(
  wanted: Float32Array, found: Float32Array,
): { readonly divergence: number; readonly isSame: boolean } {
  const [p, q] = [normaliser(wanted), normaliser(found)];
  let divergence = 0;
  for (let i = 0; i < wanted.length; i++) {
    const logP = wanted[i]! - p.log;
    divergence += Math.exp(logP) * (logP - (found[i]! - q.log));
  }
  return { divergence, isSame: p.best === q.best };
}

/** The logarithm that makes logits probabilities, and where the largest is. */
function normaliser(logits: Float32Array): { readonly log: number; readonly best: number } {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - logits[best]!);
  return { log: Math.log(sum) + logits[best]!, best };
}

/** As `ingot eval` counts. */
export async function answeredTasks(model: Model, path: string, limit: number): Promise<AnsweredTasks> {
  const file = await readEvaluationFile(path);
  if (file.kind !== 'tasks') throw new InputError(`${path} holds no tasks: expected lines with "messages" and "check".`);
  const { passed, cases } = await answerTasks(model, spread(file.tasks, limit));
  return { share: passed / cases, asked: cases, file: await markOf(path) };
}
