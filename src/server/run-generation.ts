/** Answers of a model for a call: within its limits, counted, and stopped with it. */
import type { GenerateOptions, Model, Piece } from '../engine/api.ts';
import { CapacityError } from '../tensor/errors.ts';
import { createAnswerCounter } from './answer-counter.ts';
import type { Call } from './call.ts';
import { invalid } from './failure.ts';
import { checkImagePixels, fetchImages, hasWebImages } from './images/fetch-images.ts';
import { ownError } from './own-error.ts';

/** What a request asks for of its answer, without what the server adds. */
export interface AnswerRequest extends Omit<GenerateOptions, 'signal' | 'deadlineMs' | 'priority'> {
  /** What stands behind the text that is wanted, whose beginning is `prompt`: the model fills in. No several answers then. */
  readonly suffix?: string | undefined;
  /** Without `maxTokens`: it gets what the context has left, also where it is no conversation. */
  readonly fillsContext?: true | undefined;
  /** Of the answer nothing is told or counted: what is asked about is the prompt. The engine makes one token, so `maxTokens` is 1. */
  readonly isPromptOnly?: boolean | undefined;
}

type Pieces = AsyncGenerator<Piece, void, undefined>;

/** Pieces of several generations as they come; those of request i have the indices from i times `choices` on. */
async function* mergePieces(generations: readonly Pieces[], choices: number): Pieces {
  const asked = new Map<number, Promise<{ readonly from: number; readonly result: IteratorResult<Piece> }>>();
  const ask = (from: number) => asked.set(from, (generations[from] as Pieces).next().then((result) => ({ from, result })));
  for (const from of generations.keys()) ask(from);
  try {
    while (asked.size > 0) {
      const { from, result } = await Promise.race(asked.values());
      asked.delete(from);
      if (result.done === true) continue;
      yield { ...result.value, index: from * choices + result.value.index };
      ask(from);
    }
  } finally {
    for (const pending of asked.values()) pending.catch(() => {});
    await Promise.all(generations.map((generation) => generation.return(undefined)));
  }
}

/** @throws Failure (400) for more tokens than the server gives */
export function checkTokens(maxTokens: number | undefined, most: number): void {
  if (maxTokens === undefined || maxTokens <= most) return;
  throw invalid(`max_tokens ${maxTokens} is more than this server gives, ${most} an answer.`, {
    param: 'max_tokens', code: 'too_many_tokens',
  });
}

/** Tells the pieces that are a prompt again, the first of each answer where `echo` asks for it. Asked once a piece. */
export function promptPieces(hasEcho: boolean): (piece: Piece) => boolean {
  const begun = new Set<number>();
  return ({ index }) => {
    const isPrompt = hasEcho && !begun.has(index);
    begun.add(index);
    return isPrompt;
  };
}

type TimedRequest = AnswerRequest & Pick<GenerateOptions, 'signal' | 'deadlineMs' | 'priority'>;

function startAnswer(model: Model, request: TimedRequest): Pieces {
  const { suffix, fillsContext: _fills, isPromptOnly: _only, ...options } = request;
  if (suffix === undefined) return model.generate(options) as Pieces;
  const { prompt = '', n: _n, ...infill } = options;
  return model.infill({ ...infill, prefix: prompt, suffix }) as Pieces;
}

/** An answer that names no length gets the server's most, or what the context has left where that is less. */
function generateWithin(model: Model, options: TimedRequest, most: number): Pieces {
  const isOpen = most === Infinity && options.fillsContext !== true;
  return options.maxTokens !== undefined || isOpen ? startAnswer(model, options) : generateAtMost(model, options, most);
}

async function* generateAtMost(model: Model, options: TimedRequest, most: number): Pieces {
  let hasBegun = false;
  try {
    for await (const piece of startAnswer(model, { ...options, maxTokens: Math.min(most, model.info.contextLength) })) {
      hasBegun = true;
      yield piece;
    }
  } catch (error) {
    const shortage = error instanceof CapacityError ? error.shortage : undefined;
    const room = shortage?.promptTokens === undefined ? 0 : shortage.contextLength - shortage.promptTokens;
    if (hasBegun || room < 1) throw error;
    yield* startAnswer(model, { ...options, maxTokens: room });
  }
}

/** A piece of an answer that nobody asked for: its end is left of it. */
function withoutAnswer(piece: Piece): Piece {
  const nothing = { text: '', tokens: [], parts: [], ...(piece.logprobs === undefined ? {} : { logprobs: [] }) };
  if (piece.finishReason === undefined) return { ...piece, ...nothing };
  return { ...piece, ...nothing, finishReason: 'length', stopText: undefined, usage: { ...piece.usage, completionTokens: 0 } };
}

/** @throws Failure (400) for more answers than the server makes for one request */
function checkChoices(requests: readonly AnswerRequest[], choices: number, most: number): void {
  if (requests.length * choices <= most) return;
  const of = requests.length > 1 ? `${requests.length} prompts times n ${choices}` : `n ${choices}`;
  throw invalid(`${of} is more than this server answers at once, ${most}.`, { param: 'n', code: 'too_many_choices' });
}

async function withImages(call: Call, model: Model, requests: readonly AnswerRequest[]): Promise<readonly AnswerRequest[]> {
  const conversations = await fetchImages(call, model, requests.map(({ messages }) => messages ?? []));
  return requests.map((request, i) => (request.messages === undefined ? request : { ...request, messages: conversations[i] }));
}

/**
 * Pieces of the answers to all requests, each of which makes `n`.
 * @throws Failure before any work for what the limits do not allow
 */
export async function* runGeneration(call: Call, model: Model, asked: readonly AnswerRequest[]): Pieces {
  const requests = asked.some(({ messages }) => hasWebImages(messages)) ? await withImages(call, model, asked) : asked;
  const { signal, state: { limits } } = call;
  const choices = requests[0]?.n ?? 1;
  checkChoices(requests, choices, limits.choices);
  for (const { maxTokens, messages } of requests) {
    checkTokens(maxTokens, limits.outputTokens);
    checkImagePixels(call, model, messages);
  }
  const counter = createAnswerCounter(call);
  const isPrompt = promptPieces(requests[0]?.echo === true);
  const generations = requests.map((request) => {
    const onProgress = counter.onPrompt(request.onProgress);
    const terms = { signal, deadlineMs: call.remainingMs(), priority: call.priority };
    return generateWithin(model, { ...request, ...terms, onProgress }, limits.outputTokens);
  });
  // Each generator that a piece passes through costs a microsecond.
  const [first, ...others] = generations;
  const pieces = first !== undefined && others.length === 0 ? first : mergePieces(generations, choices);
  try {
    for await (const piece of pieces) {
      const isOfPrompt = isPrompt(piece);
      const told = !isOfPrompt && requests[0]?.isPromptOnly === true ? withoutAnswer(piece) : piece;
      if (!isOfPrompt) counter.add(told);
      yield told;
    }
  } catch (error) {
    throw ownError(error, call);
  }
}
