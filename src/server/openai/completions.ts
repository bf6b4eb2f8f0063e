/** `/v1/completions`: prompts that go on, whole and streamed. */
import type { Model, Piece } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { findModel, fingerprintOf } from '../find-model.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { runGeneration } from '../run-generation.ts';
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
}

export const COMPLETION_PARAMETERS: ParameterTable = {
  prompt: { schema: PROMPT, isRequired: true, about: 'A text, token ids, or several of one kind.' },
  ...DECODING_PARAMETERS,
  max_tokens: { schema: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, about: 'Default 16.' },
  logprobs: { schema: { type: 'integer', minimum: 0, maximum: 20 } },
  best_of: { refused: 'all answers that are made are given; use n.', neutral: [1] },
  echo: { refused: 'put the prompt before the answer where it is shown.', neutral: [false] },
  suffix: { refused: 'texts are continued, not filled in; leave it out.', neutral: [''] },
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
  readonly token_logprobs: number[];
  readonly top_logprobs: Record<string, number>[];
  readonly text_offset: number[];
}

function createLogprobs(): Logprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

/** Adds a piece's tokens. @param offset of its first token in the answer. @returns where the next one begins */
function addLogprobs(to: Logprobs, piece: Piece, model: Model, offset: number): number {
  const textOf = (token: number) => model.tokenizer?.decode([token]) ?? '';
  let at = offset;
  for (const { token, logprob, top } of textLogprobs(piece, model)) {
    const text = textOf(token);
    to.tokens.push(text);
    to.token_logprobs.push(Math.max(logprob, -9999));
    to.top_logprobs.push(Object.fromEntries(top.map((one) => [textOf(one.token), Math.max(one.logprob, -9999)])));
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
  /** Of one prompt. */
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
}

async function wholeAnswer({ model, pieces, frame, hasLogprobs, hasIds, n }: Answers) {
  const choices: Choice[] = [];
  const sum = createUsageSum(n);
  for await (const piece of pieces) {
    const choice = (choices[piece.index] ??= { text: '', finish: null, offset: 0, logprobs: createLogprobs(), ids: [] });
    choice.text += piece.text;
    if (hasIds) choice.ids.push(...piece.tokens);
    sum.add(piece);
    if (hasLogprobs) choice.offset = addLogprobs(choice.logprobs, piece, model, choice.offset);
    choice.finish = finishOf(piece.finishReason);
  }
  return {
    ...frame,
    choices: choices.map(({ text, finish, logprobs, ids }, index) => ({
      index, text, logprobs: hasLogprobs ? logprobs : null, finish_reason: finish, ...(hasIds ? { token_ids: ids } : {}),
    })),
    usage: sum.usage(),
  };
}

async function* chunkEvents(
  { model, pieces, frame, hasLogprobs, hasIds, n }: Answers, hasUsage: boolean,
): AsyncGenerator<string, void, undefined> {
  const offsets: number[] = [];
  const sum = createUsageSum(n);
  for await (const piece of pieces) {
    const { index, text, finishReason } = piece;
    sum.add(piece);
    const logprobs = createLogprobs();
    if (hasLogprobs) offsets[index] = addLogprobs(logprobs, piece, model, offsets[index] ?? 0);
    if (text === '' && finishReason === undefined && logprobs.tokens.length === 0 && !hasIds) continue;
    const ids = hasIds ? { token_ids: piece.tokens } : {};
    const choice = { index, text, logprobs: hasLogprobs ? logprobs : null, finish_reason: finishOf(finishReason), ...ids };
    yield dataEvent({ ...frame, choices: [choice], ...(hasUsage ? { usage: null } : {}) });
  }
  if (hasUsage) yield dataEvent({ ...frame, choices: [], usage: sum.usage() });
  yield 'data: [DONE]\n\n';
}

export async function completions(call: Call): Promise<Response> {
  const parameters = typed<CompletionParameters>(call.parameters);
  const model = await findModel(call, parameters.model);
  call.figures.user = parameters.user;
  const { logprobs, max_tokens: maxTokens = DEFAULT_TOKENS } = parameters;
  const options = { ...decodingOptions(parameters), maxTokens, logprobs };
  const requests = promptsOf(parameters.prompt).map((one) => ({ ...options, ...(one.prompt === '' ? beginning(model) : one) }));
  const answers: Answers = {
    model,
    pieces: runGeneration(call, model, requests),
    frame: {
      id: `cmpl-${call.id.slice(4)}`, object: 'text_completion', created: Math.floor(Date.now() / 1000), model: parameters.model,
      system_fingerprint: fingerprintOf(model),
    },
    hasLogprobs: logprobs !== undefined,
    hasIds: parameters.return_token_ids === true,
    n: parameters.n ?? 1,
  };
  if (parameters.stream !== true) return Response.json(await wholeAnswer(answers));
  return eventStream(call, chunkEvents(answers, parameters.stream_options?.include_usage === true), { failureEvents });
}
