/** What callers pass as JSON and is none: written as JSON, it would be left out, changed, or an error of the platform. */
import { InputError } from '../../tensor/errors.ts';
import { describeNumber } from '../../tensor/option-names.ts';

/** Lists and objects, each inside the one before: readers of them go down by one call a level. */
const MOST_DEPTH = 600;
/** Characters of a path that a message shows. */
const MOST_PATH = 120;

/** A path whose end is what helps, short enough for a message. */
export function shortPath(path: string): string {
  return path.length <= MOST_PATH ? path : `${path.slice(0, MOST_PATH / 2)}...${path.slice(-MOST_PATH / 2)}`;
}

/** Half of a surrogate pair alone: UTF-8 has no bytes for it. */
export const HALF_PAIR = /\p{Surrogate}/u;

/** Whether it was written as an object, of whatever realm: no Map, Date or the like. */
function isRecord(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/**
 * Members that are undefined count as not there, as in options.
 * @param path of the value, for messages
 * @throws InputError with the path of what is no JSON, or nested too deeply, as what holds itself is
 */
export function checkPlainJson(value: unknown, path: string, depth = 0): void {
  if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return;
  if (typeof value === 'string') return;
  const at = shortPath(path);
  if (typeof value !== 'object') throw new InputError(`${at} must be JSON, found ${describeNumber(value)}.`);
  if (!Array.isArray(value) && !isRecord(value))
    throw new InputError(`${at} must be JSON, found ${Object.prototype.toString.call(value).slice('[object '.length, -1)}.`);
  if (depth > MOST_DEPTH) throw new InputError(`${at} is nested more than ${MOST_DEPTH} deep, or holds itself.`);
  for (const [name, item] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    if (item === undefined && !Array.isArray(value)) continue;
    checkPlainJson(item, `${path}/${String(name)}`, depth + 1);
  }
}
