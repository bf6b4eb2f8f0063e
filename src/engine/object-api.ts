/** The public types of {@link Model.generateObject}. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import type { CollectedAnswer } from './collect.ts';
import type { GenerateOptions } from './generation-api.ts';
import type { StandardSchema } from './standard-schema.ts';

/** A value as a schema says it: of a Standard Schema its output, else JSON. */
export type ObjectValue<Schema> = Schema extends StandardSchema<infer Output> ? Output : JsonValue;

export interface GenerateObjectOptions<Schema extends JsonObject | StandardSchema> extends Omit<GenerateOptions,
  'format' | 'n' | 'ignoreEos'> {
  /** JSON Schema, or a Standard Schema (zod, valibot, arktype). */
  readonly schema: Schema;
  /** What the answer is held to, for a Standard Schema that does not say it. */
  readonly jsonSchema?: JsonObject | undefined;
  /** As of a format of the type `schema`: default true. */
  readonly strict?: boolean | undefined;
}

export interface GeneratedObject<Schema extends JsonObject | StandardSchema> {
  /** Valid by the schema; of a Standard Schema, what that makes of it. */
  readonly value: ObjectValue<Schema>;
  readonly answer: CollectedAnswer;
}
