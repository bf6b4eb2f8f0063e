/**
 * States on a table's stack that what stands over them cannot tell apart from itself: it may end or go on, and both with the same byte.
 * They have to stay with it.
 */
import type { Automaton } from './automaton.ts';
import { DEAD } from './automaton.ts';
import type { Row, Rows, Steps } from './table-rows.ts';

/** A set of bytes: bit i of word w is byte 32 w + i. */
type ByteSet = Uint32Array;

interface Under {
  readonly row: Row;
  /** Bytes that lead on from it. */
  readonly own: ByteSet;
  /** Bytes that can follow the end of what it is in. */
  readonly follow: ByteSet;
  /** Those on top of the stack in places of this row, by the state of the automaton. */
  readonly tops: Map<number, Under>;
  /** Rows whose stack, as they were left, is that of this one. */
  readonly alike: Set<Under>;
  /** Rows whose `follow` grows with this one's. */
  readonly dependents: Set<Under>;
}

export function* tornReturns(automaton: Automaton, rows: Rows): Steps<ReadonlySet<number>> {
  const torn = new Set<number>();
  if (![...rows.values()].some(({ isDone, ways }) => isDone && ways.some(({ to }) => to !== DEAD))) return torn;
  const all = new Map<number, Under>();
  for (const [set, row] of rows) {
    all.set(set, { row, own: ownBytes(row), follow: new Uint32Array(8), tops: new Map(), alike: new Set(), dependents: new Set() });
    yield;
  }
  for (const each of all.values()) {
    linkWays(each, (set) => all.get(set) as Under, automaton);
    yield;
  }
  yield* spreadFollows(all.values());
  for (const each of all.values()) {
    if (each.row.isDone && meet(each.own, each.follow)) yield* tornUnder(each, torn);
    yield;
  }
  return torn;
}

function* spreadFollows(all: Iterable<Under>): Steps<void> {
  const waiting = new Set(all);
  for (const each of waiting) {
    waiting.delete(each);
    for (const other of each.dependents) if (addBytes(other.follow, each.follow)) waiting.add(other);
    yield;
  }
}

/** Adds what lies under a row, or under rows of the same stack, and may go on as the row does. */
function* tornUnder(row: Under, torn: Set<number>): Steps<void> {
  const near = new Set([row]);
  for (const one of near) {
    for (const before of one.alike) near.add(before);
    for (const [state, top] of one.tops)
      if (meet(top.own, row.own) || (top.row.isDone && meet(top.follow, row.own))) torn.add(state);
    yield;
  }
}

function meet(a: ByteSet, b: ByteSet): boolean {
  for (let i = 0; i < a.length; i++) if (((a[i] as number) & (b[i] as number)) !== 0) return true;
  return false;
}

/** Adds bytes to others; says whether that made them more. */
function addBytes(into: ByteSet, more: ByteSet): boolean {
  let isMore = false;
  for (let i = 0; i < into.length; i++) {
    const all = ((into[i] as number) | (more[i] as number)) >>> 0;
    isMore ||= all !== into[i];
    into[i] = all;
  }
  return isMore;
}

function ownBytes({ ways }: Row): ByteSet {
  const bytes = new Uint32Array(8);
  for (const [i, { from, to }] of ways.entries()) {
    const end = ways[i + 1]?.from ?? 256;
    if (to !== DEAD) for (let byte = from; byte < end; byte++) bytes[byte >> 5] = ((bytes[byte >> 5] as number) | (1 << (byte & 31))) >>> 0;
  }
  return bytes;
}

function linkWays(from: Under, at: (set: number) => Under, automaton: Automaton): void {
  const standOn = (over: Under, state: number) => {
    const top = at(automaton.setAt(state));
    over.tops.set(state, top);
    addBytes(over.follow, top.own);
    if (top.row.isDone) top.dependents.add(over);
  };
  const standAlike = (over: Under) => {
    over.alike.add(from);
    from.dependents.add(over);
  };
  for (const { to, returns } of from.row.ways) {
    if (to === DEAD) continue;
    const places = [...returns.map((state) => at(automaton.setAt(state))), at(to)];
    standAlike(places[0] as Under);
    for (const [i, state] of returns.entries()) standOn(places[i + 1] as Under, state);
  }
}
