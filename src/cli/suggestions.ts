import type { Command } from 'commander';
import { closestMatch } from 'leven';

/** The candidate that a misspelt word most likely meant; undefined where none is near. */
export function closestTo(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const started = lower.length >= 3 ? candidates.filter((candidate) => candidate.toLowerCase().startsWith(lower)) : [];
  if (started.length === 1) return started[0];
  const letters = (text: string) => [...text].sort().join('');
  const swapped = candidates.find((candidate) => letters(candidate) === letters(lower));
  if (swapped !== undefined) return swapped;
  const maxDistance = Math.min(3, Math.floor(lower.length / 2));
  // In a very short word every letter would do for another.
  return maxDistance === 0 ? undefined : closestMatch(lower, candidates as string[], { maxDistance });
}

/** ` Did you mean "reset"?`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const closest = closestTo(word, candidates);
  return closest === undefined ? '' : ` Did you mean ${JSON.stringify(closest)}?`;
}

/** Names that may stand first on the command line, `help` among them. */
export function commandNames(program: Command): string[] {
  return [...program.commands.map((command) => command.name()), 'help'];
}
