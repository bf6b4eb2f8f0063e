/** `/v1/responses`, whole and streamed; kept where the server keeps anything and the request does not say otherwise. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { FinalPiece, Piece } from '../../engine/api.ts';
import type { Call } from '../call.ts';
import { eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import type { Failure } from '../failure.ts';
import { findModel } from '../find-model.ts';
import { checkMetadata } from '../metadata.ts';
import { engineMessages } from '../openai/chat-message.ts';
import { drawnFrom, typed } from '../openai/decoding-parameters.ts';
import { formatOf } from '../openai/response-format.ts';
import type { ResponseFormat } from '../openai/response-format.ts';
import { toolOptions } from '../openai/tools.ts';
import { runGeneration } from '../run-generation.ts';
import type { AnswerRequest } from '../run-generation.ts';
import { chatTools, inputMessages } from './input-messages.ts';
import { createOutputItems } from './output-items.ts';
import type { ResponseEvent } from './output-items.ts';
import type { InputItem, ResponseParameters } from './response-parameters.ts';
import { historyOf, keepResponse } from './stored-responses.ts';

/** The flat form of a schema here is the nested one of chats. */
function chatFormat(format: NonNullable<ResponseParameters['text']>['format']): ResponseFormat | undefined {
  if (!format) return undefined;
  return 'schema' in format ? { type: 'json_schema', json_schema: format } : { type: format.type as 'text' | 'json_object' };
}

function answerRequest(parameters: ResponseParameters, history: readonly InputItem[]): AnswerRequest {
  return {
    messages: engineMessages(inputMessages(parameters, history)),
    maxTokens: parameters.max_output_tokens,
    temperature: parameters.temperature,
    ...drawnFrom(parameters),
    format: formatOf(chatFormat(parameters.text?.format)),
    contextPolicy: parameters.truncation === 'auto' ? 'slide' : undefined,
    ...toolOptions(chatTools(parameters)),
  };
}

/** @throws Failure (400) for what only a server that keeps responses can do */
function isKept({ store, metadata }: ResponseParameters, { state }: Call): boolean {
  const refused = store === true ? 'store' : metadata !== undefined && Object.keys(metadata).length > 0 ? 'metadata' : undefined;
  if (state.store === undefined && refused !== undefined)
    throw invalid(`${refused} is not obeyed here: this server keeps no responses. Leave it out.`, {
      param: refused, code: 'unsupported_parameter',
    });
  return state.store !== undefined && store !== false;
}

/** What a response says of its request. */
function frameOf(parameters: ResponseParameters, call: Call) {
  const { model, instructions = null, max_output_tokens: most = null, temperature = null, top_p: topP = null } = parameters;
  return {
    id: `resp_${call.id.slice(4)}`, object: 'response', created_at: Math.floor(Date.now() / 1000), model, instructions,
    max_output_tokens: most, temperature, top_p: topP, tools: parameters.tools ?? [], tool_choice: parameters.tool_choice ?? 'auto',
    parallel_tool_calls: true, text: { format: parameters.text?.format ?? { type: 'text' } },
    truncation: parameters.truncation ?? 'disabled',
    previous_response_id: parameters.previous_response_id ?? null, store: isKept(parameters, call), metadata: parameters.metadata ?? {},
    error: null, incomplete_details: null, background: false,
  };
}

function usageOf({ usage: { promptTokens, cachedTokens, completionTokens } }: FinalPiece, reasoningTokens: number) {
  return {
    input_tokens: promptTokens, input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens, output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  };
}

interface Answer {
  /** Resolves when the response is durable, where it shall be kept. */
  readonly keep: (response: JsonObject) => Promise<void>;
  readonly pieces: AsyncGenerator<Piece, void, undefined>;
  readonly frame: ReturnType<typeof frameOf>;
}

/** Events of a response, in their order; the last one has all of it. */
async function* responseEvents({ pieces, frame, keep }: Answer): AsyncGenerator<ResponseEvent, void, undefined> {
  const items = createOutputItems(frame.id.slice('resp_'.length));
  let [hasBegun, reasoning]: [boolean, number] = [false, 0];
  for await (const piece of pieces) {
    if (!hasBegun) {
      const response = { ...frame, status: 'in_progress', output: [] };
      yield { type: 'response.created', response };
      yield { type: 'response.in_progress', response };
      hasBegun = true;
    }
    for (const part of piece.parts) {
      if (part.kind === 'reasoning') reasoning += part.tokens.length;
      yield* items.add(part);
    }
    if (piece.finishReason === undefined) continue;
    const isCut = piece.finishReason === 'length' || piece.finishReason === 'context';
    yield* items.end(isCut);
    const status = isCut ? 'incomplete' : 'completed';
    const incomplete = isCut ? { reason: 'max_output_tokens' } : null;
    const response = { ...frame, status, incomplete_details: incomplete, output: items.json(), usage: usageOf(piece, reasoning) };
    // Who has seen the end of a response can go on with it.
    await keep(response as unknown as JsonObject);
    yield { type: `response.${status}`, response };
  }
}

/** Numbers events, and those of a failure behind them. */
function createNumbering() {
  let next = 0;
  const printed = (event: ResponseEvent) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: next++ })}\n\n`;
  return {
    async *print(events: AsyncIterable<ResponseEvent>): AsyncGenerator<string, void, undefined> {
      for await (const event of events) yield printed(event);
    },
    failureEvents: ({ message, code, param }: Failure) => printed({ type: 'error', code: code ?? null, message, param: param ?? null }),
  };
}

export async function responses(call: Call): Promise<Response> {
  const parameters = typed<ResponseParameters>(call.parameters);
  const model = await findModel(call, parameters.model);
  call.figures.user = parameters.safety_identifier ?? parameters.user;
  checkMetadata(parameters.metadata ?? {});
  const frame = frameOf(parameters, call);
  const history = await historyOf(call, parameters.previous_response_id);
  const answer: Answer = {
    frame, pieces: runGeneration(call, model, [answerRequest(parameters, history)]),
    keep: async (response) => (frame.store ? keepResponse(call, parameters, response) : undefined),
  };
  if (parameters.stream === true) {
    const { print, failureEvents } = createNumbering();
    return eventStream(call, print(responseEvents(answer)), { failureEvents });
  }
  let last: ResponseEvent | undefined;
  for await (const event of responseEvents(answer)) last = event;
  return Response.json(last?.['response']);
}
