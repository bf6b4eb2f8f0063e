/** A value of a schema: an answer that is held to it, read. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { SchemaFormat } from '../text/grammars/output-format.ts';
import { collect } from './collect.ts';
import type { CollectedAnswer } from './collect.ts';
import type { GenerateOptions, Generation } from './generation-api.ts';
import type { GeneratedObject, GenerateObjectOptions, ObjectValue } from './object-api.ts';
import { GENERATE_OBJECT_NAMES } from './option-names.ts';
import { isStandardSchema, issueText, jsonSchemaOf, standardResult } from './standard-schema.ts';
import type { StandardSchema } from './standard-schema.ts';

type AnySchema = JsonObject | StandardSchema;

/** What the answer is held to. */
function formatOf({ schema, jsonSchema, strict }: GenerateObjectOptions<AnySchema>): SchemaFormat {
  if (isStandardSchema(schema)) return { type: 'schema', schema: jsonSchema ?? jsonSchemaOf(schema, 'generateObject'), strict };
  if (jsonSchema !== undefined) throw new InputError('generateObject: jsonSchema goes with a Standard Schema: pass it as schema.');
  if (!isJsonObject(schema as JsonValue))
    throw new InputError(`generateObject: schema must be a JSON Schema or a Standard Schema, found ${describeValue(schema)}.`);
  return { type: 'schema', schema, strict };
}

function valueOf({ content, finishReason, usage: { completionTokens }, stopText }: CollectedAnswer): JsonValue {
  if (stopText !== undefined)
    throw new InputError(`generateObject: the stop text ${JSON.stringify(stopText)} ended the answer within the value.`);
  if (finishReason === 'stop') return JSON.parse(content) as JsonValue;
  const what = finishReason === 'length' ? 'maxTokens ended it' : 'the context was full';
  throw new CapacityError(
    `generateObject: the value was not whole after ${completionTokens} tokens, where ${what}. ` +
      'Allow more, or bound the schema (maxLength, maxItems).',
  );
}

async function checked<Schema extends AnySchema>(schema: Schema, value: JsonValue): Promise<ObjectValue<Schema>> {
  // The grammar has let nothing else through.
  if (!isStandardSchema(schema)) return value as ObjectValue<Schema>;
  const result = await standardResult(schema, value, 'generateObject');
  if (result.issues === undefined) return result.value as ObjectValue<Schema>;
  const issues = result.issues.slice(0, 8).map(issueText).join('; ');
  throw new InputError(`generateObject: the answer is of the JSON Schema, and not valid by the schema's further rules: ${issues}.`);
}

/**
 * @throws InputError for a schema that cannot be obeyed, and where a Standard Schema has rules that its JSON Schema does not say and the
 * answer breaks; CapacityError for an answer that was cut
 */
export async function generateObject<Schema extends AnySchema>(
  generate: (options: GenerateOptions) => Generation, options: GenerateObjectOptions<Schema>,
): Promise<GeneratedObject<Schema>> {
  checkOptionNames(options, GENERATE_OBJECT_NAMES, 'generateObject');
  const { schema, jsonSchema: _jsonSchema, strict: _strict, ...rest } = options;
  const answer = await collect(generate({ ...rest, format: formatOf(options) }));
  return { value: await checked(schema, valueOf(answer)), answer };
}
