/** Deterministic automata over code points: from nondeterministic ones, both at once, either less the other. */
import { InputError } from '../../tensor/errors.ts';
import { hasCode } from './code-ranges.ts';
import type { CharDfa, CodeRanges } from './grammar-node.ts';

/** States of which one automaton may be. */
const MOST_STATES = 6000;
/** Places of the nondeterministic automaton that the states of one may stand for, all together. */
const MOST_PLACES = 2_000_000;

/** A nondeterministic automaton under way; state numbers are indices. */
export interface CharNfa {
  readonly edges: { ranges: CodeRanges; to: number }[][];
  readonly jumps: number[][];
}

export function addState(nfa: CharNfa): number {
  nfa.jumps.push([]);
  return nfa.edges.push([]) - 1;
}

function tooLarge(): never {
  throw new InputError(`it makes more than ${MOST_STATES} states; simplify it, or give shorter bounds`);
}

/** All code points, cut into pieces within which no edge tells one from another. */
interface Pieces {
  readonly starts: readonly number[];
  /** Numbers of the pieces that some ranges are made of. */
  of(ranges: CodeRanges): readonly number[];
  /** The code points of ascending pieces; of the same ones the same ranges. */
  join(pieces: readonly number[]): CodeRanges;
}

function piecesOf(sets: Iterable<CodeRanges>): Pieces {
  const distinct = new Set(sets);
  const bounds = new Set<number>();
  for (const set of distinct) for (const [first, last] of set) bounds.add(first).add(last + 1);
  const starts = [...bounds].sort((a, b) => a - b);
  const indices = new Map(starts.map((start, i) => [start, i]));
  const known = new Map<CodeRanges, number[]>();
  const joined = new Map<string, CodeRanges>();
  for (const set of distinct) {
    const own: number[] = [];
    for (const [first, last] of set) for (let i = indices.get(first) as number; i < (indices.get(last + 1) as number); i++) own.push(i);
    known.set(set, own);
  }
  return {
    starts,
    of: (ranges) => known.get(ranges) as number[],
    join(pieces) {
      const key = pieces.join();
      const before = joined.get(key);
      if (before !== undefined) return before;
      const out: [number, number][] = [];
      joined.set(key, out);
      for (const piece of pieces) {
        const [first, end] = [starts[piece] as number, (starts[piece + 1] as number) - 1];
        const last = out.at(-1);
        if (last !== undefined && last[1] + 1 === first) last[1] = end;
        else out.push([first, end]);
      }
      return out;
    },
  };
}

/** Edges by where they lead, from ascending pieces. */
function joinEdges(found: ReadonlyMap<number, number[]>, pieces: Pieces): { ranges: CodeRanges; to: number }[] {
  return [...found].map(([to, own]) => ({ ranges: pieces.join(own), to }));
}

function addTo(found: Map<number, number[]>, key: number, piece: number): void {
  const list = found.get(key);
  if (list === undefined) found.set(key, [piece]);
  else list.push(piece);
}

/** The texts by which `nfa` comes from `start` to `final`. */
export function determinise(nfa: CharNfa, start: readonly number[], isFinal: (states: readonly number[]) => boolean): CharDfa {
  const ids = new Map<string, number>();
  const sets: number[][] = [];
  let places = 0;
  const idOf = (states: Iterable<number>): number => {
    const closed = [...closure(nfa, states)].sort((a, b) => a - b);
    const key = closed.join();
    const known = ids.get(key);
    if (known !== undefined) return known;
    places += closed.length;
    if (sets.length >= MOST_STATES || places > MOST_PLACES) tooLarge();
    ids.set(key, sets.length);
    return sets.push(closed) - 1;
  };
  idOf(start);
  const pieces = piecesOf(nfa.edges.flatMap((out) => out.map(({ ranges }) => ranges)));
  const edges: { ranges: CodeRanges; to: number }[][] = [];
  for (let id = 0; id < sets.length; id++) {
    const targets: number[][] = [];
    for (const state of sets[id] as number[])
      for (const { ranges, to } of nfa.edges[state] ?? []) for (const piece of pieces.of(ranges)) (targets[piece] ??= []).push(to);
    const found = new Map<number, number[]>();
    // Most pieces lead to the same states as the one before.
    const byTargets = new Map<string, number>();
    targets.forEach((states, piece) => {
      const key = states.join();
      const to = byTargets.get(key) ?? idOf(states);
      byTargets.set(key, to);
      addTo(found, to, piece);
    });
    edges.push(joinEdges(found, pieces));
  }
  return trim({ edges, isFinal: sets.map(isFinal) });
}

export function closure(nfa: CharNfa, states: Iterable<number>): Set<number> {
  const seen = new Set<number>();
  const waiting = [...states];
  while (waiting.length > 0) {
    const state = waiting.pop() as number;
    if (seen.has(state)) continue;
    seen.add(state);
    waiting.push(...(nfa.jumps[state] ?? []));
  }
  return seen;
}

/** Leaves out what leads to no end. The empty automaton has one state. */
export function trim({ edges, isFinal }: CharDfa): CharDfa {
  const before: number[][] = edges.map(() => []);
  edges.forEach((out, from) => out.forEach(({ to }) => before[to]?.push(from)));
  const useful = new Set<number>();
  const waiting = isFinal.flatMap((final, state) => (final ? [state] : []));
  while (waiting.length > 0) {
    const state = waiting.pop() as number;
    if (useful.has(state)) continue;
    useful.add(state);
    waiting.push(...(before[state] as number[]));
  }
  if (!useful.has(0)) return { edges: [[]], isFinal: [false] };
  const kept = [...useful].sort((a, b) => a - b);
  const renamed = new Map(kept.map((state, i) => [state, i]));
  return {
    edges: kept.map((state) => (edges[state] ?? []).flatMap(({ ranges, to }) => {
      const target = renamed.get(to);
      return target === undefined ? [] : [{ ranges, to: target }];
    })),
    isFinal: kept.map((state) => isFinal[state] === true),
  };
}

export function isEmptyDfa({ edges, isFinal }: CharDfa): boolean {
  return edges.length === 1 && isFinal[0] === false && (edges[0] ?? []).length === 0;
}

/** Texts of `a` that are also of `b`, or with `less` those that are not. */
export function combine(a: CharDfa, b: CharDfa, { less = false }: { readonly less?: boolean } = {}): CharDfa {
  const ids = new Map<number, number>();
  const pairs: [number, number][] = [];
  // State -1 of b: no text of it begins so.
  const idOf = (x: number, y: number): number => {
    const key = x * 0x100000 + y + 1;
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (pairs.length >= MOST_STATES) tooLarge();
    ids.set(key, pairs.length);
    return pairs.push([x, y]) - 1;
  };
  idOf(0, 0);
  const pieces = piecesOf([...a.edges, ...b.edges].flatMap((out) => out.map(({ ranges }) => ranges)));
  const ofB = b.edges.map((out) => tableOf(out, pieces));
  const none = new Int32Array(pieces.starts.length).fill(-1);
  const edges: { ranges: CodeRanges; to: number }[][] = [];
  for (let id = 0; id < pairs.length; id++) {
    const [x, y] = pairs[id] as [number, number];
    const found = new Map<number, number[]>();
    const row = ofB[y] ?? none;
    tableOf(a.edges[x] ?? [], pieces).forEach((toA, piece) => {
      const toB = row[piece] as number;
      if (toA >= 0 && (toB >= 0 || less)) addTo(found, idOf(toA, toB), piece);
    });
    edges.push(joinEdges(found, pieces));
  }
  const isFinal = pairs.map(([x, y]) => a.isFinal[x] === true && (b.isFinal[y] === true) !== less);
  return trim({ edges, isFinal });
}

/** By piece, the state that follows, or -1. */
function tableOf(out: CharDfa['edges'][number], pieces: Pieces): Int32Array {
  const table = new Int32Array(pieces.starts.length).fill(-1);
  for (const { ranges, to } of out) for (const piece of pieces.of(ranges)) table[piece] = to;
  return table;
}

/** Texts of `ranges` with from `min` to `max` characters. */
export function countedDfa(ranges: CodeRanges, min: number, max: number): CharDfa {
  const last = max === Infinity ? min : max;
  if (last >= MOST_STATES) tooLarge();
  const edges = Array.from({ length: last + 1 }, (_, count) => {
    if (count < last) return [{ ranges, to: count + 1 }];
    return max === Infinity ? [{ ranges, to: count }] : [];
  });
  return { edges, isFinal: edges.map((_, count) => count >= min) };
}

/** One of some texts. */
export function wordsDfa(words: readonly string[]): CharDfa {
  const nfa: CharNfa = { edges: [], jumps: [] };
  const start = addState(nfa);
  const ends = new Set<number>();
  for (const word of words) {
    let state = start;
    for (const char of word) {
      const next = addState(nfa);
      const code = char.codePointAt(0) as number;
      nfa.edges[state]?.push({ ranges: [[code, code]], to: next });
      state = next;
    }
    ends.add(state);
  }
  return determinise(nfa, [start], (states) => states.some((state) => ends.has(state)));
}

export function acceptsText({ edges, isFinal }: CharDfa, text: string): boolean {
  let state = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    const to = (edges[state] ?? []).find(({ ranges }) => hasCode(ranges, code))?.to;
    if (to === undefined) return false;
    state = to;
  }
  return isFinal[state] === true;
}
