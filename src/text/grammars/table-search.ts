/**
 * Finds the table of a grammar (`tensor/byte-table.ts`), bit by bit, so that whoever looks for one can do other things between. A state is
 * a set of places that the automaton may be in, with their stacks as far as those differ; what all of them have in common goes on the
 * table's stack. Where a rule may end or go on with the same byte, what follows it stays with the places, so that all of them are read side
 * by side.
 */
import { Automaton, configKey, DEAD } from './automaton.ts';
import type { GrammarNode } from './grammar-node.ts';
import { TooManyParts } from './local-states.ts';
import type { GrammarTable, NoTable, Row, Rows, Steps, Target, Way } from './table-rows.ts';
import { MOST_STATES, writeTable } from './table-words.ts';
import { tornReturns } from './torn-returns.ts';

/** A search that goes on as it is asked to. */
export interface TableSearch {
  /**
   * Looks on for a moment, {@link MOST_STEP_WORK} at most. True: it is over.
   * @throws what ended the search, then and at every later call
   */
  advance(): boolean;
  readonly isOver: boolean;
  /** What was found, or why nothing was. Looks on to the end where it is not over. @throws as {@link advance} */
  found(): GrammarTable | NoTable;
  /** What it has taken so far, in edges looked at and places closed over. */
  readonly work: number;
}

/** What one search may take: 0.1 to 0.4 s of a processor. */
export const MOST_WORK = 200_000;
/** Places that a text may be read at side by side, those without a byte of their own among them, and edges that lead on from them. */
const MOST_PLACES = 1000;
const MOST_EDGES = 3000;
/** What one step may take: the edges of a state, and its places once as they are and once less what lies under them. */
export const MOST_STEP_WORK = MOST_EDGES + 2 * MOST_PLACES;
/** Parts of the grammar that may be looked at for one set, and altogether: what one of 20 ms costs, and 1 s. */
const MOST_SET_PARTS = 20_000;
const MOST_PARTS = 1_000_000;
/** How often all is made anew, since rules can end and go on with the same byte. */
const MOST_ROUNDS = 12;

/** @param tokenBytes what stands for a token of the grammar's own in the table; undefined: none does */
export function searchTable(node: GrammarNode, tokenBytes: (token: number) => Uint8Array | undefined): TableSearch {
  // What was found stays, and what found it goes. So does an error: what threw is over, and has nothing more to say.
  let under: Search | undefined = beginSearch(node, new Automaton({ callsChars: true, tokenBytes, mostParts: MOST_SET_PARTS }));
  let end: { readonly found: GrammarTable | NoTable } | { readonly error: unknown } | undefined;
  let work = 0;
  const advance = () => {
    if (under !== undefined) {
      end = stepOf(under);
      work = under.automaton.work;
      if (end !== undefined) under = undefined;
    }
    if (end !== undefined && 'error' in end) throw end.error;
    return end !== undefined;
  };
  return {
    advance,
    get isOver() {
      return end !== undefined;
    },
    found() {
      while (!advance());
      return (end as { readonly found: GrammarTable | NoTable }).found;
    },
    get work() {
      return work;
    },
  };
}

/** Undefined: there is more to do. */
function stepOf({ steps }: Search): { readonly found: GrammarTable | NoTable } | { readonly error: unknown } | undefined {
  try {
    const found = steps.next().value;
    return found === undefined ? undefined : { found };
  } catch (error) {
    // The matcher may have room for it, and says what is wrong where it has none.
    return error instanceof TooManyParts ? { found: 'places' } : { error };
  }
}

interface Search {
  readonly automaton: Automaton;
  readonly steps: Steps<GrammarTable | NoTable>;
}

const beginSearch = (node: GrammarNode, automaton: Automaton): Search => ({ automaton, steps: search(automaton, node) });

function* search(automaton: Automaton, node: GrammarNode): Steps<GrammarTable | NoTable> {
  const kept = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const rows = yield* findRows(automaton, automaton.startOf(node), kept);
    if (typeof rows === 'string') return rows;
    const torn = yield* tornReturns(automaton, rows);
    if (torn.size === 0) return yield* writeTable(automaton, rows);
    for (const state of torn) kept.add(state);
  }
  return 'ambiguous';
}

function* findRows(automaton: Automaton, start: number, kept: ReadonlySet<number>): Steps<Rows | NoTable> {
  const rows = new Map<number, Row>();
  const finding: Finding = { automaton, kept, waiting: [start], known: new Set([start]), bySingle: new Map(), byPlaces: new Map() };
  for (const set of finding.waiting) {
    if (automaton.takesTokens(set)) return 'end token';
    const ways = yield* waysFrom(finding, set);
    if (ways === undefined) return 'places';
    if (finding.known.size > MOST_STATES || automaton.work > MOST_WORK || automaton.states.parts > MOST_PARTS)
      return kept.size === 0 ? 'states' : 'ambiguous';
    rows.set(set, { set, ways, isDone: automaton.set(set).isDone });
    yield;
  }
  return rows;
}

interface Finding {
  readonly automaton: Automaton;
  readonly kept: ReadonlySet<number>;
  readonly waiting: number[];
  readonly known: Set<number>;
  /** Where bytes lead, by the place that they lead to, state and stack, or by the places where those are several. */
  readonly bySingle: Map<number, Target>;
  readonly byPlaces: Map<string, Target>;
}

const NOWHERE: Target = { to: DEAD, returns: [] };

/** Undefined where there are too many. */
function* waysFrom(finding: Finding, set: number): Steps<readonly Way[] | undefined> {
  const edges = finding.automaton.edgesOf(set);
  if (edges.length > 4 * MOST_EDGES) return undefined;
  const ways: Way[] = [];
  const after: number[] = [];
  let before: Target | undefined;
  for (const from of startsOf(edges)) {
    after.length = 0;
    for (let e = 0; e < edges.length; e += 4)
      if ((edges[e] as number) <= from && from <= (edges[e + 1] as number)) after.push(edges[e + 2] as number, edges[e + 3] as number);
    let target = knownTarget(finding, after);
    if (target === undefined) {
      target = findTarget(finding, after);
      yield;
      if (target === undefined) return undefined;
    }
    if (target !== before) ways.push({ from, to: target.to, returns: target.returns });
    before = target;
  }
  return ways;
}

/** Ascending bytes, the first 0: those up to the next one all lead to the same places. */
function startsOf(edges: readonly number[]): number[] {
  const isStart = new Uint8Array(257);
  isStart[0] = 1;
  for (let e = 0; e < edges.length; e += 4) isStart[edges[e] as number] = isStart[(edges[e + 1] as number) + 1] = 1;
  const starts: number[] = [];
  for (let byte = 0; byte < 256; byte++) if (isStart[byte] === 1) starts.push(byte);
  return starts;
}

function knownTarget({ bySingle, byPlaces }: Finding, after: readonly number[]): Target | undefined {
  if (after.length === 0) return NOWHERE;
  return after.length === 2 ? bySingle.get(configKey(after[0] as number, after[1] as number)) : byPlaces.get(after.join());
}

/** One that is not known; the rows that it leads to are asked for. Undefined where those have too many places. */
function findTarget({ automaton, kept, waiting, known, bySingle, byPlaces }: Finding, after: readonly number[]): Target | undefined {
  const target = automaton.lifted(after, { kept, most: MOST_PLACES });
  if (target === undefined) return undefined;
  if (after.length === 2) bySingle.set(configKey(after[0] as number, after[1] as number), target);
  else byPlaces.set(after.join(), target);
  const ask = (set: number) => {
    if (known.has(set)) return;
    known.add(set);
    waiting.push(set);
  };
  if (target.to !== DEAD) ask(target.to);
  for (const state of target.returns) ask(automaton.setAt(state));
  return target;
}
