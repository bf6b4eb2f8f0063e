/** Values that templates compute with: Python's, as far as Jinja needs them. */
import { isTemplateText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';

/** A Python float; plain numbers are ints, and bigints are ints that a double cannot hold. */
export interface Float {
  readonly float: number;
}

export interface Tuple {
  readonly tuple: readonly Value[];
  /** Items that have names, too. */
  readonly names?: Readonly<Record<string, Value>>;
}

export interface Entry {
  readonly key: Value;
  readonly value: Value;
}

/** Its entries are by the hash of their key (see dict.ts). */
export interface Dict {
  readonly entries: ReadonlyMap<string, Entry>;
}

/** What a dict's items(), keys() and values() give. */
export interface View {
  readonly view: 'dict_items' | 'dict_keys' | 'dict_values';
  readonly items: readonly Value[];
}

export interface Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** Items that can be gone through once, as those of Python's generators. */
export interface Lazy {
  readonly lazy: Iterator<Value>;
  readonly typeName: string;
}

/** What `namespace()` makes: the one value that `set` can change. */
export interface Namespace {
  readonly fields: Map<string, Value>;
}

export type Named = ReadonlyMap<string, Value>;

export interface Callable {
  readonly name: string;
  /** Its text, such as "<Macro 'f'>". */
  readonly shown?: string;
  readonly attributes?: ReadonlyMap<string, Value>;
  call(args: readonly Value[], named: Named): Value;
}

/** An object of jinja2's own, such as `loop`. */
export interface Opaque {
  readonly typeName: string;
  readonly shown: string;
  attribute(name: string): Value;
  call?(args: readonly Value[], named: Named): Value;
  length?(): number;
}

/** `undefined` is Jinja's undefined, `null` is None. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | Float
  | TemplateText
  | readonly Value[]
  | Tuple
  | Dict
  | View
  | Range
  | Lazy
  | Namespace
  | Callable
  | Opaque;

type ObjectValue = Exclude<Value, undefined | null | boolean | number | bigint | readonly Value[]>;

const isObject = (value: Value): value is ObjectValue => typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
export const isFloat = (value: Value): value is Float => isObject(value) && 'float' in value;
export const isTuple = (value: Value): value is Tuple => isObject(value) && 'tuple' in value;
export const isDict = (value: Value): value is Dict => isObject(value) && 'entries' in value;
export const isView = (value: Value): value is View => isObject(value) && 'view' in value;
export const isRange = (value: Value): value is Range => isObject(value) && 'step' in value;
export const isLazy = (value: Value): value is Lazy => isObject(value) && 'lazy' in value;
export const isNamespace = (value: Value): value is Namespace => isObject(value) && 'fields' in value;
export const isOpaque = (value: Value): value is Opaque => isObject(value) && 'attribute' in value;
export const isCallable = (value: Value): value is Callable | (Opaque & Pick<Callable, 'call'>) =>
  isObject(value) && 'call' in value && value.call !== undefined;
export { isTemplateText as isText };

/** Python's int, bool among them. */
export const isInt = (value: Value): value is number | bigint | boolean =>
  typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';

/** The items of a list or tuple; undefined for anything else. */
export function sequenceOf(value: Value): readonly Value[] | undefined {
  if (isList(value)) return value;
  return isTuple(value) ? value.tuple : undefined;
}

export function rangeLength({ start, stop, step }: Range): number {
  return Math.max(0, Math.ceil((stop - start) / step));
}

/** A number's value as a double, booleans being 0 and 1 as in Python; undefined for what is no number. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number(value);
  return isFloat(value) ? value.float : undefined;
}

export function typeName(value: Value): string {
  if (value === undefined) return 'undefined';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint') return 'int';
  if (isFloat(value)) return 'float';
  if (isTemplateText(value)) return 'str';
  if (isList(value)) return 'list';
  if (isTuple(value)) return 'tuple';
  if (isDict(value)) return 'dict';
  if (isView(value)) return value.view;
  if (isRange(value)) return 'range';
  if (isLazy(value) || isOpaque(value)) return value.typeName;
  return isNamespace(value) ? 'namespace' : 'function';
}

/** @param value of a sequence; undefined for what has no length */
export function lengthOf(value: Value): number | undefined {
  if (value === undefined) return 0;
  if (isTemplateText(value)) return charCount(value.text);
  if (isDict(value)) return value.entries.size;
  if (isView(value)) return value.items.length;
  if (isRange(value)) return rangeLength(value);
  if (isOpaque(value)) return value.length?.();
  return sequenceOf(value)?.length;
}

/** Characters, not UTF-16 units. */
export function charCount(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at++) if (text.codePointAt(at)! > 0xffff) count--;
  return count;
}

export function isTruthy(value: Value): boolean {
  if (value === undefined || value === null) return false;
  const number = numberOf(value);
  if (number !== undefined) return number !== 0;
  if (isTemplateText(value)) return value.text !== '';
  return lengthOf(value) !== 0;
}
