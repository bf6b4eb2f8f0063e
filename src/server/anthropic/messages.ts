/** `/v1/messages` and `/v1/messages/count_tokens`, in Anthropic's form. */
import { createPartCollector } from '../../text/answers/collect-parts.ts';
import type { AnswerPart } from '../../text/answers/answer-parts.ts';
import type { FinalPiece, FinishReason, Piece } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { toldCallId } from '../call-ids.ts';
import { eventStream } from '../event-stream.ts';
import { findModel } from '../find-model.ts';
import { checkImagePixels, fetchImages } from '../images/fetch-images.ts';
import { drawnFrom, typed } from '../openai/decoding-parameters.ts';
import { runGeneration } from '../run-generation.ts';
import { eventOf, failureEvents } from './error-form.ts';
import type { MessageParameters, PromptParameters } from './message-parameters.ts';
import { promptOptions } from './prompt-options.ts';

const STOP: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn', tool_calls: 'tool_use', length: 'max_tokens', context: 'max_tokens',
};

interface Answer {
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
  /** What is the same in the message and in its first event. */
  readonly frame: object;
  /** Tokens of the prompt that are not in the cache, as soon as they are known. */
  readonly newTokens: () => number;
}

/** Here tokens of the prompt that were there already do not count as input. */
function usageOf({ usage: { promptTokens, cachedTokens, completionTokens } }: FinalPiece) {
  return {
    input_tokens: promptTokens - cachedTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}

function endOf({ finishReason, stopText }: FinalPiece) {
  return { stop_reason: stopText === undefined ? STOP[finishReason] : 'stop_sequence', stop_sequence: stopText ?? null };
}

async function wholeMessage({ pieces, frame }: Answer) {
  const collector = createPartCollector();
  let last: FinalPiece | undefined;
  for await (const piece of pieces) {
    collector.add(piece.parts);
    if (piece.finishReason !== undefined) last = piece;
  }
  const { content, reasoning, toolCalls } = collector.content();
  return {
    ...frame,
    content: [
      ...(reasoning === '' ? [] : [{ type: 'thinking', thinking: reasoning, signature: '' }]),
      ...(content === '' ? [] : [{ type: 'text', text: content }]),
      ...toolCalls.map(({ id, name, arguments: input }) => ({ type: 'tool_use', id: toldCallId(id, 'toolUse'), name, input })),
    ],
    ...endOf(last as FinalPiece),
    usage: usageOf(last as FinalPiece),
  };
}

/** The block that a part begins or belongs to: calls each have one. */
function blockKey(part: AnswerPart): string {
  return part.kind === 'toolCall' ? `toolCall ${part.index}` : part.kind;
}

function blockStart(part: AnswerPart): object {
  if (part.kind === 'text') return { type: 'text', text: '' };
  if (part.kind === 'reasoning') return { type: 'thinking', thinking: '', signature: '' };
  return { type: 'tool_use', id: toldCallId(part.id, 'toolUse'), name: part.phase === 'arguments' ? '' : part.name, input: {} };
}

function blockDelta(part: AnswerPart): object | undefined {
  if (part.kind === 'text') return { type: 'text_delta', text: part.text };
  if (part.kind === 'reasoning') return { type: 'thinking_delta', thinking: part.text };
  return part.phase === 'arguments' ? { type: 'input_json_delta', partial_json: part.text } : undefined;
}

/** Blocks one behind the other, as parts come. */
function createBlocks() {
  let [index, open]: [number, string | undefined] = [-1, undefined];
  const close = () => {
    if (open === undefined) return '';
    open = undefined;
    return eventOf({ type: 'content_block_stop', index });
  };
  return {
    close,
    add(part: AnswerPart): string {
      // A mark alone, or a text of nothing.
      if (part.kind !== 'toolCall' && part.text === '') return '';
      let events = '';
      const key = blockKey(part);
      if (key !== open) {
        events += close();
        open = key;
        index++;
        events += eventOf({ type: 'content_block_start', index, content_block: blockStart(part) });
      }
      const delta = blockDelta(part);
      return delta === undefined ? events : events + eventOf({ type: 'content_block_delta', index, delta });
    },
  };
}

async function* messageEvents({ pieces, frame, newTokens }: Answer): AsyncGenerator<string, void, undefined> {
  const blocks = createBlocks();
  let hasBegun = false;
  for await (const piece of pieces) {
    let events = '';
    if (!hasBegun) {
      const usage = { input_tokens: newTokens(), cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 };
      const message = { ...frame, content: [], stop_reason: null, stop_sequence: null, usage };
      events += eventOf({ type: 'message_start', message });
      hasBegun = true;
    }
    for (const part of piece.parts) events += blocks.add(part);
    if (piece.finishReason !== undefined) {
      events += blocks.close() + eventOf({ type: 'message_delta', delta: endOf(piece), usage: usageOf(piece) });
      events += eventOf({ type: 'message_stop' });
    }
    if (events !== '') yield events;
  }
}

export async function messages(call: Call): Promise<Response> {
  const parameters = typed<MessageParameters>(call.parameters);
  const model = await findModel(call, parameters.model);
  call.figures.user = parameters.metadata?.user_id ?? undefined;
  const { stop_sequences: stop = [], max_tokens: maxTokens, temperature } = parameters;
  let newTokens = 0;
  const request = {
    ...promptOptions(parameters), maxTokens, temperature, ...drawnFrom(parameters), stop: stop.length === 0 ? undefined : stop,
    onProgress: ({ total }: { readonly total?: number | undefined }) => void (newTokens = total ?? 0),
  };
  const answer: Answer = {
    pieces: runGeneration(call, model, [request]),
    frame: { id: `msg_${call.id.slice(4)}`, type: 'message', role: 'assistant', model: parameters.model },
    newTokens: () => newTokens,
  };
  if (parameters.stream !== true) return Response.json(await wholeMessage(answer));
  return eventStream(call, messageEvents(answer), { failureEvents, heartbeat: eventOf({ type: 'ping' }) });
}

export async function countTokens(call: Call): Promise<Response> {
  const parameters = typed<PromptParameters>(call.parameters);
  const model = await findModel(call, parameters.model);
  const { messages: asked = [], ...options } = promptOptions(parameters);
  const [own] = await fetchImages(call, model, [asked]);
  checkImagePixels(call, model, own);
  return Response.json({ input_tokens: model.countTokens({ ...options, messages: own }).tokens });
}
