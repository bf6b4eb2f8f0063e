/** The parameters of a route: each obeyed, or refused by name with what to do. No other is taken. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { invalid } from './failure.ts';
import { checkValue, isAlike } from './schema.ts';
import type { Schema } from './schema.ts';

export interface Parameter {
  readonly schema: Schema;
  readonly isRequired?: true;
  /** What it does, where the name does not say it. */
  readonly about?: string;
}

/** One that is not obeyed: refused unless its value changes nothing. */
export interface RefusedParameter {
  /** Why, and what to do instead, as a sentence. */
  readonly refused: string;
  /** Values that ask for nothing, besides null. */
  readonly neutral?: readonly JsonValue[];
}

export type ParameterTable = Readonly<Record<string, Parameter | RefusedParameter>>;

export function isRefused(parameter: Parameter | RefusedParameter): parameter is RefusedParameter {
  return 'refused' in parameter;
}

/** The schema of a body with these parameters. */
export function schemaOf(table: ParameterTable): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [name, parameter] of Object.entries(table)) {
    if (isRefused(parameter)) {
      const { neutral = [], refused } = parameter;
      properties[name] = { enum: [null, ...neutral], description: `Not obeyed: ${refused}` };
      continue;
    }
    const { schema, about, isRequired } = parameter;
    properties[name] = { ...schema, ...(about === undefined ? {} : { description: about }), ...(isRequired ? {} : { nullable: true }) };
    if (isRequired) required.push(name);
  }
  return { type: 'object', properties, required, additionalProperties: false };
}

function isNeutral(value: JsonValue, { neutral = [] }: RefusedParameter): boolean {
  return value === null || neutral.some((each) => isAlike(each, value));
}

/**
 * Checks a body.
 * @returns what is obeyed; null counts as not given
 * @throws Failure (400) for the first parameter that is wrong or not obeyed
 */
export function readParameters(body: JsonValue, table: ParameterTable): JsonObject {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) checkValue(body, { type: 'object' }, '');
  const given = body as JsonObject;
  for (const [name, parameter] of Object.entries(table)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined && isRefused(parameter) && !isNeutral(value, parameter))
      throw invalid(`${name} is not obeyed here: ${parameter.refused}`, { param: name, code: 'unsupported_parameter' });
  }
  checkValue(given, schemaOf(table), '');
  return Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== null && !isRefused(table[name] as Parameter | RefusedParameter)),
  );
}
