/** `/v1/chat/completions`, whole and streamed. */
import type { FinishReason, Model, Piece } from '../../engine/api.ts';
import type { AnswerPart } from '../../text/answers/answer-parts.ts';
import type { Call } from '../call.ts';
import { toldCallId } from '../call-ids.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { checkKind, checkModelOf, findModel, fingerprintOf } from '../find-model.ts';
import { runGeneration } from '../run-generation.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { ChatParameters, RequestMessage } from './chat-parameters.ts';
import { engineMessages } from './chat-message.ts';
import { decodingOptions, typed } from './decoding-parameters.ts';
import { failureEvents } from './error-form.ts';
import { contentLogprobs } from './logprobs.ts';
import type { ContentEntry } from './logprobs.ts';
import { formatOf } from './response-format.ts';
import { textMessages } from './sound-parts.ts';
import { spokenChat, talkedChat } from './spoken-chat.ts';
import { spokenOf } from './spoken-of.ts';
import { toolOptions } from './tools.ts';
import { createUsageSum } from './usage.ts';

/** What is the same in all chunks of an answer. */
interface Frame {
  readonly id: string;
  readonly object: 'chat.completion' | 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** @throws Failure (400) for parameters that contradict each other */
function checkTogether(parameters: ChatParameters): void {
  const { max_tokens: old, max_completion_tokens: most, logprobs, top_logprobs: top } = parameters;
  if (old !== undefined && most !== undefined && old !== most)
    throw invalid('max_tokens and max_completion_tokens contradict each other: give one of them.', {
      param: 'max_tokens', code: 'invalid_value',
    });
  if (top !== undefined && logprobs !== true)
    throw invalid('top_logprobs is only for requests with logprobs true.', { param: 'top_logprobs', code: 'invalid_value' });
}

function answerRequest(parameters: ChatParameters, messages: readonly RequestMessage[]): AnswerRequest {
  const { logprobs, top_logprobs: top, max_tokens: old, max_completion_tokens: most } = parameters;
  return {
    ...decodingOptions(parameters),
    messages: engineMessages(messages),
    maxTokens: most ?? old,
    logprobs: logprobs === true ? (top ?? 0) : undefined,
    templateVariables: parameters.chat_template_kwargs,
    reasoning: parameters.reasoning_effort === 'none' ? false : undefined,
    format: formatOf(parameters.response_format),
    ...toolOptions(parameters),
  };
}

const FINISH: Readonly<Record<FinishReason, string>> = { stop: 'stop', tool_calls: 'tool_calls', length: 'length', context: 'length' };

interface Answers {
  readonly model: Model;
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
  readonly frame: Frame;
  readonly hasLogprobs: boolean;
  readonly hasIds: boolean;
}

interface CallText {
  readonly id: string;
  readonly name: string;
  arguments: string;
}

interface Choice {
  content: string;
  reasoning: string;
  readonly calls: CallText[];
  finish: string;
  readonly logprobs: ContentEntry[];
  readonly ids: number[];
}

function addParts(choice: Choice, parts: Piece['parts']): void {
  for (const part of parts) {
    if (part.kind === 'text') choice.content += part.text;
    else if (part.kind === 'reasoning') choice.reasoning += part.text;
    else if (part.phase === 'start')
      choice.calls[part.index] = { id: toldCallId(part.id, 'call'), name: part.name, arguments: '' };
    else if (part.phase === 'arguments') (choice.calls[part.index] as CallText).arguments += part.text;
  }
}

function choiceJson({ content, reasoning, calls, finish, logprobs }: Choice, index: number, hasLogprobs: boolean) {
  const toolCalls = calls.map(({ id, name, arguments: text }) => ({ id, type: 'function', function: { name, arguments: text } }));
  return {
    index,
    message: {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(calls.length === 0 ? {} : { tool_calls: toolCalls }),
    },
    logprobs: hasLogprobs ? { content: logprobs, refusal: null } : null,
    finish_reason: finish,
  };
}

async function wholeAnswer({ model, pieces, frame, hasLogprobs, hasIds }: Answers) {
  const choices: Choice[] = [];
  const sum = createUsageSum();
  for await (const piece of pieces) {
    const choice = (choices[piece.index] ??= { content: '', reasoning: '', calls: [], finish: '', logprobs: [], ids: [] });
    addParts(choice, piece.parts);
    sum.add(piece);
    if (hasIds) choice.ids.push(...piece.tokens);
    if (hasLogprobs) choice.logprobs.push(...contentLogprobs(piece, model));
    if (piece.finishReason !== undefined) choice.finish = FINISH[piece.finishReason];
  }
  const ofIds = ({ ids }: Choice) => (hasIds ? { token_ids: ids } : {});
  const all = choices.map((choice, index) => ({ ...choiceJson(choice, index, hasLogprobs), ...ofIds(choice) }));
  return { ...frame, choices: all, usage: sum.usage() };
}

/** What a part adds to an answer's message, as a delta; undefined where that is nothing. */
function deltaOf(part: AnswerPart): object | undefined {
  if (part.kind === 'text') return part.text === '' ? undefined : { content: part.text };
  if (part.kind === 'reasoning') return part.text === '' ? undefined : { reasoning_content: part.text };
  const { index } = part;
  if (part.phase === 'start')
    return { tool_calls: [{ index, id: toldCallId(part.id, 'call'), type: 'function', function: { name: part.name, arguments: '' } }] };
  return part.phase === 'arguments' ? { tool_calls: [{ index, function: { arguments: part.text } }] } : undefined;
}

/** Neighbours of one kind as one, so that a piece of many tokens is a chunk. */
function joinedParts(parts: readonly AnswerPart[]): readonly AnswerPart[] {
  if (parts.length < 2) return parts;
  const joined: AnswerPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.kind !== 'toolCall' && last?.kind === part.kind) joined[joined.length - 1] = { ...part, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}

/** Events in the order of OpenAI's: the role, what is said, the finish reason, the usage where asked for, `[DONE]`. */
async function* chunkEvents(
  { model, pieces, frame, hasLogprobs, hasIds }: Answers, hasUsage: boolean,
): AsyncGenerator<string, void, undefined> {
  const begun = new Set<number>();
  const sum = createUsageSum();
  // What all chunks have in common is made text once.
  const [head, end] = [`data: ${JSON.stringify(frame).slice(0, -1)},"choices":`, `${hasUsage ? ',"usage":null' : ''}}\n\n`];
  const event = (index: number, delta: object, rest?: object) =>
    head + JSON.stringify([{ index, delta, logprobs: null, finish_reason: null, ...rest }]) + end;
  for await (const piece of pieces) {
    const { index, finishReason } = piece;
    sum.add(piece);
    let events = begun.has(index) ? '' : event(index, { role: 'assistant', content: '', refusal: null });
    begun.add(index);
    const deltas = joinedParts(piece.parts).flatMap((part) => deltaOf(part) ?? []);
    const entries = hasLogprobs ? contentLogprobs(piece, model) : [];
    if (deltas.length === 0 && (entries.length > 0 || hasIds)) deltas.push({ content: '' });
    for (const [at, delta] of deltas.entries()) {
      const logprobs = at === 0 && entries.length > 0 ? { logprobs: { content: entries, refusal: null } } : undefined;
      events += event(index, delta, hasIds && at === 0 ? { ...logprobs, token_ids: piece.tokens } : logprobs);
    }
    if (finishReason !== undefined) events += event(index, {}, { finish_reason: FINISH[finishReason] });
    if (events !== '') yield events;
  }
  if (hasUsage) yield dataEvent({ ...frame, choices: [], usage: sum.usage() });
  yield 'data: [DONE]\n\n';
}

export async function chatCompletions(call: Call): Promise<Response> {
  const parameters = typed<ChatParameters>(call.parameters);
  call.figures.user = parameters.safety_identifier ?? parameters.user;
  const spoken = spokenOf(parameters);
  const name = checkModelOf(call, parameters.model);
  if (call.state.models.describe(name).kind === 'talk') return talkedChat(call, parameters, spoken);
  checkKind(call, parameters.model, 'text');
  checkTogether(parameters);
  const request = answerRequest(parameters, await textMessages(call, parameters.messages));
  if (spoken !== undefined) return spokenChat(call, parameters, spoken, request);
  const model = await findModel(call, parameters.model);
  const isStream = parameters.stream === true;
  const answers: Answers = {
    model,
    pieces: runGeneration(call, model, [request]),
    frame: {
      id: `chatcmpl-${call.id.slice(4)}`,
      object: isStream ? 'chat.completion.chunk' : 'chat.completion',
      created: Math.floor(Date.now() / 1000),
      model: parameters.model,
      system_fingerprint: fingerprintOf(model),
    },
    hasLogprobs: parameters.logprobs === true,
    hasIds: parameters.return_token_ids === true,
  };
  if (!isStream) return Response.json(await wholeAnswer(answers));
  return eventStream(call, chunkEvents(answers, parameters.stream_options?.include_usage === true), { failureEvents });
}
