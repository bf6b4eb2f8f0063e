/** Every parameter of OpenAI's responses: obeyed, or refused by name. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { INPUT_IMAGE } from '../images/request-content.ts';
import { METADATA } from '../metadata.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';

const TEXT: Schema = { type: 'string' };
const NAME: Schema = { type: 'string', minLength: 1, maxLength: 128 };
const ID: Schema = { type: 'string', maxLength: 200, nullable: true };
const CALL_ID: Schema = { type: 'string', maxLength: 200 };
const STATUS: Schema = { enum: ['in_progress', 'completed', 'incomplete', null] };

function object(properties: Readonly<Record<string, Schema>>, required: readonly string[]): Schema {
  return { type: 'object', properties, required, additionalProperties: false };
}

const INPUT_TEXT = object({ type: { enum: ['input_text'] }, text: TEXT }, ['type', 'text']);
const OUTPUT_TEXT = object(
  { type: { enum: ['output_text'] }, text: TEXT, annotations: { type: 'array', maxItems: 0 }, logprobs: { type: 'array', maxItems: 0 } },
  ['type', 'text'],
);
const texts = (...parts: readonly Schema[]): Schema => ({ anyOf: [TEXT, { type: 'array', items: { anyOf: parts }, maxItems: 1000 }] });

const ITEM: Schema = {
  anyOf: [
    object(
      {
        type: { enum: ['message'] }, role: { enum: ['user', 'assistant', 'system', 'developer'] },
        content: texts(INPUT_TEXT, OUTPUT_TEXT, INPUT_IMAGE), id: ID, status: STATUS, phase: { enum: [null] },
      },
      ['role', 'content'],
    ),
    object(
      { type: { enum: ['function_call'] }, call_id: CALL_ID, name: NAME, arguments: TEXT, id: ID, status: STATUS },
      ['type', 'call_id', 'name', 'arguments'],
    ),
    object(
      { type: { enum: ['function_call_output'] }, call_id: CALL_ID, output: texts(INPUT_TEXT), id: ID, status: STATUS },
      ['type', 'call_id', 'output'],
    ),
    object(
      {
        type: { enum: ['reasoning'] }, id: ID, summary: { type: 'array', maxItems: 0 }, encrypted_content: { enum: [null] }, status: STATUS,
        content: { type: 'array', items: object({ type: { enum: ['reasoning_text'] }, text: TEXT }, ['type', 'text']) },
      },
      ['type'],
    ),
  ],
};

const FORMAT: Schema = {
  anyOf: [
    object({ type: { enum: ['text', 'json_object'] } }, ['type']),
    object(
      {
        type: { enum: ['json_schema'] }, name: NAME, schema: { type: 'object' }, description: { ...TEXT, nullable: true },
        strict: { type: 'boolean', nullable: true },
      },
      ['type', 'name', 'schema'],
    ),
  ],
};

const TOOL = object(
  {
    type: { enum: ['function'] }, name: NAME, description: { ...TEXT, nullable: true }, parameters: { type: 'object', nullable: true },
    strict: { type: 'boolean', nullable: true, description: 'True only where tool_choice asks for a call; false where it is left out.' },
  },
  ['type', 'name'],
);

type MessagePart = { readonly text: string } | { readonly image_url: string; readonly detail?: string | null };

export type InputItem =
  | { readonly type?: 'message'; readonly role: string; readonly content: string | readonly MessagePart[] }
  | { readonly type: 'function_call'; readonly call_id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'function_call_output'; readonly call_id: string; readonly output: string | readonly { readonly text: string }[] }
  | { readonly type: 'reasoning'; readonly content?: readonly { readonly text: string }[] };

export type TextFormat =
  | { readonly type: 'text' | 'json_object' }
  | { readonly type: 'json_schema'; readonly schema: JsonObject; readonly strict?: boolean | null };

export interface ResponseParameters {
  readonly model: string;
  readonly input: string | readonly InputItem[];
  readonly instructions?: string;
  readonly max_output_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly stream?: boolean;
  readonly text?: { readonly format?: TextFormat | null };
  readonly tools?: readonly { readonly type: 'function'; readonly name: string }[];
  readonly tool_choice?: 'none' | 'auto' | 'required' | { readonly type: 'function'; readonly name: string };
  readonly truncation?: 'auto' | 'disabled';
  readonly user?: string;
  readonly safety_identifier?: string;
  readonly previous_response_id?: string;
  readonly store?: boolean;
  readonly metadata?: JsonObject;
}

export const RESPONSE_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  input: {
    schema: { anyOf: [TEXT, { type: 'array', items: ITEM, minItems: 1, maxItems: 10_000 }] }, isRequired: true,
    about: "A user's text, or messages, calls, their results and reasoning.",
  },
  instructions: { schema: TEXT, about: "The system's message." },
  max_output_tokens: { schema: { type: 'integer', minimum: 1 }, about: 'Default: what the context has left.' },
  temperature: { schema: { type: 'number', minimum: 0, maximum: 2 }, about: "Default: the model's own, as for the next one." },
  top_p: { schema: { type: 'number', minimum: 0, maximum: 1 }, about: '0: the likeliest token alone.' },
  stream: { schema: { type: 'boolean' }, about: 'The answer as it comes, as server-sent events.' },
  stream_options: {
    schema: object({ include_obfuscation: { enum: [false, null] } }, []), about: 'Nothing to choose: events are not padded.',
  },
  text: {
    schema: object({ format: { ...FORMAT, nullable: true }, verbosity: { enum: ['medium', null] } }, []),
    about: 'format holds the answer to JSON, or to a JSON Schema.',
  },
  tools: { schema: { type: 'array', items: TOOL, maxItems: 128 }, about: 'Functions; refused where the chat template reads none.' },
  tool_choice: {
    schema: { anyOf: [{ enum: ['none', 'auto', 'required'] }, object({ type: { enum: ['function'] }, name: NAME }, ['type', 'name'])] },
    about: 'required and a named function hold the answer to a call whose arguments are valid by their schema.',
  },
  truncation: { schema: { enum: ['auto', 'disabled'] }, about: 'auto: oldest turns are left out where the context is too short.' },
  user: { schema: { type: 'string', maxLength: 1000 }, about: 'Stands in the record of the request.' },
  safety_identifier: { schema: { type: 'string', maxLength: 1000 }, about: 'As user.' },
  prompt_cache_key: { schema: { type: 'string', maxLength: 1000 }, about: 'Nothing to do: all prompts share one cache.' },
  previous_response_id: {
    schema: { type: 'string', minLength: 1, maxLength: 200 },
    about: 'A response that is kept: its conversation, without its instructions, goes before the input. Refused where none is kept.',
  },
  store: {
    schema: { type: 'boolean' },
    about: 'Whether the response is kept; default true where the server keeps any, and refused where it does not.',
  },
  metadata: { schema: METADATA, about: 'At most 16 texts of at most 512 characters, kept with the response; refused where none is.' },
  conversation: { refused: 'conversations are kept by their responses: use previous_response_id, or send all of it as input.' },
  background: { refused: 'use stream, or /v1/batches.', neutral: [false] },
  prompt: { refused: 'the server has no templates of prompts; send the text.' },
  include: { refused: 'there is nothing further to include; /v1/chat/completions has logprobs.', neutral: [[]] },
  top_logprobs: { refused: 'use /v1/chat/completions, which has logprobs.', neutral: [0] },
  reasoning: { refused: 'how much a model thinks cannot be asked for here; leave it out.', neutral: [{}] },
  parallel_tool_calls: { refused: 'an answer may have several calls; ask for one in a message.', neutral: [true] },
  context_management: { refused: 'use truncation, or leave old turns out of the input.', neutral: [[]] },
  moderation: { refused: 'the server moderates nothing; leave it out.' },
  service_tier: { refused: 'there is one tier; leave it out.', neutral: ['auto', 'default'] },
  prompt_cache_retention: { refused: 'prompts are kept while memory lasts; leave it out.', neutral: ['in_memory', 'in-memory'] },
  prompt_cache_options: { refused: 'prompts are kept while memory lasts; leave it out.' },
};
