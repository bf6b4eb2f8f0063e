/** `/api/chat`. */
import type { ChatMessage } from '../../engine/api.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { Call } from '../call.ts';
import { typed } from '../openai/decoding-parameters.ts';
import { functionTool } from '../openai/tools.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { runGeneration } from '../run-generation.ts';
import type { Schema } from '../schema.ts';
import { contentOf, IMAGES } from './image-content.ts';
import { answerOptions, findOllamaModel, keepAliveMs, unloadModel } from './answer-options.ts';
import { loadedAnswer, respond } from './answer-lines.ts';
import type { Said } from './answer-lines.ts';
import { ANSWER_PARAMETERS } from './option-parameters.ts';
import type { AnswerParameters } from './option-parameters.ts';

const TEXT: Schema = { type: 'string' };
const CALL: Schema = {
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 200 }, type: { enum: ['function'] },
    function: {
      type: 'object',
      properties: { index: { type: 'integer' }, name: { type: 'string', minLength: 1, maxLength: 200 }, arguments: { type: 'object' } },
      required: ['name', 'arguments'], additionalProperties: false,
    },
  },
  required: ['function'],
  additionalProperties: false,
};

const MESSAGE: Schema = {
  type: 'object',
  properties: {
    role: { enum: ['system', 'user', 'assistant', 'tool'] },
    content: { ...TEXT, nullable: true },
    thinking: { ...TEXT, nullable: true },
    images: IMAGES,
    tool_calls: { type: 'array', items: CALL, maxItems: 128, nullable: true },
    tool_name: { type: 'string', maxLength: 200, nullable: true },
    tool_call_id: { type: 'string', maxLength: 200, nullable: true },
  },
  required: ['role'],
  additionalProperties: false,
};

interface OllamaMessage {
  readonly role: string;
  readonly content?: string | null;
  readonly thinking?: string | null;
  readonly images?: readonly string[] | null;
  readonly tool_calls?:
    | readonly { readonly id?: string; readonly function: { readonly name: string; readonly arguments: JsonObject } }[] | null;
  readonly tool_name?: string | null;
  readonly tool_call_id?: string | null;
}

interface ChatParameters extends AnswerParameters {
  readonly messages?: readonly OllamaMessage[];
  readonly tools?: readonly { readonly function: JsonObject }[];
}

export const OLLAMA_CHAT_PARAMETERS: ParameterTable = {
  ...ANSWER_PARAMETERS,
  messages: {
    schema: { type: 'array', items: MESSAGE, maxItems: 10_000 }, about: 'None: the model is loaded, or freed where keep_alive is 0.',
  },
  tools: {
    schema: { type: 'array', items: functionTool(), maxItems: 128 }, about: 'Functions; refused where the chat template reads none.',
  },
};

/** Calls have no ids in this form, and their results come in their order. */
function engineMessages(messages: readonly OllamaMessage[]): ChatMessage[] {
  let open: string[] = [];
  return messages.map(({ role, content, thinking, images, tool_calls: calls, tool_name: toolName, tool_call_id: callId }, at) => {
    const named = (calls ?? []).map((one, index) => ({ id: one.id ?? `call_${at}_${index}`, ...one.function }));
    if (named.length > 0) open = named.map(({ id }) => id);
    const id = role === 'tool' ? (callId ?? open.shift()) : undefined;
    return {
      role, content: contentOf(content, images),
      ...(thinking ? { reasoning_content: thinking } : {}),
      ...(toolName ? { name: toolName } : {}),
      ...(id === undefined ? {} : { tool_call_id: id }),
      ...(named.length === 0
        ? {}
        : { tool_calls: named.map((one) => ({ id: one.id, type: 'function', function: { name: one.name, arguments: one.arguments } })) }),
    };
  });
}

function messageOf({ content, thinking, calls }: Said) {
  return {
    message: {
      role: 'assistant', content,
      ...(thinking === '' ? {} : { thinking }),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(({ name, arguments: given }) => ({ function: { name, arguments: given } })) }),
    },
  };
}

export async function ollamaChat(call: Call): Promise<Response> {
  const parameters = typed<ChatParameters>(call.parameters);
  const { model: name, messages = [], tools = [], think, keep_alive: keep } = parameters;
  if (messages.length === 0 && keepAliveMs(keep) === 0) {
    await unloadModel(call, name);
    return loadedAnswer(name, messageOf, 'unload');
  }
  const options = answerOptions(parameters);
  const model = await findOllamaModel(call, parameters);
  const loadMs = performance.now() - call.startedAt;
  if (messages.length === 0) return loadedAnswer(name, messageOf, 'load');
  const request = {
    ...options, messages: engineMessages(messages), reasoning: think,
    tools: tools.length === 0 ? undefined : tools.map(({ function: own }) => ({ type: 'function', function: own })),
  };
  const pieces = runGeneration(call, model, [request]);
  const hasLogprobs = parameters.logprobs === true;
  return respond({ call, model, name, pieces, loadMs, hasLogprobs, body: messageOf }, parameters.stream !== false);
}
