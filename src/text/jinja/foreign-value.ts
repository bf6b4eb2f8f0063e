/** The caller's data as values of a template. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { dictOf } from './dict.ts';
import { TemplateRefusal } from './template-errors.ts';
import { foreignText, ownText } from './template-text.ts';
import type { Value } from './values.ts';

/** Names of roles that a template may build special tokens from ("<|user|>"); they hold none themselves. */
const knownRoles = new Set(['system', 'user', 'assistant', 'tool', 'developer', 'function', 'ipython', 'model']);

/** The deepest nesting of a caller's values. */
const maxDepth = 200;

/** All of its text is marked as foreign but for the names of roles. */
export function foreignValue(value: JsonValue | undefined, key = '', depth = 0): Value {
  if (depth > maxDepth) throw new TemplateRefusal(`values nested deeper than ${maxDepth} levels`);
  if (typeof value === 'string') return key === 'role' && knownRoles.has(value) ? ownText(value) : foreignText(value);
  if (typeof value === 'number') return foreignNumber(value);
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => foreignValue(item, '', depth + 1));
  // A Map keeps the order of keys such as "0", which an object puts first.
  const pairs = value instanceof Map ? [...(value as ReadonlyMap<string, JsonValue>)] : Object.entries(value);
  const entries = pairs.filter(([, item]) => item !== undefined);
  return dictOf(entries.map(([name, item]) => [foreignText(name), foreignValue(item, name, depth + 1)]));
}

function foreignNumber(value: number): Value {
  if (!Number.isInteger(value) || Object.is(value, -0)) return { float: value };
  return Number.isSafeInteger(value) ? value : BigInt(value);
}
