/** Schemas of libraries such as zod, valibot and arktype, by the interface that they share (standardschema.dev). */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { describeValue } from '../tensor/option-names.ts';

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** What a library's schema has under `~standard`. */
export interface StandardProperties<Output> {
  readonly version: 1;
  readonly vendor: string;
  validate(value: unknown): StandardResult<Output> | Promise<StandardResult<Output>>;
  readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  /** Of libraries that can say a schema as JSON Schema (zod from 4.2 on). */
  readonly jsonSchema?: { input(options: { readonly target: 'draft-2020-12' }): unknown } | undefined;
}

export interface StandardSchema<Output = unknown> {
  readonly '~standard': StandardProperties<Output>;
}

export function isStandardSchema(value: unknown): value is StandardSchema {
  const isCarrier = (typeof value === 'object' && value !== null) || typeof value === 'function';
  if (!isCarrier || !('~standard' in value)) return false;
  const standard = value['~standard'] as Partial<StandardProperties<unknown>> | null;
  return typeof standard === 'object' && standard !== null && typeof standard.validate === 'function';
}

/** Functions by which libraries give JSON Schema that do not do so by the interface: zod before 4.2, arktype. */
const OWN_NAMES = ['toJSONSchema', 'toJsonSchema'] as const;

function ownJsonSchema(schema: StandardSchema): unknown {
  for (const name of OWN_NAMES) {
    const make = (schema as unknown as Readonly<Record<string, unknown>>)[name];
    if (typeof make === 'function') return (make as () => unknown).call(schema);
  }
  return undefined;
}

/**
 * The schema of what goes in, as JSON Schema, without the draft's address.
 * @param what whose it is, for messages
 * @throws InputError for a library that does not say it, or a schema that has no form in JSON Schema
 */
export function jsonSchemaOf(schema: StandardSchema, what: string): JsonObject {
  const { vendor, jsonSchema } = schema['~standard'];
  let found: unknown;
  try {
    found = jsonSchema?.input({ target: 'draft-2020-12' }) ?? ownJsonSchema(schema);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`${what}: ${vendor} cannot say this schema as JSON Schema: ${reason}`, { cause: error });
  }
  if (!isJsonObject(found as JsonValue))
    throw new InputError(`${what}: ${vendor}'s schema does not say what it is as JSON Schema: pass that as jsonSchema beside it.`);
  const { $schema: _address, ...rest } = found as JsonObject;
  return rest;
}

/** `a.b.0: is too short` */
export function issueText({ message, path = [] }: StandardIssue): string {
  const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

/** What a library's schema makes of a value, or its issues. @throws InputError where it gives neither */
export async function standardResult<Output>(
  schema: StandardSchema<Output>, value: unknown, what: string,
): Promise<StandardResult<Output>> {
  const { vendor, validate } = schema['~standard'];
  const result: unknown = await validate.call(schema['~standard'], value);
  if (typeof result === 'object' && result !== null && ('value' in result || ('issues' in result && Array.isArray(result.issues))))
    return result as StandardResult<Output>;
  throw new InputError(`${what}: validate of ${vendor}'s schema gave no result with a value or issues, but ${describeValue(result)}.`);
}
