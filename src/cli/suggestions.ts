import { closestMatch } from 'leven';

/** The candidate that a misspelt word most likely meant; undefined where none is near. */
export function closestTo(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const started = lower.length >= 3 ? candidates.filter((candidate) => candidate.toLowerCase().startsWith(lower)) : [];
  if (started.length === 1) return started[0];
  // Two slips in a word of five letters; more in longer ones would match anything.
  const maxDistance = Math.min(3, Math.floor(0.4 * word.length));
  return maxDistance === 0 ? undefined : closestMatch(lower, candidates as string[], { maxDistance });
}

/** ` Did you mean "reset"?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const closest = closestTo(word, candidates);
  return closest === undefined ? '' : ` Did you mean ${JSON.stringify(closest)}?`;
}
