/** Every parameter of OpenAI's chat completions: obeyed, or refused by name. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { IMAGE_URL_PART } from '../images/request-content.ts';
import type { ContentPart as SeenPart, RequestContent } from '../images/request-content.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';
import { DECODING_PARAMETERS } from './decoding-parameters.ts';
import type { DecodingParameters } from './decoding-parameters.ts';
import { RESPONSE_FORMAT } from './response-format.ts';
import type { ResponseFormat } from './response-format.ts';
import { SOUND_PART } from './sound-part.ts';
import type { SoundPart } from './sound-part.ts';
import { SPOKEN_PARAMETERS } from './spoken-parameters.ts';
import type { SpokenParameters } from './spoken-parameters.ts';
import { TOOL_PARAMETERS } from './tools.ts';
import type { RequestTools } from './tools.ts';

const TEXT: Schema = { type: 'string' };
const TEXT_PART: Schema = {
  type: 'object',
  properties: { type: { enum: ['text'] }, text: TEXT },
  required: ['type', 'text'],
  additionalProperties: false,
};
function contentOf(...parts: readonly Schema[]): Schema {
  const [only] = parts;
  return { anyOf: [TEXT, { type: 'array', items: parts.length === 1 ? only! : { anyOf: parts }, minItems: 1, maxItems: 1000 }] };
}

const CONTENT: Schema = contentOf(TEXT_PART);
const NAME: Schema = { type: 'string', maxLength: 64, nullable: true, description: 'For the chat template, where it reads names.' };

const CALL: Schema = {
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 200 },
    type: { enum: ['function'] },
    function: {
      type: 'object',
      properties: { name: { type: 'string', minLength: 1, maxLength: 200 }, arguments: TEXT },
      required: ['name', 'arguments'],
      additionalProperties: false,
    },
  },
  required: ['id', 'type', 'function'],
  additionalProperties: false,
};

function message(role: readonly string[], own: Readonly<Record<string, Schema>>, required: readonly string[]): Schema {
  return {
    type: 'object', properties: { role: { enum: role }, ...own }, required: ['role', ...required], additionalProperties: false,
  };
}

const ASSISTANT = {
  content: { ...CONTENT, nullable: true },
  name: NAME,
  reasoning_content: { ...TEXT, nullable: true },
  refusal: { enum: [null] },
  tool_calls: { type: 'array', items: CALL, maxItems: 128, nullable: true },
} as const;
const TOOL = message(
  ['tool'], { content: CONTENT, tool_call_id: { type: 'string', maxLength: 200 }, name: NAME }, ['content', 'tool_call_id'],
);

function messages(...forms: readonly Schema[]): Schema {
  return { type: 'array', minItems: 1, maxItems: 10_000, items: { anyOf: forms } };
}

/** Of texts and images. */
export const MESSAGES: Schema = messages(
  message(['user'], { content: contentOf(TEXT_PART, IMAGE_URL_PART), name: NAME }, ['content']),
  message(['system', 'developer'], { content: CONTENT, name: NAME }, ['content']), message(['assistant'], ASSISTANT, []), TOOL,
);

const SPOKEN: Schema = {
  type: 'object', properties: { id: { type: 'string', minLength: 1, maxLength: 200 } }, required: ['id'], additionalProperties: false,
  nullable: true, description: 'An answer that was spoken, within the hour.',
};

/** With sounds of the user's too, and answers that were spoken. */
const CHAT_MESSAGES: Schema = messages(
  message(['system', 'developer'], { content: CONTENT, name: NAME }, ['content']),
  message(['user'], { content: contentOf(TEXT_PART, IMAGE_URL_PART, SOUND_PART), name: NAME }, ['content']),
  message(['assistant'], { ...ASSISTANT, audio: SPOKEN }, []),
  TOOL,
);

/** A text, an image or a sound. */
export type ChatPart = SeenPart | SoundPart;

export interface RequestMessage {
  readonly role: string;
  readonly content?: RequestContent;
  readonly name?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[] | null;
  readonly tool_call_id?: string;
}

/** As {@link RequestMessage}, with sounds and answers that were spoken. */
export interface ChatRequestMessage extends Omit<RequestMessage, 'content'> {
  readonly content?: string | readonly ChatPart[] | null | undefined;
  readonly audio?: { readonly id: string } | null;
}

export interface ChatParameters extends DecodingParameters, RequestTools {
  readonly messages: readonly ChatRequestMessage[];
  readonly max_completion_tokens?: number;
  readonly logprobs?: boolean;
  readonly reasoning_effort?: 'none';
  readonly response_format?: ResponseFormat;
  readonly top_logprobs?: number;
  readonly chat_template_kwargs?: Readonly<Record<string, JsonValue>>;
  readonly safety_identifier?: string;
  readonly modalities?: readonly ('text' | 'audio')[];
  readonly audio?: SpokenParameters;
}

export const CHAT_PARAMETERS: ParameterTable = {
  messages: {
    schema: CHAT_MESSAGES, isRequired: true, about: "The conversation; the model goes on with a last message of the assistant's.",
  },
  ...DECODING_PARAMETERS,
  ...TOOL_PARAMETERS,
  max_completion_tokens: {
    schema: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, about: 'Default: what the context has left.',
  },
  max_tokens: { schema: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, about: 'As max_completion_tokens.' },
  logprobs: { schema: { type: 'boolean' }, about: 'How likely each token of the answer was.' },
  top_logprobs: { schema: { type: 'integer', minimum: 0, maximum: 20 }, about: 'Only with logprobs.' },
  chat_template_kwargs: {
    schema: { type: 'object' }, about: "Beyond OpenAI's reference: variables of the chat template, such as enable_thinking.",
  },
  safety_identifier: { schema: { type: 'string', maxLength: 1000 }, about: 'As user.' },
  prompt_cache_key: { schema: { type: 'string', maxLength: 1000 }, about: 'Nothing to do: all prompts share one cache.' },
  service_tier: { refused: 'there is one tier; leave it out.', neutral: ['auto', 'default'] },
  store: { refused: 'answers are not stored; leave it out.', neutral: [false] },
  metadata: { refused: 'answers are not stored, and nothing with them; leave it out.', neutral: [{}] },
  modalities: {
    schema: { type: 'array', items: { enum: ['text', 'audio'] }, minItems: 1, maxItems: 2 },
    about: '["text"] (default), or ["text", "audio"]: the answer is spoken too. audio says how.',
  },
  audio: { table: SPOKEN_PARAMETERS, about: 'Of a spoken answer.' },
  prediction: { refused: 'predicted outputs speed nothing up here; leave it out.' },
  web_search_options: { refused: 'the server searches nothing; put what was found into a message.' },
  verbosity: { refused: 'say in a message how long the answer is to be.', neutral: ['medium'] },
  prompt_cache_retention: { refused: 'prompts are kept while memory lasts; leave it out.', neutral: ['in_memory', 'in-memory'] },
  prompt_cache_options: { refused: 'prompts are kept while memory lasts; leave it out.' },
  moderation: { refused: 'the server moderates nothing; leave it out.' },
  response_format: RESPONSE_FORMAT,
  reasoning_effort: {
    schema: { enum: ['none'] },
    about: 'none: without thoughts. How much a model thinks cannot be asked for; chat_template_kwargs has what its template reads.',
  },
  functions: { refused: 'it is out of use; see tools.', neutral: [[]] },
  function_call: { refused: 'it is out of use; see tool_choice.', neutral: ['none', 'auto'] },
};
