import { nearestNames } from '../tensor/near-names.ts';

/** The candidate that a misspelt word most likely meant; undefined where none is near. */
export function closestTo(word: string, candidates: readonly string[]): string | undefined {
  return nearestNames(word, candidates)[0];
}

/** ` Did you mean "reset"?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const closest = closestTo(word, candidates);
  return closest === undefined ? '' : ` Did you mean ${JSON.stringify(closest)}?`;
}
