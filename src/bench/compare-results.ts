/** Two sets of results side by side: which differences are more than noise. */
import { medianInterval, rankTest } from './noise.ts';
import type { Interval } from './noise.ts';
import type { ResultRow } from './read-results.ts';
import { summarise } from './statistics.ts';
import { isMoreBetter } from './task.ts';

/** A difference is told where chance alone would make one as large less often than this. */
const SIGNIFICANCE = 0.05;
/** No difference smaller than this is told, however sure: clocks and caches differ that much from day to day. */
const SMALLEST = 0.02;

export type Verdict = 'faster' | 'slower' | 'no difference shown' | 'too few runs';

export interface Comparison {
  /** What was measured: model, device, engine, measure. */
  readonly name: string;
  readonly unit: string;
  readonly base: number;
  readonly next: number;
  /** How many times as fast the new one is: above 1 is better, whatever the unit. */
  readonly speedup: number;
  readonly interval: Interval;
  /** Of the exact rank test. */
  readonly chance: number;
  readonly verdict: Verdict;
}

export interface ResultsComparison {
  readonly comparisons: readonly Comparison[];
  /** Figures that only one side has. */
  readonly onlyBase: readonly string[];
  readonly onlyNext: readonly string[];
}

/**
 * Compares figures of the same model (by hash, else by name), device, engine, settings and measure. Runs of several rows of one figure
 * are taken together.
 * @param smallest the least change that is told, as a share; default 0.02
 */
export function compareResults(base: readonly ResultRow[], next: readonly ResultRow[], smallest: number = SMALLEST): ResultsComparison {
  const [before, after] = [groupsOf(base), groupsOf(next)];
  const both = [...before.keys()].filter((key) => after.has(key));
  return {
    comparisons: both.map((key) => compareRuns(before.get(key)!, after.get(key)!, smallest)),
    onlyBase: [...before].filter(([key]) => !after.has(key)).map(([, { name }]) => name),
    onlyNext: [...after].filter(([key]) => !before.has(key)).map(([, { name }]) => name),
  };
}

/** Settings that make other work, or other hardware's, of a figure: their rows are never taken together. */
function settingsOf(flags: ResultRow['flags']): string {
  const found = ['batchSize', 'kv', 'threads'].filter((name) => flags[name] !== undefined && flags[name] !== null);
  return found.map((name) => `${name} ${flags[name]}`).join(', ');
}

interface Group {
  readonly name: string;
  readonly unit: string;
  readonly runs: number[];
}

function groupsOf(rows: readonly ResultRow[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const { model, device, engine, measure, unit, runs, flags, machine } of rows) {
    const settings = settingsOf(flags);
    const where = [engine.device, device?.adapter?.device || machine.cpu].filter(Boolean).join(', ');
    const name = `${model.file}, ${engine.name}${settings && ` (${settings})`} on ${where}: ${measure}`;
    const key = `${model.sha256 ?? model.file}|${name.slice(model.file.length)}`;
    const group = groups.get(key) ?? { name, unit, runs: [] };
    group.runs.push(...runs);
    groups.set(key, group);
  }
  return groups;
}

function compareRuns({ name, unit, runs: base }: Group, { runs: next }: Group, smallest: number): Comparison {
  // Milliseconds and megabytes are better where there are fewer.
  const isRate = isMoreBetter(unit);
  const ratioOf = (from: number, to: number) => (isRate ? to / from : from / to);
  const [a, b] = [medianInterval(base), medianInterval(next)];
  const [before, after] = [summarise(base).median, summarise(next).median];
  const speedup = ratioOf(before, after);
  const chance = rankTest(base, next);
  const interval = { low: isRate ? b.low / a.high : a.low / b.high, high: isRate ? b.high / a.low : a.high / b.low };
  const verdict = verdictOf({ speedup, chance, smallest, least: leastChance(base.length, next.length) });
  return { name, unit, base: before, next: after, speedup, interval, chance, verdict };
}

interface Evidence {
  readonly speedup: number;
  readonly chance: number;
  readonly smallest: number;
  readonly least: number;
}

function verdictOf({ speedup, chance, smallest, least }: Evidence): Verdict {
  if (least >= SIGNIFICANCE) return 'too few runs';
  if (chance >= SIGNIFICANCE || Math.abs(speedup - 1) < smallest) return 'no difference shown';
  return speedup > 1 ? 'faster' : 'slower';
}

/** What the rank test gives where every run of one side is better than every one of the other. */
function leastChance(a: number, b: number): number {
  let ways = 1;
  for (let i = 1; i <= a; i++) ways = (ways * (b + i)) / i;
  return 2 / ways;
}
