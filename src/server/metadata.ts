/** `metadata` of what is kept: up to 16 texts by name, as OpenAI's reference has them. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import { invalid } from './failure.ts';
import type { Schema } from './schema.ts';

export const METADATA: Schema = { type: 'object', additionalProperties: { type: 'string', maxLength: 512 } };

/** @throws Failure (400) for what the schema does not say */
export function checkMetadata(metadata: JsonObject): void {
  const names = Object.keys(metadata);
  if (names.length > 16 || names.some((name) => name.length > 64))
    throw invalid('metadata takes at most 16 names of at most 64 characters.', { param: 'metadata', code: 'too_many' });
}
