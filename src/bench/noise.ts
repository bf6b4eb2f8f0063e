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

/** A difference is told where chance alone would make one as large less often than this. */
export const SIGNIFICANCE = 0.05;

/**
 * Whether two sides with so many runs can differ by more than chance: what {@link rankTest} gives where every run of one side is better
 * than every one of the other is below {@link SIGNIFICANCE}.
 */
export function canDiffer(a: number, b: number): boolean {
  let ways = 1;
  for (let i = 1; i <= a; i++) ways = (ways * (b + i)) / i;
  return 2 / ways < SIGNIFICANCE;
}

/** Runs of both sides together, from which on the exact test gives way to its normal approximation: 60 choices of 30 are 10^17. */
const MOST_EXACT = 50;

/**
 * The probability, if both came of one distribution, of ranks at least as far apart as these: the two-sided Mann-Whitney test
 * (Mann and Whitney, On a Test of Whether One of Two Random Variables is Stochastically Larger than the Other, 1947), ties by mid-ranks;
 * exact up to {@link MOST_EXACT} runs, else by the normal distribution with corrections for ties and continuity.
 */
export function rankTest(a: readonly number[], b: readonly number[]): number {
  const ranks = doubledRanks([...a, ...b]);
  const sum = ranks.slice(0, a.length).reduce((total, rank) => total + rank, 0);
  if (ranks.length > MOST_EXACT) return approximateTest(ranks, a.length, sum);
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

function approximateTest(ranks: readonly number[], count: number, sum: number): number {
  const all = ranks.length;
  const others = all - count;
  const ties = new Map<number, number>();
  for (const rank of ranks) ties.set(rank, (ties.get(rank) ?? 0) + 1);
  const tied = [...ties.values()].reduce((total, many) => total + many ** 3 - many, 0);
  const variance = ((count * others) / 12) * (all + 1 - tied / (all * (all - 1)));
  if (variance === 0) return 1;
  // Ranks are doubled; half a rank for continuity.
  const distance = Math.max(0, Math.abs(sum / 2 - (count * (all + 1)) / 2) - 0.5);
  return Math.min(1, complementaryError(distance / Math.sqrt(2 * variance)));
}

/** erfc for x from 0, within 1.2e-7 of it (Press and others, Numerical Recipes, 6.2). */
function complementaryError(x: number): number {
  const t = 1 / (1 + x / 2);
  const terms = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
  ];
  return t * Math.exp(-x * x + terms.reduceRight((total, term) => total * t + term, 0));
}

/** Twice the rank of each value, so that the mean rank of equal ones is whole. */
function doubledRanks(values: readonly number[]): number[] {
  const sorted = values.map((value, at) => ({ value, at })).sort((x, y) => x.value - y.value);
  const ranks = new Array<number>(values.length);
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    while (sorted[last + 1]?.value === sorted[first]!.value) last++;
    for (let i = first; i <= last; i++) ranks[sorted[i]!.at] = first + last + 2;
    first = last + 1;
  }
  return ranks;
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
