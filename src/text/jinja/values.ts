/** Values that templates compute with: Python's, as far as Jinja needs them. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import type { Budget } from './budget.ts';
import { isTemplateText, ownText, foreignText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';

/** A Python float; plain numbers are ints. */
export interface Float {
  readonly float: number;
}

export interface Dict {
  readonly entries: ReadonlyMap<string, Value>;
  /** Its keys came from the caller. */
  readonly foreignKeys: boolean;
}

/** What `namespace()` makes: the one value that `set` can change. */
export interface Namespace {
  readonly fields: Map<string, Value>;
}

export interface Callable {
  readonly name: string;
  call(args: readonly Value[], named: ReadonlyMap<string, Value>): Value;
}

/** `undefined` is Jinja's undefined, `null` is None. */
export type Value = undefined | null | boolean | number | Float | TemplateText | readonly Value[] | Dict | Namespace | Callable;

/** A template did what cannot be done; becomes an error that names the template. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

/** The template called raise_exception: it does not accept what it was given. */
export class TemplateRefusal extends Error {
  override readonly name = 'TemplateRefusal';
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
const isObject = (value: Value): value is Float | TemplateText | Dict | Namespace | Callable =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isFloat = (value: Value): value is Float => isObject(value) && 'float' in value;
export const isDict = (value: Value): value is Dict => isObject(value) && 'entries' in value;
export const isNamespace = (value: Value): value is Namespace => isObject(value) && 'fields' in value;
export const isCallable = (value: Value): value is Callable => isObject(value) && 'call' in value;
export { isTemplateText as isText };

/** A number's value, booleans being 0 and 1 as in Python; undefined for what is no number. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return isFloat(value) ? value.float : undefined;
}

export function typeName(value: Value): string {
  if (value === undefined) return 'undefined';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return 'int';
  if (isFloat(value)) return 'float';
  if (isTemplateText(value)) return 'str';
  if (isList(value)) return 'list';
  if (isDict(value)) return 'dict';
  return isNamespace(value) ? 'namespace' : 'function';
}

export function isTruthy(value: Value): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  const number = numberOf(value);
  if (number !== undefined) return number !== 0;
  if (isTemplateText(value)) return value.text !== '';
  if (isList(value)) return value.length > 0;
  return isDict(value) ? value.entries.size > 0 : true;
}

/** Python's ==. */
export function isEqual(left: Value, right: Value, budget: Budget): boolean {
  budget.spend(1);
  if (left === right) return true;
  const a = numberOf(left);
  const b = numberOf(right);
  if (a !== undefined || b !== undefined) return a === b;
  if (isTemplateText(left) && isTemplateText(right)) return left.text === right.text;
  if (isList(left) && isList(right)) {
    return left.length === right.length && left.every((item, index) => isEqual(item, right[index], budget));
  }
  if (isDict(left) && isDict(right)) {
    return (
      left.entries.size === right.entries.size &&
      [...left.entries].every(([key, value]) => right.entries.has(key) && isEqual(value, right.entries.get(key), budget))
    );
  }
  return false;
}

export function keyText(dict: Dict, key: string): TemplateText {
  return dict.foreignKeys ? foreignText(key) : ownText(key);
}

/** Names of roles that a template may build special tokens from ("<|user|>"); they hold none themselves. */
const knownRoles = new Set(['system', 'user', 'assistant', 'tool', 'developer', 'function', 'ipython', 'model']);

/** The deepest nesting of a caller's values. */
const maxDepth = 200;

/** The caller's data as template values, all of its text marked as foreign but for the names of roles. */
export function foreignValue(value: JsonValue | undefined, key = '', depth = 0): Value {
  if (depth > maxDepth) throw new TemplateRefusal(`values nested deeper than ${maxDepth} levels`);
  if (typeof value === 'string') return key === 'role' && knownRoles.has(value) ? ownText(value) : foreignText(value);
  if (typeof value === 'number') return Number.isInteger(value) ? value : { float: value };
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => foreignValue(item, '', depth + 1));
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return { entries: new Map(entries.map(([name, item]) => [name, foreignValue(item, name, depth + 1)])), foreignKeys: true };
}
