/** `ingot bench --compare BASE NEW`: which differences between two files of results are more than noise. */
import { compareResults } from '../bench/compare-results.ts';
import type { Comparison, ResultsComparison } from '../bench/compare-results.ts';
import { readResults } from '../bench/read-results.ts';
import { tableLines } from './text-table.ts';

export interface CompareOptions {
  /** The least change that is told, as a share. */
  readonly smallest?: number | undefined;
}

/** @throws InputError for files without results, or with none in common */
export function compareFiles(base: string, next: string, { smallest }: CompareOptions): { lines: string[]; hasSlower: boolean } {
  const [before, after] = [readResults([base]), readResults([next])];
  const result = compareResults(before.rows, after.rows, smallest);
  const notes = [...result.notes, ...before.notes, ...after.notes].map((note) => `note: ${note}`);
  return { lines: [...comparisonLines(result), ...notes], hasSlower: result.comparisons.some(({ verdict }) => verdict === 'slower') };
}

function cells({ name, unit, base, next, speedup, interval, chance, verdict }: Comparison): string[] {
  const times = `${speedup.toFixed(3)}x`;
  const range = `${interval.low.toFixed(3)} to ${interval.high.toFixed(3)}`;
  return [name, unit, base.toPrecision(4), next.toPrecision(4), times, range, chance < 0.001 ? '<0.001' : chance.toFixed(3), verdict];
}

function comparisonLines({ comparisons, onlyBase, onlyNext }: ResultsComparison): string[] {
  const head = ['', 'unit', 'base', 'new', 'speed', '95% interval', 'chance', ''];
  const counts = new Map<string, number>();
  for (const { verdict } of comparisons) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const ones = (names: readonly string[], side: string) =>
    names.length === 0
      ? []
      : [`note: ${names.length} figures only in ${side}: ${names.slice(0, 3).join('; ')}${names.length > 3 ? '; ...' : ''}`];
  return [
    ...(comparisons.length === 0 ? ['No figure is in both files.'] : tableLines([head, ...comparisons.map(cells)], [2, 3, 4, 5, 6])),
    '',
    [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', '),
    ...ones(onlyBase, 'the base'),
    ...ones(onlyNext, 'the new file'),
  ];
}
