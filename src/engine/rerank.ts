/**
 * How well documents answer a query, by a model that was taught to say "yes" or "no": Qwen3-Reranker (Zhang et al. 2025), whose model card
 * has the prompt and the score.
 */
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { RerankOptions } from './api.ts';
import { createBreather } from './event-loop.ts';
import type { ModelCore } from './model-core.ts';
import { RERANK_NAMES } from './option-names.ts';
import { checkIds, checkTextLength } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import { openSequence } from './open-sequence.ts';

const PREFIX =
  '<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. ' +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n';
const SUFFIX = '<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n';
const INSTRUCTION = 'Given a web search query, retrieve relevant passages that answer the query';
/** Tokens that the prompt is made of. */
const PROMPT_TOKENS = ['<|im_start|>', '<|im_end|>', '<think>', '</think>'];

interface Judge {
  readonly tokenizer: Tokenizer;
  readonly yes: number;
  readonly no: number;
}

/** @throws InputError for a model that does not know the tokens of the prompt, or whose files score by others than yes and no */
function judgeOf({ tokenizer, scoreTokens }: TextSide): Judge {
  if (tokenizer === undefined) throw new InputError('This model has no tokenizer, so it cannot read a query.');
  const [yes, no] = ['yes', 'no'].map((text) => tokenizer.idOf(text));
  const missing = ['yes', 'no', ...PROMPT_TOKENS].filter((text) => tokenizer.idOf(text) === undefined);
  if (yes === undefined || no === undefined || missing.length > 0)
    throw new InputError(
      `rerank needs a model of Qwen3-Reranker's kind; the vocabulary of this one lacks the tokens ${missing.join(', ')}.`,
    );
  if (scoreTokens !== undefined && (scoreTokens.yes !== yes || scoreTokens.no !== no))
    throw new InputError(
      `rerank needs a model of Qwen3-Reranker's kind, which scores by the tokens ${yes} (yes) and ${no} (no); the files of this one say ` +
        `${scoreTokens.yes} and ${scoreTokens.no ?? 'none'}, so that it has a prompt of its own, which is not known here.`,
    );
  return { tokenizer, yes, no };
}

export interface Reranker {
  readonly core: ModelCore;
  readonly text: TextSide;
}

/** @throws as `Model.rerank` */
export async function rerankDocuments(
  { core, text }: Reranker,
  query: string,
  documents: readonly string[],
  options: RerankOptions,
): Promise<number[]> {
  core.checkOpen();
  checkOptionNames(options, RERANK_NAMES, 'rerank');
  checkOperation(options);
  const { signal, onProgress, instruction = INSTRUCTION } = options;
  for (const [name, value] of [['query', query], ['instruction', instruction]] as const)
    if (typeof value !== 'string') throw new InputError(`${name} must be a string, found ${describeValue(value)}.`);
  if (!Array.isArray(documents)) throw new InputError(`documents must be an array, found ${describeValue(documents)}.`);
  const judge = judgeOf(text);
  const breathe = createBreather();
  const prompts: number[][] = [];
  for (const [index, document] of (documents as readonly unknown[]).entries()) {
    signal?.throwIfAborted();
    await breathe();
    const where = `documents[${index}]`;
    if (typeof document !== 'string') throw new InputError(`${where} must be a string, found ${describeValue(document)}.`);
    checkTextLength(document.length + query.length + instruction.length, text, core, { where });
    prompts.push(checkIds(promptIds(judge, `<Instruct>: ${instruction}\n<Query>: ${query}\n<Document>: ${document}`), core, { where }));
  }
  signal?.throwIfAborted();
  const total = prompts.reduce((sum, { length }) => sum + length, 0);
  const scores: number[] = [];
  // One sequence for all: what they begin with is prefilled once.
  const sequence = openSequence(core);
  const subscription = core.scheduler.subscribe({ sequence });
  try {
    let loaded = 0;
    onProgress?.({ phase: 'prefill', loaded, total });
    for (const ids of prompts) {
      signal?.throwIfAborted();
      // Its last token has to run, whatever was there before.
      sequence.keepPrefix(core.causal ? ids.slice(0, -1) : []);
      const take = (logits: Float32Array) => scoreOf(logits, judge);
      scores.push(await subscription.advance({ ids, promptTokens: ids.length, signal, take }));
      loaded += ids.length;
      onProgress?.({ phase: 'prefill', loaded, total });
    }
  } finally {
    subscription.leave();
    sequence.close();
  }
  return scores;
}

/** The three parts are encoded apart, as the model card does it; only the frame may hold control tokens. */
function promptIds({ tokenizer }: Judge, pair: string): number[] {
  const frame = (part: string) => tokenizer.encode(part, { parseSpecial: true });
  return [...frame(PREFIX), ...tokenizer.encode(pair), ...frame(SUFFIX)];
}

/** The probability of "yes" where "no" is the only other answer. */
function scoreOf(logits: Float32Array, { yes, no }: Judge): number {
  const score = 1 / (1 + Math.exp((logits[no] as number) - (logits[yes] as number)));
  if (Number.isNaN(score))
    throw new CapacityError(
      'The logits of yes and no are not finite, so that they make no score: keys and values beyond f16, perhaps. ' +
        'Load the model with kvType "f32".',
    );
  return score;
}
