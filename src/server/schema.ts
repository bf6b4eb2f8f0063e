/** The part of JSON Schema that requests are described by: the same records check values and are printed in `/openapi.json`. */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import { describeNumber } from '../tensor/option-names.ts';
import { nearestNames } from '../tensor/near-names.ts';
import { invalid } from './failure.ts';
import type { Failure } from './failure.ts';

export type SchemaType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

export interface Schema {
  readonly type?: SchemaType;
  readonly enum?: readonly JsonValue[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  /** Of names that `properties` lacks: false refuses them, a schema describes them. */
  readonly additionalProperties?: false | Schema;
  readonly anyOf?: readonly Schema[];
  readonly description?: string;
  /** Null counts as not given. */
  readonly nullable?: true;
}

function isOfType(value: JsonValue, type: SchemaType): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'boolean':
    case 'string':
      return typeof value === type;
    case 'integer':
      return Number.isSafeInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isJsonObject(value);
    default:
      throw new Error(`schema: unknown type ${type satisfies never}`);
  }
}

const ARTICLES: Readonly<Record<SchemaType, string>> = {
  null: 'null', boolean: 'true or false', integer: 'an integer', number: 'a number', string: 'a string', array: 'an array',
  object: 'an object',
};

/** Whether two values are written alike. */
export function isAlike(one: JsonValue, other: JsonValue): boolean {
  return one === other || (typeof one === 'object' && typeof other === 'object' && JSON.stringify(one) === JSON.stringify(other));
}

/** In words: `an integer from 1 to 20`. */
function describeSchema({ type, enum: values, minimum, maximum, exclusiveMinimum, anyOf }: Schema): string {
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(describeSchema))].join(' or ');
  const name = type === undefined ? 'a value' : ARTICLES[type];
  if (exclusiveMinimum !== undefined) return `${name} above ${exclusiveMinimum}${maximum === undefined ? '' : ` and at most ${maximum}`}`;
  if (minimum !== undefined && maximum !== undefined) return `${name} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${name} of at least ${minimum}`;
  return maximum === undefined ? name : `${name} of at most ${maximum}`;
}

/** A text is not repeated: it may be a part of a prompt, a path or a key, and messages end in logs of others. */
function describeFound(value: JsonValue): string {
  return typeof value === 'string' ? `a string of ${value.length} characters` : describeNumber(value);
}

function wrong(value: JsonValue, schema: Schema, at: string): Error {
  return invalid(`${at === '' ? 'The body' : at} must be ${describeSchema(schema)}, found ${describeFound(value)}.`, {
    param: at === '' ? undefined : at, code: 'invalid_value',
  });
}

function checkNumber(value: number, schema: Schema, at: string): void {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity } = schema;
  if (value < minimum || value > maximum || value <= exclusiveMinimum) throw wrong(value, schema, at);
}

function checkString(value: string, { minLength = 0, maxLength = Infinity }: Schema, at: string): void {
  if (value.length < minLength)
    throw invalid(minLength === 1 ? `${at} is empty.` : `${at} has fewer than ${minLength} characters.`, { param: at, code: 'empty' });
  if (value.length > maxLength)
    throw invalid(`${at} has ${value.length} characters, at most ${maxLength} are taken.`, { param: at, code: 'too_long' });
}

function checkArray(value: readonly JsonValue[], { items, minItems = 0, maxItems = Infinity }: Schema, at: string): void {
  if (value.length < minItems)
    throw invalid(`${at} has ${value.length} entries, at least ${minItems} ${minItems === 1 ? 'is' : 'are'} needed.`, {
      param: at, code: 'empty',
    });
  if (value.length > maxItems)
    throw invalid(`${at} has ${value.length} entries, at most ${maxItems} are taken.`, { param: at, code: 'too_many' });
  if (items !== undefined) for (const [index, entry] of value.entries()) checkValue(entry, items, `${at}[${index}]`);
}

/** @throws Failure for a name that there is none of */
function unknownName(name: string, known: readonly string[], at: string): Error {
  const shown = name.slice(0, 60);
  const near = nearestNames(name, known);
  return invalid(`Unknown parameter: ${at}${shown}.${near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''}`, {
    param: `${at}${shown}`, code: 'unknown_parameter',
  });
}

/** What forms of an object are told apart by, where each of them names the values that it has there. */
const TELLING = ['role', 'type'] as const;

function checkObject(value: JsonObject, { properties = {}, required = [], additionalProperties }: Schema, at: string): void {
  const inside = at === '' ? '' : `${at}.`;
  // What it is comes first: of another kind other things are required.
  for (const name of TELLING)
    if (properties[name]?.enum !== undefined && Object.hasOwn(value, name))
      checkValue(value[name] as JsonValue, properties[name], `${inside}${name}`);
  for (const name of required) {
    if (!Object.hasOwn(value, name) || value[name] === null)
      throw invalid(`Missing required parameter: ${inside}${name}.`, { param: `${inside}${name}`, code: 'missing_required_parameter' });
  }
  for (const [name, entry] of Object.entries(value)) {
    const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (schema === false) throw unknownName(name, Object.keys(properties), inside);
    if (schema !== undefined) checkValue(entry as JsonValue, schema, `${inside}${name}`);
  }
}

function tellingName(forms: readonly Schema[]): string | undefined {
  const objects = forms.filter(({ type }) => type === 'object');
  return TELLING.find((name) => objects.length > 0 && objects.every(({ properties }) => properties?.[name]?.enum !== undefined));
}

/** The forms that a value may have by its {@link tellingName}. @throws Failure where it has none of them */
function formsOf(value: JsonValue, { anyOf: forms = [] }: Schema, at: string): readonly Schema[] {
  const name = tellingName(forms);
  const told = name !== undefined && isJsonObject(value) ? value[name] : undefined;
  if (name === undefined || told === undefined) return forms;
  const names = (form: Schema) => form.properties?.[name]?.enum ?? [];
  const own = forms.filter((form) => names(form).some((one) => isAlike(one, told)));
  if (own.length === 0) throw wrong(told, { enum: forms.flatMap(names) }, `${at}.${name}`);
  return own;
}

/** How much there is of a value is wrong, and not what it is. */
const SIZES: readonly (string | undefined)[] = ['empty', 'too_many', 'too_long'];

/** Of several forms, the complaint of the one that the value comes nearest to: what it says is wrong lies deepest, or is a size alone. */
function checkAny(value: JsonValue, schema: Schema, at: string): void {
  let [deepest, size]: (Failure | undefined)[] = [];
  for (const form of formsOf(value, schema, at)) {
    try {
      return checkValue(value, form, at);
    } catch (error) {
      const failure = error as Failure;
      if (failure.param === at && SIZES.includes(failure.code)) size ??= failure;
      if ((failure.param ?? '').length > at.length && (failure.param ?? '').length > (deepest?.param ?? '').length) deepest = failure;
    }
  }
  throw deepest ?? size ?? wrong(value, schema, at);
}

/**
 * @param at the value's place, for messages: `messages[0].content`; '' for a whole body
 * @throws Failure (400) that says where, what is expected and what was found
 */
export function checkValue(value: JsonValue, schema: Schema, at: string): void {
  if (value === null && schema.nullable === true) return;
  if (schema.anyOf !== undefined) return checkAny(value, schema, at);
  if (schema.type !== undefined && !isOfType(value, schema.type)) throw wrong(value, schema, at);
  if (schema.enum !== undefined && !schema.enum.some((one) => isAlike(one, value))) throw wrong(value, schema, at);
  if (typeof value === 'number') checkNumber(value, schema, at);
  else if (typeof value === 'string') checkString(value, schema, at);
  else if (Array.isArray(value)) checkArray(value, schema, at);
  else if (isJsonObject(value)) checkObject(value, schema, at);
}
