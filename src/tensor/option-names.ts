/** Options by name: one that does not exist would be ignored silently, and a misspelt temperature is hard to notice. */
import { InputError } from './errors.ts';
import { nearestNames } from './near-names.ts';

/** Every name of an options type: the compiler asks for those that are missing. */
export type NamesOf<Options> = { readonly [Name in keyof Options]-?: true };

/**
 * @param call the function, for the message
 * @throws InputError for what is no object, or has an option that does not exist (set to something other than undefined).
 */
export function checkOptionNames(options: object, known: Readonly<Record<string, true>>, call: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InputError(`${call} takes an object of options, found ${describeValue(options)}.`);
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

/**
 * Undefined is an option that is not set.
 * @throws InputError for a number option that is no integer of its range
 */
export function checkInteger(
  name: string, value: number | undefined, { min, max = Infinity }: { readonly min: number; readonly max?: number | undefined },
): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) return;
  const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new InputError(`${name} must be an integer ${range}, found ${describeNumber(value)}.`);
}

/** What stands where a number of some range should: a number as it is, else {@link describeValue}. */
export function describeNumber(value: unknown): string {
  return typeof value === 'number' ? String(value) : describeValue(value);
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
