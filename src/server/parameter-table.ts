/** The parameters of a route: each obeyed, or refused by name with what to do. No other is taken. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
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

/** An object of parameters of its own. */
export interface NestedParameters {
  readonly table: ParameterTable;
  readonly about?: string;
}

type AnyParameter = Parameter | RefusedParameter | NestedParameters;

export type ParameterTable = { readonly [name: string]: AnyParameter };

export function isRefused(parameter: AnyParameter): parameter is RefusedParameter {
  return 'refused' in parameter;
}

/** Whether it has a schema of its own: it is obeyed, and no table. */
export function isSingle(parameter: AnyParameter): parameter is Parameter {
  return 'schema' in parameter;
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
    if ('table' in parameter) {
      const { table: own, about: description } = parameter;
      properties[name] = { ...schemaOf(own), ...(description === undefined ? {} : { description }), nullable: true };
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

/** @throws Failure (400) for the first parameter that is not obeyed @param inside where the table stands: `options.` */
function refuseUnobeyed(given: JsonObject, table: ParameterTable, inside: string): void {
  for (const [name, parameter] of Object.entries(table)) {
    const value = Object.hasOwn(given, name) ? (given[name] as JsonValue) : undefined;
    if (value === undefined) continue;
    if ('table' in parameter && isJsonObject(value)) refuseUnobeyed(value, parameter.table, `${inside}${name}.`);
    if (isRefused(parameter) && !isNeutral(value, parameter))
      throw invalid(`${inside}${name} is not obeyed here: ${parameter.refused}`, {
        param: `${inside}${name}`, code: 'unsupported_parameter',
      });
  }
}

function obeyed(given: JsonObject, table: ParameterTable): JsonObject {
  const left = Object.entries(given).filter(([name, value]) => value !== null && !isRefused(table[name] as AnyParameter));
  return Object.fromEntries(left.map(([name, value]) => {
    const parameter = table[name] as AnyParameter;
    return [name, 'table' in parameter ? obeyed(value as JsonObject, parameter.table) : value];
  }));
}

/**
 * Checks a body.
 * @returns what is obeyed; null counts as not given
 * @throws Failure (400) for the first parameter that is wrong or not obeyed
 */
export function readParameters(body: JsonValue, table: ParameterTable): JsonObject {
  if (!isJsonObject(body)) checkValue(body, { type: 'object' }, '');
  const given = body as JsonObject;
  refuseUnobeyed(given, table, '');
  checkValue(given, schemaOf(table), '');
  return obeyed(given, table);
}
