/** Every parameter of Anthropic's messages: obeyed, or refused by name. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';

const TEXT: Schema = { type: 'string' };
/** All prompts share one cache, so that what is marked is kept as all else is. */
const CACHE_CONTROL: Schema = {
  type: 'object', properties: { type: { enum: ['ephemeral'] }, ttl: { enum: ['5m', '1h'] } }, required: ['type'],
  additionalProperties: false, nullable: true, description: 'Nothing to do: all prompts share one cache.',
};

function block(type: string, own: Readonly<Record<string, Schema>>, required: readonly string[]): Schema {
  return {
    type: 'object', properties: { type: { enum: [type] }, cache_control: CACHE_CONTROL, ...own }, required: ['type', ...required],
    additionalProperties: false,
  };
}

const TEXT_BLOCK = block('text', { text: TEXT, citations: { enum: [null] } }, ['text']);
const texts = (...others: readonly Schema[]): Schema => ({
  anyOf: [TEXT, { type: 'array', items: { anyOf: [TEXT_BLOCK, ...others] }, maxItems: 1000 }],
});

const TOOL_USE = block(
  'tool_use', { id: { type: 'string', minLength: 1, maxLength: 200 }, name: { type: 'string', minLength: 1 }, input: { type: 'object' } },
  ['id', 'name', 'input'],
);
const THINKING = block('thinking', { thinking: TEXT, signature: TEXT }, ['thinking']);

function message(role: string, content: Schema): Schema {
  return { type: 'object', properties: { role: { enum: [role] }, content }, required: ['role', 'content'], additionalProperties: false };
}

const source = (type: string, own: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object', properties: { type: { enum: [type] }, ...own }, required: ['type', ...Object.keys(own)], additionalProperties: false,
});
const IMAGE = block(
  'image',
  {
    source: {
      anyOf: [
        source('base64', { media_type: { enum: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] }, data: TEXT }),
        source('url', { url: { ...TEXT, description: 'Of a host that the server fetches from.' } }),
      ],
    },
  },
  ['source'],
);

const TOOL_RESULT = block(
  'tool_result',
  {
    tool_use_id: { type: 'string', minLength: 1, maxLength: 200 }, content: { ...texts(IMAGE), nullable: true },
    is_error: { type: 'boolean' },
  },
  ['tool_use_id'],
);

const MESSAGES: Schema = {
  type: 'array', minItems: 1, maxItems: 10_000,
  items: { anyOf: [message('user', texts(TOOL_RESULT, IMAGE)), message('assistant', texts(TOOL_USE, THINKING))] },
};

const TOOL: Schema = {
  type: 'object',
  properties: {
    type: { enum: ['custom', null] }, name: { type: 'string', minLength: 1, maxLength: 128 }, description: { ...TEXT, nullable: true },
    input_schema: { type: 'object', description: 'JSON Schema of the arguments.' }, cache_control: CACHE_CONTROL,
    strict: { enum: [false, null], description: 'Not obeyed: arguments are not held to their schema where the model may choose.' },
  },
  required: ['name', 'input_schema'],
  additionalProperties: false,
};

/** Tools may run one after the other only where a message asks for it. */
const PARALLEL: Readonly<Record<string, Schema>> = { disable_parallel_tool_use: { enum: [false, null] } };
const choice = (types: readonly string[], own: Readonly<Record<string, Schema>> = {}): Schema => ({
  type: 'object', properties: { type: { enum: types }, ...PARALLEL, ...own }, required: ['type', ...Object.keys(own)],
  additionalProperties: false,
});

export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly thinking: string }
  | {
      readonly type: 'image';
      readonly source: { readonly type: 'base64'; readonly media_type: string; readonly data: string }
        | { readonly type: 'url'; readonly url: string };
    }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: JsonObject }
  | {
      readonly type: 'tool_result'; readonly tool_use_id: string; readonly is_error?: boolean;
      readonly content?: string | readonly Extract<Block, { readonly type: 'text' | 'image' }>[] | null;
    };

export interface RequestMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly Block[];
}

/** What a prompt is made of. */
export interface PromptParameters {
  readonly model: string;
  readonly messages: readonly RequestMessage[];
  readonly system?: string | readonly { readonly text: string }[];
  readonly tools?: readonly { readonly name: string; readonly description?: string | null; readonly input_schema: JsonObject }[];
  readonly tool_choice?: { readonly type: 'auto' | 'any' | 'none' | 'tool'; readonly name?: string };
  readonly thinking?: { readonly type: 'disabled' | 'adaptive' } | { readonly type: 'enabled'; readonly budget_tokens: number };
}

export interface MessageParameters extends PromptParameters {
  readonly max_tokens: number;
  readonly stop_sequences?: readonly string[];
  readonly stream?: boolean;
  readonly temperature?: number;
  readonly top_k?: number;
  readonly top_p?: number;
  readonly metadata?: { readonly user_id?: string | null };
}

export const COUNT_PARAMETERS: ParameterTable = {
  model: MODEL_PARAMETER,
  messages: { schema: MESSAGES, isRequired: true, about: "The conversation; the model goes on with a last message of the assistant's." },
  system: { schema: texts(), about: 'The message before the conversation.' },
  tools: { schema: { type: 'array', items: TOOL, maxItems: 256 }, about: 'Functions; refused where the chat template reads none.' },
  tool_choice: {
    schema: { anyOf: [choice(['auto', 'any', 'none']), choice(['tool'], { name: { type: 'string', minLength: 1 } })] },
    about: 'any and tool hold the answer to a call whose arguments are valid by their schema.',
  },
  thinking: {
    schema: {
      anyOf: [
        { type: 'object', properties: { type: { enum: ['disabled'] } }, required: ['type'], additionalProperties: false },
        {
          type: 'object',
          properties: {
            type: { enum: ['enabled'] }, budget_tokens: { type: 'integer', minimum: 0 }, display: { enum: ['summarized', null] },
          },
          required: ['type', 'budget_tokens'],
          additionalProperties: false,
        },
        {
          type: 'object', properties: { type: { enum: ['adaptive'] }, display: { enum: ['summarized', null] } }, required: ['type'],
          additionalProperties: false,
        },
      ],
    },
    about: 'adaptive: as the model does by itself. enabled: a thought of budget_tokens is ended; refused for a model that does not think.',
  },
  cache_control: { schema: CACHE_CONTROL, about: 'Nothing to do: all prompts share one cache.' },
  context_management: { refused: 'a conversation is taken as it is; leave old turns out of it.' },
  output_config: { refused: 'answers have no effort and no form here; /v1/chat/completions has response_format.' },
  output_format: { refused: 'answers have no form here; /v1/chat/completions has response_format.' },
  speed: { refused: 'there is one speed; leave it out.', neutral: ['standard'] },
  user_profile_id: { refused: 'the server knows no profiles; metadata.user_id stands in the record of a request.' },
  workspace_id: { refused: 'the server has no workspaces; leave it out.' },
  mcp_servers: { refused: 'the server calls nobody; run the tools where the client runs.', neutral: [[]] },
};

export const MESSAGE_PARAMETERS: ParameterTable = {
  ...COUNT_PARAMETERS,
  max_tokens: { schema: { type: 'integer', minimum: 1 }, isRequired: true, about: 'Most tokens of the answer.' },
  stop_sequences: {
    schema: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 1000 }, maxItems: 16 },
    about: 'Texts before which the answer ends.',
  },
  stream: { schema: { type: 'boolean' }, about: 'The answer as it comes, as server-sent events.' },
  temperature: { schema: { type: 'number', minimum: 0, maximum: 1 }, about: "Default: the model's own, as for the next ones." },
  top_k: { schema: { type: 'integer', minimum: 0 }, about: 'Keep the k likeliest tokens; 0 is off.' },
  top_p: { schema: { type: 'number', minimum: 0, maximum: 1 }, about: '0: the likeliest token alone.' },
  metadata: {
    schema: {
      type: 'object', properties: { user_id: { type: 'string', maxLength: 1000, nullable: true } }, additionalProperties: false,
    },
    about: 'user_id stands in the record of the request.',
  },
  diagnostics: { refused: 'the server has none to give; leave it out.' },
  compaction: { refused: 'a conversation is taken as it is; leave old turns out of it.' },
  thread: { refused: 'conversations are not stored; send all of its messages.' },
  fallbacks: { refused: 'the model that is named answers, or nobody; leave it out.', neutral: [[]] },
  fallback_credit_token: { refused: 'the server has no credits; leave it out.' },
  billing_policy: { refused: 'the server bills nobody; leave it out.' },
  service_tier: { refused: 'there is one tier; leave it out.', neutral: ['auto', 'standard_only'] },
  container: { refused: 'the server runs no code; leave it out.' },
  inference_geo: { refused: 'answers are made where the server is; leave it out.' },
};

/** Anthropic's clients add it to what goes through their beta functions. */
export const BETA_QUERY: ParameterTable = { beta: { schema: { enum: [true] }, about: 'Nothing to do.' } };
