/** Options by name: one that does not exist would be ignored silently, and a misspelt temperature is hard to notice. */
import { InputError } from './errors.ts';

/** Every name of an options type: the compiler asks for those that are missing. */
export type NamesOf<Options> = { readonly [Name in keyof Options]-?: true };

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (beforeLast[j - 2] as number) + 1 : Infinity;
      row.push(Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] as number;
}

function isBeginning(text: string, of: string): boolean {
  return text.length > 2 && of.startsWith(text);
}

/** The names that a misspelt one may stand for, best first; `max_tokens` is as near to `maxTokens` as can be. */
function nearestNames(found: string, known: readonly string[]): readonly string[] {
  const plain = (name: string) => name.replace(/[^a-z0-9]/gi, '').toLowerCase();
  const wanted = plain(found.slice(0, 60));
  return known
    .map((name) => ({
      name,
      distance: isBeginning(wanted, plain(name)) || isBeginning(plain(name), wanted) ? 1 : editDistance(wanted, plain(name)),
    }))
    .filter(({ name, distance }) => distance <= Math.max(1, name.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 2)
    .map(({ name }) => name);
}

/**
 * @param call the function, for the message
 * @throws InputError for what is no object, or has an option that does not exist (set to something other than undefined).
 */
export function checkOptionNames(options: object, known: Readonly<Record<string, true>>, call: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InputError(
      `${call} takes an object of options, found ${Array.isArray(options) ? 'an array' : String(options).slice(0, 60)}.`,
    );
  }
  const names = Object.keys(known);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const near = nearestNames(name, names);
    const hint = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It takes ${names.join(', ')}.`;
    throw new InputError(`${call} has no option ${JSON.stringify(name.slice(0, 60))}. ${hint}`);
  }
}

/** @throws InputError for a switch that is neither on nor off */
export function checkSwitch(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean')
    throw new InputError(`${name} must be true or false, found ${describeValue(value)}.`);
}

/** As {@link checkSwitch}, for options that are all switches. */
export function checkSwitches(options: object): void {
  for (const [name, value] of Object.entries(options)) checkSwitch(name, value);
}

/** A value of any kind, short enough for a message: `string "yes"`, `an array`, `null`. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return `string ${JSON.stringify(value.slice(0, 60))}`;
  return typeof value === 'object' || typeof value === 'function'
    ? `${typeof value === 'object' ? 'an object' : 'a function'}`
    : `${typeof value} ${String(value).slice(0, 60)}`;
}
