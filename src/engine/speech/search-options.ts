/** What may be said of how a model searches for what a window says. */
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

export interface SearchOptions {
  /** Answers that are followed at a time (beam search); 1: the likeliest token alone. Default 1. */
  readonly beams?: number | undefined;
  /** Answers that may end before a beam search does, as a factor of `beams`. Default 1. */
  readonly patience?: number | undefined;
  /** Favours longer answers of a beam search above 0. Default: their mean log probabilities are compared. */
  readonly lengthPenalty?: number | undefined;
  /** Tried in turn until an answer is to be believed, from 0 on. Default 0 to 1 in steps of 0.2. */
  readonly temperatures?: readonly number[] | undefined;
  /** Whether each window of a long sound is told what was said before it. Default true. */
  readonly conditioned?: boolean | undefined;
  /**
   * Windows that are heard side by side, cut where nobody speaks; none is told what was said in another, and `prompt` is told to each.
   * Default 1: one after the other, each from where the last segment of the one before ended.
   */
  readonly windows?: number | undefined;
}

export const SEARCH_NAMES = [
  'beams', 'patience', 'lengthPenalty', 'temperatures', 'conditioned', 'windows',
] as const satisfies readonly (keyof SearchOptions)[];

/** Most `beams`: each takes keys and values of its own. */
export const MOST_BEAMS = 16;

/** Most `windows`: each takes a memory of its own. */
export const MOST_WINDOWS = 8;

/** @throws InputError */
export function checkSearch({ beams, patience, lengthPenalty, temperatures, conditioned, windows }: SearchOptions): void {
  if (beams !== undefined && !(Number.isInteger(beams) && beams >= 1 && beams <= MOST_BEAMS))
    throw new InputError(`beams must be a whole number from 1 to ${MOST_BEAMS}, found ${describeValue(beams)}.`);
  if (patience !== undefined && !(patience > 0 && patience <= 100))
    throw new InputError(`patience must be a number above 0 and at most 100, found ${describeValue(patience)}.`);
  if (lengthPenalty !== undefined && !(lengthPenalty >= 0 && lengthPenalty <= 10))
    throw new InputError(`lengthPenalty must be a number from 0 to 10, found ${describeValue(lengthPenalty)}.`);
  if ((beams ?? 1) === 1 && (patience ?? lengthPenalty) !== undefined)
    throw new InputError('patience and lengthPenalty are for a beam search: give beams above 1, or leave them out.');
  if (conditioned !== undefined && typeof conditioned !== 'boolean')
    throw new InputError(`conditioned must be true or false, found ${describeValue(conditioned)}.`);
  if (windows !== undefined && !(Number.isInteger(windows) && windows >= 1 && windows <= MOST_WINDOWS))
    throw new InputError(`windows must be a whole number from 1 to ${MOST_WINDOWS}, found ${describeValue(windows)}.`);
  if ((windows ?? 1) > 1 && (beams ?? 1) > 1) throw new InputError('windows above 1 are not searched by beams: leave out one of them.');
  if (temperatures === undefined) return;
  const isTemperature = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 2;
  if (!Array.isArray(temperatures) || temperatures.length === 0 || temperatures.length > 16 || !temperatures.every(isTemperature))
    throw new InputError(`temperatures must be 1 to 16 numbers from 0 to 2, found ${describeValue(temperatures)}.`);
}
