/** What form an answer is to have. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { AnswerRequest } from '../run-generation.ts';
import type { Parameter } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';

const JSON_SCHEMA: Schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 200 },
    description: { type: 'string', nullable: true },
    schema: { type: 'object', description: 'JSON Schema; a part that cannot be obeyed is refused with its path.' },
    strict: { type: 'boolean', nullable: true },
  },
  required: ['name', 'schema'],
  additionalProperties: false,
};

const plain = (type: string): Schema => ({
  type: 'object', properties: { type: { enum: [type] } }, required: ['type'], additionalProperties: false,
});

export const RESPONSE_FORMAT: Parameter = {
  schema: {
    anyOf: [
      plain('text'), plain('json_object'),
      {
        type: 'object', properties: { type: { enum: ['json_schema'] }, json_schema: JSON_SCHEMA }, required: ['type', 'json_schema'],
        additionalProperties: false,
      },
    ],
  },
  about: 'strict true: members in the order of the schema, and no others.',
};

export type ResponseFormat =
  | { readonly type: 'text' | 'json_object' }
  | { readonly type: 'json_schema'; readonly json_schema: { readonly schema: JsonObject; readonly strict?: boolean | null } };

const ANY_OBJECT = { type: 'schema', schema: { type: 'object' }, strict: false } as const;

export function formatOf(format: ResponseFormat | undefined): AnswerRequest['format'] {
  if (format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return ANY_OBJECT;
  const { schema, strict } = (format as Extract<ResponseFormat, { readonly type: 'json_schema' }>).json_schema;
  return { type: 'schema', schema, strict: strict === true };
}
