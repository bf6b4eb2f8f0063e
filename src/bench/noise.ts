/** What runs of one figure say beyond their median: an interval, a drift, and whether two builds or engines differ. */
import { summarise } from './statistics.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/**
 * The 95% percentile bootstrap interval of the median (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): the
 * medians of {@link RESAMPLES} samples drawn with replacement. The same runs always give the same interval. With fewer than three
 * runs it is their least and most.
 * @param runs at least one
 */
export function medianInterval(runs: readonly number[]): Interval {
  const { min, max } = summarise(runs);
  if (runs.length < 3) return { low: min, high: max };
  const draw = drawer(runs.length);
  const medians = Array.from({ length: RESAMPLES }, () => summarise(runs.map(() => runs[draw()] as number)).median);
  medians.sort((a, b) => a - b);
  return { low: medians[Math.floor(RESAMPLES * 0.025)] as number, high: medians[Math.ceil(RESAMPLES * 0.975) - 1] as number };
}

/** Indices below `count`, from a generator of its own (mulberry32), so that a report made twice is the same twice. */
function drawer(count: number): () => number {
  let state = 0x9e3779b9 ^ count;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count);
  };
}

/** From this change on, and where no run of one third lies among those of the other, a figure has drifted. */
const DRIFT = 0.03;

/**
 * How far a figure moved within its runs: the median of the last third over that of the first one, minus 1, where it is beyond
 * {@link DRIFT} and the two thirds do not overlap; else undefined. Fewer than six runs say nothing.
 */
export function driftOf(runs: readonly number[]): number | undefined {
  const third = Math.floor(runs.length / 3);
  if (third < 2) return undefined;
  const first = summarise(runs.slice(0, third));
  const last = summarise(runs.slice(-third));
  const change = last.median / first.median - 1;
  const isApart = last.min > first.max || last.max < first.min;
  return isApart && Math.abs(change) >= DRIFT ? change : undefined;
}

/**
 * The probability, if both came of one distribution, of ranks at least as far apart as these: the exact two-sided Mann-Whitney test
 * (Mann and Whitney, On a Test of Whether One of Two Random Variables is Stochastically Larger than the Other, 1947), ties by mid-ranks.
 */
export function rankTest(a: readonly number[], b: readonly number[]): number {
  const ranks = doubledRanks([...a, ...b]);
  const sum = ranks.slice(0, a.length).reduce((total, rank) => total + rank, 0);
  const all = ranks.reduce((total, rank) => total + rank, 0);
  const counts = rankSums(ranks, a.length);
  const centre = (all * a.length) / ranks.length;
  let ways = 0;
  let extreme = 0;
  for (const [other, count] of counts.entries()) {
    ways += count;
    if (Math.abs(other - centre) >= Math.abs(sum - centre) - 1e-9) extreme += count;
  }
  return extreme / ways;
}

/** Twice the rank of each value, so that the mean rank of equal ones is whole. */
function doubledRanks(values: readonly number[]): number[] {
  const sorted = [...values].sort((x, y) => x - y);
  return values.map((value) => {
    const first = sorted.indexOf(value);
    return first + sorted.lastIndexOf(value) + 2;
  });
}

/** In how many ways `count` of the ranks have each sum. */
function rankSums(ranks: readonly number[], count: number): number[] {
  const most = ranks.reduce((total, rank) => total + rank, 0);
  const ways = Array.from({ length: count + 1 }, () => new Array<number>(most + 1).fill(0));
  ways[0]![0] = 1;
  for (const rank of ranks) {
    for (let chosen = count; chosen >= 1; chosen--) {
      const [from, into] = [ways[chosen - 1]!, ways[chosen]!];
      for (let sum = most; sum >= rank; sum--) into[sum]! += from[sum - rank]!;
    }
  }
  return ways[count]!;
}
