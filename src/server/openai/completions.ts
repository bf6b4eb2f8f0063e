/** `/v1/completions`: prompts that go on, whole and streamed. */
import type { Model, Piece } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { findModel, fingerprintOf } from '../find-model.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { promptPieces, runGeneration } from '../run-generation.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { Schema } from '../schema.ts';
import { DECODING_PARAMETERS, decodingOptions, typed } from './decoding-parameters.ts';
import type { DecodingParameters } from './decoding-parameters.ts';
import { failureEvents } from './error-form.ts';
import { textLogprobs } from './logprobs.ts';
import { createUsageSum } from './usage.ts';

const IDS: Schema = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 1 };
const PROMPT: Schema = {
  anyOf: [
    { type: 'string' },
    IDS,
    { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 64 },
    { type: 'array', items: IDS, minItems: 1, maxItems: 64 },
  ],
};

interface CompletionParameters extends DecodingParameters {
  readonly prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly logprobs?: number;
  readonly echo?: boolean;
  readonly suffix?: string;
  readonly best_of?: number;
}

export const COMPLETION_PARAMETERS: ParameterTable = {
  prompt: { schema: PROMPT, isRequired: true, about: 'A text, token ids, or several of one kind.' },
  ...DECODING_PARAMETERS,
  max_tokens: {
    schema: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    about: 'Default 16. 0: no answer; with echo and logprobs how likely the prompt is.',
  },
  logprobs: {
    schema: { type: 'integer', minimum: 0, maximum: 20 },
    about: 'How likely each token of the answer was, and so many others in its place.',
  },
  best_of: {
    schema: { type: 'integer', minimum: 1, maximum: 64 },
    about: 'So many answers are made, and the n likeliest given, by the mean log probability of their tokens. Not with stream.',
  },
  echo: { schema: { type: 'boolean' }, about: 'The prompt before the answer; with logprobs also how likely its tokens were.' },
  suffix: {
    schema: { type: 'string' },
    about: 'The answer is the text between prompt and suffix; refused for a model that was not taught that. Not with echo or token ids.',
  },
};

/** OpenAI's reference says so. */
const DEFAULT_TOKENS = 16;

function promptsOf(prompt: CompletionParameters['prompt']): Pick<AnswerRequest, 'prompt' | 'ids'>[] {
  if (typeof prompt === 'string') return [{ prompt }];
  if (prompt.every((one) => typeof one === 'number')) return [{ ids: prompt as readonly number[] }];
  return (prompt as readonly (string | readonly number[])[]).map((one) => (typeof one === 'string' ? { prompt: one } : { ids: one }));
}

/** A model's beginning token stands before an empty prompt, which asks for any text. */
function beginning(model: Model): Pick<AnswerRequest, 'ids'> {
  const { tokenizer } = model;
  const bos = tokenizer?.special.bos ?? tokenizer?.special.eos;
  if (bos === undefined) throw invalid('prompt is empty, and the model has no token to begin a text with.', { param: 'prompt' });
  return { ids: [bos] };
}

/** Lists of all tokens, as this route's older form has them. */
interface Logprobs {
  readonly tokens: string[];
  /** Null: nothing predicts the first token of a prompt. */
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

function createLogprobs(): Logprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

/** Adds a piece's tokens. @param offset of its first token in the answer. @returns where the next one begins */
function addLogprobs(to: Logprobs, piece: Piece, model: Model, offset: number): number {
  const textOf = (token: number) => (model.info.hasTokenizer ? model.tokenizer.decode([token]) : '');
  let at = offset;
  for (const { token, logprob, top } of textLogprobs(piece, model)) {
    const text = textOf(token);
    to.tokens.push(text);
    const isPredicted = !Number.isNaN(logprob);
    to.token_logprobs.push(isPredicted ? Math.max(logprob, -9999) : null);
    const likeliest = top.map((one) => [textOf(one.token), Math.max(one.logprob, -9999)]);
    to.top_logprobs.push(isPredicted ? (Object.fromEntries(likeliest) as Record<string, number>) : null);
    to.text_offset.push(at);
    at += text.length;
  }
  return at;
}

interface Answers {
  readonly model: Model;
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
  readonly frame: object;
  readonly hasLogprobs: boolean;
  readonly hasIds: boolean;
  readonly hasEcho: boolean;
  /** Of one prompt, how many are made, and how many of them are given. */
  readonly made: number;
  readonly n: number;
}

function finishOf(reason: Piece['finishReason']): string | null {
  if (reason === undefined) return null;
  return reason === 'length' || reason === 'context' ? 'length' : 'stop';
}

interface Choice {
  text: string;
  finish: string | null;
  offset: number;
  readonly logprobs: Logprobs;
  readonly ids: number[];
  /** Of the answer's tokens. */
  logprobSum: number;
}

/** The likeliest of each prompt's answers, in the order in which they were made where all are given. */
function givenOf(choices: readonly Choice[], { made, n }: Answers): readonly Choice[] {
  if (made === n) return choices;
  const mean = ({ logprobSum, ids }: Choice) => logprobSum / Math.max(ids.length, 1);
  const prompts = Array.from({ length: choices.length / made }, (_, prompt) => choices.slice(prompt * made, (prompt + 1) * made));
  return prompts.flatMap((own) => own.toSorted((a, b) => mean(b) - mean(a)).slice(0, n));
}

async function wholeAnswer(answers: Answers) {
  const { model, pieces, frame, hasLogprobs, hasIds, hasEcho, made } = answers;
  const choices: Choice[] = [];
  const sum = createUsageSum(made);
  const isPrompt = promptPieces(hasEcho);
  for await (const piece of pieces) {
    const choice = (choices[piece.index] ??= {
      text: '', finish: null, offset: 0, logprobs: createLogprobs(), ids: [], logprobSum: 0,
    });
    choice.text += piece.text;
    if (hasLogprobs) choice.offset = addLogprobs(choice.logprobs, piece, model, choice.offset);
    choice.finish = finishOf(piece.finishReason);
    if (isPrompt(piece)) continue;
    sum.add(piece);
    for (const { logprob } of piece.logprobs ?? []) choice.logprobSum += logprob;
    choice.ids.push(...piece.tokens);
  }
  return {
    ...frame,
    choices: givenOf(choices, answers).map(({ text, finish, logprobs, ids }, index) => ({
      index, text, logprobs: hasLogprobs ? logprobs : null, finish_reason: finish, ...(hasIds ? { token_ids: ids } : {}),
    })),
    usage: sum.usage(),
  };
}

async function* chunkEvents(
  { model, pieces, frame, hasLogprobs, hasIds, hasEcho, made }: Answers, hasUsage: boolean,
): AsyncGenerator<string, void, undefined> {
  const offsets: number[] = [];
  const sum = createUsageSum(made);
  const isPrompt = promptPieces(hasEcho);
  for await (const piece of pieces) {
    const { index, text, finishReason } = piece;
    const isOfPrompt = isPrompt(piece);
    if (!isOfPrompt) sum.add(piece);
    const logprobs = createLogprobs();
    if (hasLogprobs) offsets[index] = addLogprobs(logprobs, piece, model, offsets[index] ?? 0);
    if (text === '' && finishReason === undefined && logprobs.tokens.length === 0 && !hasIds) continue;
    const ids = hasIds ? { token_ids: isOfPrompt ? [] : piece.tokens } : {};
    const choice = { index, text, logprobs: hasLogprobs ? logprobs : null, finish_reason: finishOf(finishReason), ...ids };
    yield dataEvent({ ...frame, choices: [choice], ...(hasUsage ? { usage: null } : {}) });
  }
  if (hasUsage) yield dataEvent({ ...frame, choices: [], usage: sum.usage() });
  yield 'data: [DONE]\n\n';
}

/** @throws Failure (400) for parameters that contradict each other */
function checkTogether({ prompt, suffix = '', echo, best_of: best, n = 1, stream }: CompletionParameters): void {
  const refuse = (message: string, param: string) => {
    throw invalid(message, { param, code: 'invalid_value' });
  };
  if (best !== undefined && best < n) refuse(`best_of ${best} is fewer than n ${n}.`, 'best_of');
  if (best !== undefined && best > n && stream === true)
    refuse('best_of is not for streams: which answers are given is known at the end.', 'best_of');
  if (suffix === '') return;
  if (echo === true) refuse('echo and suffix contradict each other: an answer before a suffix is the text between.', 'echo');
  const isText = typeof prompt === 'string' || (Array.isArray(prompt) && prompt.every((one) => typeof one === 'string'));
  if (!isText) refuse('suffix is for prompts that are texts.', 'suffix');
}

/** What the engine is asked for, of all prompts. */
function answerRequests(parameters: CompletionParameters, model: Model): readonly AnswerRequest[] {
  const { logprobs, max_tokens: maxTokens = DEFAULT_TOKENS, echo, suffix = '', n = 1, best_of: best = n } = parameters;
  const own = {
    ...decodingOptions(parameters), n: best, maxTokens: Math.max(1, maxTokens), isPromptOnly: maxTokens === 0,
    logprobs: best > n ? (logprobs ?? 0) : logprobs,
  };
  const prompts = promptsOf(parameters.prompt);
  if (suffix === '')
    return prompts.map((one) => ({ ...own, echo: echo === true, ...(one.prompt === '' ? beginning(model) : one) }));
  // A filled-in text is one answer: several are asked for one by one.
  const seeds = Array.from({ length: best }, (_, index) => (own.seed === undefined ? undefined : own.seed + index));
  return prompts.flatMap((one) => seeds.map((seed) => ({ ...own, ...one, n: undefined, seed, suffix })));
}

export async function completions(call: Call): Promise<Response> {
  const parameters = typed<CompletionParameters>(call.parameters);
  const model = await findModel(call, parameters.model);
  call.figures.user = parameters.user;
  checkTogether(parameters);
  const { logprobs, n = 1, best_of: made = n } = parameters;
  const requests = answerRequests(parameters, model);
  const answers: Answers = {
    model,
    pieces: runGeneration(call, model, requests),
    frame: {
      id: `cmpl-${call.id.slice(4)}`, object: 'text_completion', created: Math.floor(Date.now() / 1000), model: parameters.model,
      system_fingerprint: fingerprintOf(model),
    },
    hasLogprobs: logprobs !== undefined,
    hasIds: parameters.return_token_ids === true,
    hasEcho: parameters.echo === true,
    made,
    n,
  };
  if (parameters.stream !== true) return Response.json(await wholeAnswer(answers));
  return eventStream(call, chunkEvents(answers, parameters.stream_options?.include_usage === true), { failureEvents });
}
