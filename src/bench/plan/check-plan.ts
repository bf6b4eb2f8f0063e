/** Whether a value is what a schema says, in the words of whoever wrote the file. */
import { InputError } from '../../tensor/errors.ts';
import { nearestNames } from '../../tensor/near-names.ts';
import { describeValue } from '../../tensor/option-names.ts';
import type { PlanSchema } from './plan-schema.ts';

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

function isOfType(value: unknown, { type }: PlanSchema): boolean {
  if (type === undefined) return true;
  if (type === 'integer') return Number.isSafeInteger(value);
  return typeOf(value) === type;
}

const WORDS = {
  object: 'an object', array: 'a list', string: 'a text', integer: 'an integer', number: 'a number', boolean: 'true or false',
} as const;

/** @param at where in the file, for messages: `models[0].path in plan.json` is made of it and `file` */
export function checkPlan(value: unknown, schema: PlanSchema, at: string, file: string): void {
  const where = `${at === '' ? 'The plan' : at} in ${file}`;
  const { anyOf } = schema;
  if (anyOf !== undefined) {
    const meant = anyOf.find((choice) => isOfType(value, choice));
    if (meant === undefined)
      throw new InputError(`${where} must be ${anyOf.map(({ type }) => WORDS[type!]).join(' or ')}, found ${describeValue(value)}.`);
    return checkPlan(value, meant, at, file);
  }
  if (!isOfType(value, schema)) throw new InputError(`${where} must be ${WORDS[schema.type!]}, found ${describeValue(value)}.`);
  if (typeof value === 'string') checkText(value, schema, where);
  if (typeof value === 'number') checkNumber(value, schema, where);
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) throw new InputError(`${where} is empty: it needs at least ${schema.minItems}.`);
    value.forEach((item, i) => checkPlan(item, schema.items!, `${at}[${i}]`, file));
  } else if (typeof value === 'object') checkMembers(value as Record<string, unknown>, schema, at, file);
}

function checkText(value: string, { enum: choices, pattern, minLength = 0 }: PlanSchema, where: string): void {
  if (value.length < minLength) throw new InputError(`${where} is empty.`);
  if (choices !== undefined && !choices.includes(value)) {
    const [near] = nearestNames(value, choices);
    const hint = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`;
    throw new InputError(`${where} must be one of ${choices.join(', ')}, found ${describeValue(value)}.${hint}`);
  }
  if (pattern !== undefined && !new RegExp(pattern).test(value))
    throw new InputError(`${where} must look like ${pattern}, found ${describeValue(value)}.`);
}

function checkNumber(value: number, { minimum = -Infinity, maximum = Infinity }: PlanSchema, where: string): void {
  if (value < minimum || value > maximum)
    throw new InputError(`${where} must be ${minimum} ${maximum === Infinity ? 'or more' : `to ${maximum}`}, found ${value}.`);
}

function checkMembers(value: Record<string, unknown>, schema: PlanSchema, at: string, file: string): void {
  const { properties = {}, required = [], additionalProperties } = schema;
  const place = (name: string) => (at === '' ? name : `${at}.${name}`);
  const missing = required.find((name) => value[name] === undefined);
  if (missing !== undefined) throw new InputError(`${place(missing)} is missing in ${file}.`);
  for (const [name, member] of Object.entries(value)) {
    const own = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    if (own === false || own === undefined) {
      const [near] = nearestNames(name, Object.keys(properties));
      const hint = near === undefined ? `It takes ${Object.keys(properties).join(', ')}.` : `Did you mean ${JSON.stringify(near)}?`;
      throw new InputError(`${place(name)} in ${file} is nothing that a plan says. ${hint}`);
    }
    checkPlan(member, own, place(name), file);
  }
}
