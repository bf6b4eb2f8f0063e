/** Items of a conversation, as clients write them. */
import type { Schema } from '../schema.ts';

export const ID: Schema = { type: 'string', minLength: 1, maxLength: 200 };
const TEXT: Schema = { type: 'string', maxLength: 1_000_000 };
/** About 5 minutes of sound. */
export const MOST_BASE64 = 20_000_000;

const STATUS: Schema = { enum: ['completed', 'incomplete', 'in_progress'], nullable: true };
const OF_ALL = {
  id: { type: 'string', minLength: 1, maxLength: 32, nullable: true },
  object: { enum: ['realtime.item'], nullable: true },
  status: STATUS,
} as const;

function contents(properties: Readonly<Record<string, Schema>>): Schema {
  return {
    type: 'array',
    minItems: 1,
    maxItems: 100,
    items: { type: 'object', properties, required: ['type'], additionalProperties: false },
  };
}

function item(type: string, properties: Readonly<Record<string, Schema>>, required: readonly string[]): Schema {
  return {
    type: 'object',
    properties: { ...OF_ALL, type: { enum: [type] }, ...properties },
    required: ['type', ...required],
    additionalProperties: false,
  };
}

const ITEMS: readonly Schema[] = [
  item('message', { role: { enum: ['system'] }, content: contents({ type: { enum: ['input_text'] }, text: TEXT }) }, ['role', 'content']),
  item(
    'message',
    {
      role: { enum: ['user'] },
      content: contents({
        type: { enum: ['input_text', 'input_audio'] },
        text: TEXT,
        audio: { type: 'string', maxLength: MOST_BASE64 },
        transcript: { ...TEXT, nullable: true },
      }),
    },
    ['role', 'content'],
  ),
  item(
    'message',
    {
      role: { enum: ['assistant'] },
      content: contents({ type: { enum: ['output_text', 'output_audio'] }, text: TEXT, transcript: TEXT }),
    },
    ['role', 'content'],
  ),
  item('function_call', { call_id: ID, name: { type: 'string', minLength: 1, maxLength: 128 }, arguments: TEXT }, ['name', 'arguments']),
  item('function_call_output', { call_id: ID, output: TEXT }, ['call_id', 'output']),
];

export const ITEM: Schema = { anyOf: ITEMS };

/** What a response may be asked for in place of its conversation: items, new ones and those of the conversation. */
export const INPUT_ITEMS: Schema = {
  type: 'array',
  maxItems: 1000,
  items: {
    anyOf: [
      ...ITEMS,
      {
        type: 'object',
        properties: { type: { enum: ['item_reference'] }, id: ID },
        required: ['type', 'id'],
        additionalProperties: false,
      },
    ],
  },
};
