/**
 * Reads a grammar byte by byte. A local state is a place in a node and what follows the node up to the end of its rule; what follows the
 * rule is on a stack, so that states of a rule are the same wherever it stands. States, stacks and sets of both are found as they are
 * needed and get numbers; a set's way on by a byte is in a table.
 */
import type { GrammarNode } from './grammar-node.ts';
import { LocalStates, RULE_END, TooManyParts } from './local-states.ts';
import type { LocalStatesOptions } from './local-states.ts';
import { NO_STACK, StateStacks } from './state-stacks.ts';
import type { Target } from './table-rows.ts';

/** Of the table: a byte that cannot follow. */
export const DEAD = 0;
const UNKNOWN = -1;

/** Places at which the text so far may stand, each with what follows its rule. */
export interface StateSet {
  /** Local state and stack, one behind the other, ascending. */
  readonly configs: Int32Array;
  /** The grammar may end here. */
  readonly isDone: boolean;
}

interface Closing {
  readonly seen: Set<number>;
  /** Local state and stack, one behind the other. */
  readonly found: number[];
  /** Stacks on which a rule ends; undefined: what follows the rule there takes its place. On no stack the grammar ends. */
  readonly ends: number[] | undefined;
  /** Places that may be seen: it stops there. */
  readonly most: number;
  /** Parts of the grammar that were looked at before it. */
  readonly partsBefore: number;
  isDone: boolean;
}

export interface AutomatonOptions extends LocalStatesOptions {
  /** Parts of the grammar that may be looked at to find one set. Default 1,000,000: a third of a second. */
  readonly mostParts?: number | undefined;
}

const MOST_PARTS = 1_000_000;
/** Of one set: rules that call rules twice, of which each may be empty, make more of them than there is memory. */
const MOST_PLACES = 300_000;

export class Automaton {
  readonly states: LocalStates;
  readonly #mostParts: number;
  /** Of states to return to. On none the end of a rule is the end of the grammar, or of what is looked at. */
  readonly #stacks = new StateStacks();
  /** Set 0 is the one of no configs. */
  readonly #sets: StateSet[] = [{ configs: new Int32Array(0), isDone: false }];
  readonly #setIds = new Map<string, number>();
  readonly #setsAt = new Map<number, number>();
  /** By set and byte, as far as steps were asked for. */
  #table = new Int32Array(0);
  #work = 0;
  /** Places closed over or stepped from since the last {@link bounded} began, and how many there may be. */
  #places = 0;
  #mostPlaces = Infinity;

  constructor({ mostParts = MOST_PARTS, ...options }: AutomatonOptions = {}) {
    this.states = new LocalStates(options);
    this.#mostParts = mostParts;
  }

  /** The set at the beginning of a grammar. */
  startOf(node: GrammarNode): number {
    return this.setOf([this.states.of(node, 0, RULE_END), NO_STACK]);
  }

  /** Places closed over, and edges that were asked for. */
  get work(): number {
    return this.#work;
  }

  get setCount(): number {
    return this.#sets.length;
  }

  set(id: number): StateSet {
    return this.#sets[id] as StateSet;
  }

  /** The set after one more byte; {@link DEAD} where the byte cannot follow. */
  step(set: number, byte: number): number {
    const known = this.#table[set * 256 + byte];
    return known === undefined || known === UNKNOWN ? this.#findStep(set, byte) : known;
  }

  /** The set after one token of the grammar's own. */
  stepToken(set: number, token: number): number {
    const { configs } = this.#sets[set] as StateSet;
    const after: number[] = [];
    for (let i = 0; i < configs.length; i += 2) {
      const { tokens } = this.states.expansion(configs[i] as number);
      for (let t = 0; t < tokens.length; t += 2) if (tokens[t] === token) after.push(tokens[t + 1] as number, configs[i + 1] as number);
    }
    return after.length === 0 ? DEAD : this.setOf(after);
  }

  /** The only byte that can follow; undefined where more can, a token can, or the grammar may end. */
  onlyByte(set: number): number | undefined {
    const { configs, isDone } = this.#sets[set] as StateSet;
    let only: number | undefined;
    if (isDone) return undefined;
    for (let i = 0; i < configs.length; i += 2) {
      const { edges, tokens } = this.states.expansion(configs[i] as number);
      if (tokens.length > 0) return undefined;
      for (let e = 0; e < edges.length; e += 3) {
        if (edges[e] !== edges[e + 1] || (only !== undefined && only !== edges[e])) return undefined;
        only = edges[e];
      }
    }
    return only;
  }

  /** The set of these configs and of all that can be in their place without a byte. */
  setOf(configs: readonly number[]): number {
    const { found, isDone } = this.#closed(configs);
    return this.#intern(found, isDone);
  }

  /** A state without those that are in its place without a byte, on no stack. */
  setOfAlone(state: number): number {
    return this.#intern([state, NO_STACK], false);
  }

  /** The set of a state, on no stack, and of all that can be in its place without a byte. */
  setAt(state: number): number {
    const known = this.#setsAt.get(state) ?? this.setOf([state, NO_STACK]);
    this.#setsAt.set(state, known);
    return known;
  }

  /** Whether a token of the grammar's own may follow. */
  takesTokens(set: number): boolean {
    return this.set(set).configs.some((state, i) => i % 2 === 0 && this.states.expansion(state).tokens.length > 0);
  }

  /** Ways on from all of its places: first byte, last byte, the state after it and the stack under that, one behind the other. */
  edgesOf(set: number): number[] {
    const { configs } = this.set(set);
    const edges: number[] = [];
    for (let i = 0; i < configs.length; i += 2) {
      const { edges: own } = this.states.expansion(configs[i] as number);
      for (let e = 0; e < own.length; e += 3)
        edges.push(own[e] as number, own[e + 1] as number, own[e + 2] as number, configs[i + 1] as number);
    }
    this.#work += edges.length / 4;
    return edges;
  }

  /**
   * The set of these configs without the states that lie under all of them, up to one of `kept`; and those states.
   * Where a rule may end, what follows it is among those that lie under it. Undefined where there are `most` places, or more.
   */
  lifted(after: readonly number[], { kept, most }: { readonly kept: ReadonlySet<number>; readonly most: number }): Target | undefined {
    const { seen, found, ends, isDone } = this.#closed(after, { ends: [], most });
    if (seen.size >= most) return undefined;
    let under = isDone ? NO_STACK : undefined;
    const standOn = (stack: number) => (under = under === undefined ? stack : this.#stacks.common(under, stack));
    for (let i = 1; i < found.length; i += 2) standOn(found[i] as number);
    for (const stack of ends ?? []) standOn(stack);
    if (under === undefined) return { to: DEAD, returns: [] };
    for (let at: number = under; at !== NO_STACK; at = this.#stacks.below(at))
      if (kept.has(this.#stacks.topOf(at))) under = this.#stacks.below(at);
    const lifted: Closing = { seen: new Set(), found: [], ends: undefined, most, partsBefore: this.states.parts, isDone };
    for (let i = 0; i < found.length; i += 2) {
      const [state, stack] = [found[i] as number, this.#stacks.without(found[i + 1] as number, under)];
      lifted.found.push(state, stack);
      lifted.seen.add(configKey(state, stack));
    }
    for (const stack of ends ?? []) this.#close(RULE_END, this.#stacks.without(stack, under), lifted);
    if (lifted.seen.size >= most) return undefined;
    return { to: this.#intern(lifted.found, lifted.isDone), returns: this.#stacks.statesOf(under) };
  }

  /** The set after the ends of the rules that the tops of these stacks stand for. */
  afterRules(stacks: readonly number[]): number {
    return this.setOf(stacks.flatMap((stack) => [this.#stacks.topOf(stack), this.#stacks.below(stack)]));
  }

  /** Does something that may look at so many places. @throws TooManyParts */
  bounded<T>(most: number, doing: () => T): T {
    this.#places = 0;
    this.#mostPlaces = most;
    try {
      return doing();
    } finally {
      this.#mostPlaces = Infinity;
    }
  }

  /** The stack with one more state to return to. */
  #push(state: number, below: number): number {
    // The end of a rule behind a call is the end of the rule that calls: nothing is put on the stack, so that lists do not make it grow.
    return state === RULE_END ? below : this.#stacks.push(state, below);
  }

  #closed(configs: readonly number[], { ends, most = Infinity }: Partial<Pick<Closing, 'ends' | 'most'>> = {}): Closing {
    const closing: Closing = { seen: new Set(), found: [], ends, most, partsBefore: this.states.parts, isDone: false };
    for (let i = 0; i < configs.length; i += 2) this.#close(configs[i] as number, configs[i + 1] as number, closing);
    return closing;
  }

  /** Without recursion, since a caller's rules may be nested as deeply as a text is long. */
  #close(state: number, stack: number, out: Closing): void {
    const waiting = [state, stack];
    while (waiting.length > 0) {
      const under = waiting.pop() as number;
      const at = waiting.pop() as number;
      const key = configKey(at, under);
      if (out.seen.has(key) || out.seen.size >= out.most) continue;
      if (out.seen.add(key).size > MOST_PLACES) throw new TooManyParts(MOST_PLACES);
      this.#work++;
      this.#countPlaces(1);
      const { edges, calls, loops, tokens, isFinal } = this.states.expansion(at);
      if (this.states.parts - out.partsBefore > this.#mostParts) throw new TooManyParts(this.#mostParts);
      if (edges.length > 0 || tokens.length > 0) out.found.push(at, under);
      for (const loop of loops) waiting.push(loop, under);
      for (let i = 0; i < calls.length; i += 2) waiting.push(calls[i] as number, this.#push(calls[i + 1] as number, under));
      if (!isFinal) continue;
      if (under === NO_STACK) out.isDone = true;
      else if (out.ends !== undefined) out.ends.push(under);
      else waiting.push(this.#stacks.topOf(under), this.#stacks.below(under));
    }
  }

  #countPlaces(count: number): void {
    this.#places += count;
    if (this.#places > this.#mostPlaces) throw new TooManyParts(this.#mostPlaces);
  }

  #intern(found: readonly number[], isDone: boolean): number {
    if (found.length === 0 && !isDone) return DEAD;
    const configs = sortedPairs(found);
    const key = `${isDone ? '!' : ''}${configs.join()}`;
    const known = this.#setIds.get(key);
    if (known !== undefined) return known;
    this.#setIds.set(key, this.#sets.length);
    return this.#sets.push({ configs, isDone }) - 1;
  }

  #findStep(set: number, byte: number): number {
    const after = this.#after(set, byte);
    const to = after.length === 0 ? DEAD : this.setOf(after);
    if ((set + 1) * 256 > this.#table.length) {
      const larger = new Int32Array(Math.max(256 * 64, 2 ** Math.ceil(Math.log2((set + 1) * 256)))).fill(UNKNOWN);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table[set * 256 + byte] = to;
    return to;
  }

  /** Configs that a byte leads to, without those that can be in their place. */
  #after(set: number, byte: number): number[] {
    const { configs } = this.#sets[set] as StateSet;
    this.#countPlaces(configs.length / 2);
    const after: number[] = [];
    for (let i = 0; i < configs.length; i += 2) {
      const { edges } = this.states.expansion(configs[i] as number);
      for (let e = 0; e < edges.length; e += 3)
        if (byte >= (edges[e] as number) && byte <= (edges[e + 1] as number)) after.push(edges[e + 2] as number, configs[i + 1] as number);
    }
    return after;
  }
}

const STACKS = 0x4000000;
/** One number for a state and a stack, ascending by both. */
export const configKey = (state: number, stack: number): number => state * STACKS + stack;

/** Pairs that lie one behind the other, ascending. */
function sortedPairs(list: readonly number[]): Int32Array {
  if (list.length === 2) return Int32Array.from(list);
  const keys = new Float64Array(list.length / 2);
  for (let i = 0; i < keys.length; i++) keys[i] = configKey(list[2 * i] as number, list[2 * i + 1] as number);
  const pairs = new Int32Array(list.length);
  for (const [i, key] of keys.sort().entries()) pairs.set([Math.floor(key / STACKS), key % STACKS], 2 * i);
  return pairs;
}

/** Whether a grammar has this text as a whole. */
export function acceptsText(automaton: Automaton, node: GrammarNode, text: string): boolean {
  let set = automaton.startOf(node);
  for (const byte of new TextEncoder().encode(text)) set = automaton.step(set, byte);
  return automaton.set(set).isDone;
}
