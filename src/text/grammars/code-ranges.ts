/** Sets of code points, and the bytes that stand for them. */
import type { CodeRanges, Writing } from './grammar-node.ts';

const LAST = 0x10ffff;

/** Sorted, joined where they touch, surrogates left out, since no text has them. */
export function codeRanges(pairs: readonly (readonly [number, number])[]): CodeRanges {
  const sorted = pairs.flatMap(([first, last]) => withoutSurrogates(first, last)).sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

function withoutSurrogates(first: number, last: number): [number, number][] {
  const parts: [number, number][] = [];
  if (first <= Math.min(last, 0xd7ff)) parts.push([first, Math.min(last, 0xd7ff)]);
  if (Math.max(first, 0xe000) <= last) parts.push([Math.max(first, 0xe000), last]);
  return parts;
}

export const ANY_CODE: CodeRanges = codeRanges([[0, LAST]]);

export function complementOf(ranges: CodeRanges): CodeRanges {
  const out: [number, number][] = [];
  let next = 0;
  for (const [first, last] of ranges) {
    if (first > next) out.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST) out.push([next, LAST]);
  return codeRanges(out);
}

export function intersectionOf(a: CodeRanges, b: CodeRanges): CodeRanges {
  const out: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [first, last] = [Math.max(a[i]![0], b[j]![0]), Math.min(a[i]![1], b[j]![1])];
    if (first <= last) out.push([first, last]);
    if (a[i]![1] < b[j]![1]) i++;
    else j++;
  }
  return out;
}

export function hasCode(ranges: CodeRanges, code: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle] as readonly [number, number];
    if (code < first) high = middle - 1;
    else if (code > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** Characters that `JSON.stringify` writes by themselves. */
const JSON_PLAIN = codeRanges([[0x20, 0x21], [0x23, 0x5b], [0x5d, LAST]]);
const JSON_ESCAPED = complementOf(JSON_PLAIN);

/** Runs of byte ranges, each of which stands for some of the code points; together for all of them. */
export function byteRuns(ranges: CodeRanges, writing: Writing): CodeRanges[] {
  if (writing === 'text') return ranges.flatMap(([first, last]) => utf8Runs(first, last));
  const plain = intersectionOf(ranges, JSON_PLAIN).flatMap(([first, last]) => utf8Runs(first, last));
  const escaped = intersectionOf(ranges, JSON_ESCAPED).flatMap(([first, last]) => {
    const runs: CodeRanges[] = [];
    for (let code = first; code <= last; code++) {
      const written = JSON.stringify(String.fromCharCode(code)).slice(1, -1);
      runs.push(Array.from(written, (char): [number, number] => [char.charCodeAt(0), char.charCodeAt(0)]));
    }
    return runs;
  });
  return [...plain, ...escaped];
}

/** Where the number of UTF-8 bytes grows, and how many there are up to there. */
const LENGTH_ENDS: readonly (readonly [number, number])[] = [[0x7f, 1], [0x7ff, 2], [0xffff, 3], [LAST, 4]];

function utf8Runs(first: number, last: number): CodeRanges[] {
  if (last < 0x80) return [[[first, last]]];
  const runs: CodeRanges[] = [];
  let from = first;
  for (const [end, length] of LENGTH_ENDS) {
    if (from > last) break;
    if (from > end) continue;
    splitRuns(encode(from, length), encode(Math.min(last, end), length), runs);
    from = end + 1;
  }
  return runs;
}

function encode(code: number, length: number): number[] {
  if (length === 1) return [code];
  const bytes: number[] = [];
  for (let i = length - 1; i > 0; i--) bytes.unshift(0x80 | ((code >> (6 * (length - 1 - i))) & 0x3f));
  const lead = [0, 0, 0xc0, 0xe0, 0xf0][length] as number;
  return [lead | (code >> (6 * (length - 1))), ...bytes];
}

/** Runs of all byte strings from `low` to `high`, whose bytes behind the first go from 80 to BF. */
function splitRuns(low: number[], high: number[], into: CodeRanges[], before: readonly [number, number][] = []): void {
  const [first, last] = [low[0] as number, high[0] as number];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const isWhole = lowRest.every((byte) => byte === 0x80) && highRest.every((byte) => byte === 0xbf);
  if (lowRest.length === 0 || isWhole) {
    into.push([...before, [first, last], ...lowRest.map((): [number, number] => [0x80, 0xbf])]);
    return;
  }
  if (first === last) return splitRuns(lowRest, highRest, into, [...before, [first, first]]);
  const lowest = lowRest.map(() => 0x80);
  const highest = lowRest.map(() => 0xbf);
  const lowWhole = lowRest.every((byte) => byte === 0x80);
  const highWhole = highRest.every((byte) => byte === 0xbf);
  if (!lowWhole) splitRuns(lowRest, highest, into, [...before, [first, first]]);
  const [midFirst, midLast] = [lowWhole ? first : first + 1, highWhole ? last : last - 1];
  if (midFirst <= midLast) into.push([...before, [midFirst, midLast], ...lowest.map((): [number, number] => [0x80, 0xbf])]);
  if (!highWhole) splitRuns(lowest, highRest, into, [...before, [last, last]]);
}
