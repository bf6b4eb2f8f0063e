/** Dicts, whose keys are any values that have a hash: 1, 1.0 and true are one key, as in Python. */
import { TemplateError } from './template-errors.ts';
import { isCallable, isFloat, isInt, isRange, isText, isTuple, typeName } from './values.ts';
import type { Dict, Entry, Value } from './values.ts';

/** Equal for equal values. @throws TemplateError for a value that has none, such as a list */
export function hashOf(value: Value): string {
  if (isText(value)) return `"${value.text}`;
  if (isInt(value)) return `#${BigInt(value)}`;
  if (isFloat(value)) return Number.isInteger(value.float) ? `#${BigInt(value.float)}` : `#${value.float}`;
  if (value === null) return 'None';
  if (value === undefined) return 'undefined';
  if (isTuple(value)) return `(${value.tuple.map((item) => JSON.stringify(hashOf(item))).join(',')})`;
  if (isRange(value)) return `range ${value.start} ${value.stop} ${value.step}`;
  if (isCallable(value) && 'name' in value) return `function ${value.name}`;
  throw new TemplateError(`a value of type ${typeName(value)} cannot be a key`);
}

export function dictOf(pairs: Iterable<readonly [key: Value, value: Value]>): Dict {
  const entries = new Map<string, Entry>();
  for (const [key, value] of pairs) {
    const hash = hashOf(key);
    // As in Python, the first of equal keys stays.
    entries.set(hash, { key: entries.get(hash)?.key ?? key, value });
  }
  return { entries };
}

export function entryOf(dict: Dict, key: Value): Entry | undefined {
  return dict.entries.get(hashOf(key));
}

export const dictKeys = (dict: Dict): Value[] => Array.from(dict.entries.values(), ({ key }) => key);
export const dictValues = (dict: Dict): Value[] => Array.from(dict.entries.values(), ({ value }) => value);
export const dictItems = (dict: Dict): Value[] => Array.from(dict.entries.values(), ({ key, value }) => ({ tuple: [key, value] }));
