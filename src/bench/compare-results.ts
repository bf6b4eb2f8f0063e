/** Two sets of results side by side: which differences are more than noise. */
import { canDiffer, medianInterval, rankTest, SIGNIFICANCE } from './noise.ts';
import type { Interval } from './noise.ts';
import { judgedBy } from './judged.ts';
import { dayOf, occasionOf } from './occasion.ts';
import type { ResultRow } from './read-results.ts';
import { summarise } from './statistics.ts';
import { isMoreBetter } from './task.ts';

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
  /** What is not of one day or machine, and what was left out, for people. */
  readonly notes: readonly string[];
}

/**
 * Compares figures of the same model (by hash, else by name), device, engine, settings and measure. Runs of several rows of one figure
 * are taken together where they are of one machine, day and commit; of several the last counts. Judgements compare where they are by one
 * text or set of tasks.
 * @param smallest the least change that is told, as a share; default 0.02
 */
export function compareResults(base: readonly ResultRow[], next: readonly ResultRow[], smallest: number = SMALLEST): ResultsComparison {
  const [before, after] = [groupsOf(base), groupsOf(next)];
  const both = [...before.groups.keys()].filter((key) => after.groups.has(key));
  const pairs = both.map((key) => [before.groups.get(key)!, after.groups.get(key)!] as const);
  return {
    comparisons: pairs.map(([a, b]) => compareRuns(a, b, smallest)),
    onlyBase: [...before.groups].filter(([key]) => !after.groups.has(key)).map(([, { name }]) => name),
    onlyNext: [...after.groups].filter(([key]) => !before.groups.has(key)).map(([, { name }]) => name),
    notes: [
      ...earlierNotes(before.earlier, 'the base'), ...earlierNotes(after.earlier, 'the new file'), ...apartNotes(pairs),
    ],
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
  /** Of all its runs. */
  readonly occasion: string;
  readonly day: string;
  readonly host: string | null | undefined;
}

interface Groups {
  readonly groups: ReadonlyMap<string, Group>;
  /** Names of figures that were measured on an earlier occasion too. */
  readonly earlier: ReadonlySet<string>;
}

function groupsOf(rows: readonly ResultRow[]): Groups {
  const groups = new Map<string, Group>();
  const earlier = new Set<string>();
  for (const row of rows) {
    const { model, device, engine, measure, unit, runs, flags, machine } = row;
    const settings = settingsOf(flags);
    const where = [engine.device, device?.adapter?.device || machine.cpu].filter(Boolean).join(', ');
    const judge = judgedBy(row);
    const what = judge === undefined ? measure : `${measure} (${judge})`;
    const name = `${model.file}, ${engine.name}${settings && ` (${settings})`} on ${where}: ${what}`;
    const key = `${model.sha256 ?? model.file}|${name.slice(model.file.length)}`;
    const before = groups.get(key);
    const isSame = before?.occasion === occasionOf(row);
    if (before !== undefined && !isSame) earlier.add(name);
    const group = isSame ? before : { name, unit, runs: [], occasion: occasionOf(row), day: dayOf(row), host: machine.host };
    group.runs.push(...runs);
    groups.set(key, group);
  }
  return { groups, earlier };
}

function earlierNotes(names: ReadonlySet<string>, side: string): string[] {
  if (names.size === 0) return [];
  return [`of ${figuresText(names.size)} ${side} has rows of an earlier day, commit or machine too, which are left out: ${[...names][0]}`];
}

const figuresText = (count: number) => `${count} ${count === 1 ? 'figure' : 'figures'}`;

/** Two days, or two machines, differ by themselves. */
function apartNotes(pairs: readonly (readonly [Group, Group])[]): string[] {
  const days = pairs.filter(([a, b]) => a.day !== b.day);
  const hosts = pairs.filter(([a, b]) => a.host && b.host && a.host !== b.host);
  const told = [...new Set(days.map(([a, b]) => `${a.day} and ${b.day}`))].join('; ');
  return [
    ...(days.length === 0 ? [] : [`${figuresText(days.length)} of two days (${told}): clocks and temperatures differ between them`]),
    ...(hosts.length === 0 ? [] : [`${figuresText(hosts.length)} of two machines of one kind: differences may be theirs`]),
  ];
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
  const verdict = verdictOf({ speedup, chance, smallest, hasEnough: canDiffer(base.length, next.length) });
  return { name, unit, base: before, next: after, speedup, interval, chance, verdict };
}

interface Evidence {
  readonly speedup: number;
  readonly chance: number;
  readonly smallest: number;
  /** Runs. */
  readonly hasEnough: boolean;
}

function verdictOf({ speedup, chance, smallest, hasEnough }: Evidence): Verdict {
  if (!hasEnough) return 'too few runs';
  if (chance >= SIGNIFICANCE || Math.abs(speedup - 1) < smallest) return 'no difference shown';
  return speedup > 1 ? 'faster' : 'slower';
}
