/**
 * Reads a grammar byte by byte. A local state is a place in a node and what follows the node up to the end of its rule; what follows the
 * rule is on a stack, so that states of a rule are the same wherever it stands. States, stacks and sets of both are found as they are
 * needed and get numbers; a set's way on by a byte is in a table.
 */
import { byteRuns } from './code-ranges.ts';
import type { CodeRanges, GrammarNode, RepeatNode, RuleNode, WordsNode, Writing } from './grammar-node.ts';
import { endsWord, waysOn } from './word-range.ts';
import type { WordRange } from './word-range.ts';

/** The end of a rule, among local states. */
export const RULE_END = 0;
/** Nothing below: the end of a rule is the end of the grammar, or of what is looked at. */
export const NO_STACK = 0;
/** Of the table: a byte that cannot follow. */
export const DEAD = 0;
const UNKNOWN = -1;

/** What can happen in a local state. */
export interface Expansion {
  /** First byte, last byte and state after it, one behind the other. */
  readonly edges: number[];
  /** Start of a rule, and the state after it. */
  readonly calls: number[];
  /** Loops over characters and choices of texts, as states of their own. */
  readonly loops: number[];
  /** A token, and the state after it. */
  readonly tokens: number[];
  isFinal: boolean;
}

/** A loop over characters in a state that goes on with it. */
export interface CharLoop {
  readonly node: RepeatNode;
  /** How many characters may yet come, at least 1. */
  readonly most: number;
  /** How many must. */
  readonly fewest: number;
  /** The state after the loop. */
  readonly next: number;
}

/** A choice of texts that a state reads, of which none has ended. */
export interface WordsPlace {
  readonly words: readonly Uint8Array[];
  readonly range: WordRange;
  /** The state after one of them, by its number. */
  after(index: number): number;
}

interface LocalState {
  readonly node: GrammarNode | undefined;
  /** Byte, item or character of the node; negative: a loop that goes on. */
  readonly at: number | string;
  readonly next: number;
  expansion: Expansion | undefined;
}

/** Places at which the text so far may stand, each with what follows its rule. */
export interface StateSet {
  /** Local state and stack, one behind the other, ascending. */
  readonly configs: Int32Array;
  /** The grammar may end here. */
  readonly isDone: boolean;
}

export class Automaton {
  readonly #states: LocalState[] = [{ node: undefined, at: 0, next: 0, expansion: undefined }];
  readonly #stateIds = new Map<string, number>();
  readonly #nodeIds = new Map<GrammarNode, number>();
  /** State to return to, and the stack below it. */
  readonly #stackStates: number[] = [0];
  readonly #stackParents: number[] = [0];
  readonly #stackIds = new Map<number, number>();
  /** Set 0 is the one of no configs. */
  readonly #sets: StateSet[] = [{ configs: new Int32Array(0), isDone: false }];
  readonly #setIds = new Map<string, number>();
  readonly #runs = new Map<CodeRanges, { text?: GrammarNode[]; json?: GrammarNode[] }>();
  #table = new Int32Array(256 * 64);

  /** The set at the beginning of a grammar. */
  startOf(node: GrammarNode): number {
    return this.setOf([this.#state(node, 0, RULE_END), NO_STACK]);
  }

  get setCount(): number {
    return this.#sets.length;
  }

  set(id: number): StateSet {
    return this.#sets[id] as StateSet;
  }

  /** The set after one more byte; {@link DEAD} where the byte cannot follow. */
  step(set: number, byte: number): number {
    const known = this.#table[set * 256 + byte] as number;
    return known === UNKNOWN ? this.#findStep(set, byte) : known;
  }

  /** The set after one token of the grammar's own. */
  stepToken(set: number, token: number): number {
    const { configs } = this.#sets[set] as StateSet;
    const after: number[] = [];
    for (let i = 0; i < configs.length; i += 2) {
      const { tokens } = this.expansion(configs[i] as number);
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
      const { edges, tokens } = this.expansion(configs[i] as number);
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
    const seen = new Set<number>();
    const found: number[] = [];
    const result = { isDone: false };
    for (let i = 0; i < configs.length; i += 2) this.#close(configs[i] as number, configs[i + 1] as number, { seen, found, result });
    return this.#intern(found, result.isDone);
  }

  /** A state without those that are in its place without a byte, on no stack. */
  setOfAlone(state: number): number {
    return this.#intern([state, NO_STACK], false);
  }

  /** The set after the end of the rule that a stack's top stands for. */
  afterRule(stack: number): number {
    return this.setOf([this.#stackStates[stack] as number, this.#stackParents[stack] as number]);
  }

  expansion(state: number): Expansion {
    const local = this.#states[state] as LocalState;
    if (local.expansion !== undefined) return local.expansion;
    const expansion: Expansion = { edges: [], calls: [], loops: [], tokens: [], isFinal: false };
    local.expansion = expansion;
    this.#collect(state, expansion, new Set());
    return expansion;
  }

  /** The loop over characters that a state goes on with, where it does. */
  charLoop(state: number): CharLoop | undefined {
    const { node, at, next } = this.#states[state] as LocalState;
    if (node?.kind !== 'repeat' || typeof at !== 'number' || at >= 0) return undefined;
    const done = -at - 1;
    return { node, most: node.max - done, fewest: Math.max(0, node.min - done), next };
  }

  /** The choice of texts that a state reads, where it reads nothing else. */
  wordsPlace(state: number): WordsPlace | undefined {
    const { node, at, next } = this.#states[state] as LocalState;
    if (node?.kind !== 'words' || at === 0) return undefined;
    const range = rangeOf(at as string);
    return endsWord(node.words, range) ? undefined : { words: node.words, range, after: (index) => this.#afterWord(node, index, next) };
  }

  #afterWord({ after }: WordsNode, index: number, next: number): number {
    return after === undefined ? next : this.#state(after(index), 0, next);
  }

  /** The stack with one more state to return to. */
  #push(state: number, below: number): number {
    // The end of a rule behind a call is the end of the rule that calls: nothing is put on the stack, so that lists do not make it grow.
    if (state === RULE_END) return below;
    const key = state * 0x4000000 + below;
    let id = this.#stackIds.get(key);
    if (id === undefined) {
      id = this.#stackStates.push(state) - 1;
      this.#stackParents.push(below);
      this.#stackIds.set(key, id);
    }
    return id;
  }

  #state(node: GrammarNode, at: number | string, next: number): number {
    let nodeId = this.#nodeIds.get(node);
    if (nodeId === undefined) this.#nodeIds.set(node, (nodeId = this.#nodeIds.size));
    const key = `${nodeId},${next},${at}`;
    let id = this.#stateIds.get(key);
    if (id === undefined) {
      id = this.#states.push({ node, at, next, expansion: undefined }) - 1;
      this.#stateIds.set(key, id);
    }
    return id;
  }

  #close(state: number, stack: number, out: { seen: Set<number>; found: number[]; result: { isDone: boolean } }): void {
    const key = state * 0x4000000 + stack;
    if (out.seen.has(key)) return;
    out.seen.add(key);
    const { edges, calls, loops, tokens, isFinal } = this.expansion(state);
    if (edges.length > 0 || tokens.length > 0) out.found.push(state, stack);
    for (const loop of loops) this.#close(loop, stack, out);
    for (let i = 0; i < calls.length; i += 2) this.#close(calls[i] as number, this.#push(calls[i + 1] as number, stack), out);
    if (!isFinal) return;
    if (stack === NO_STACK) out.result.isDone = true;
    else this.#close(this.#stackStates[stack] as number, this.#stackParents[stack] as number, out);
  }

  #intern(found: readonly number[], isDone: boolean): number {
    if (found.length === 0 && !isDone) return DEAD;
    const pairs: [number, number][] = [];
    for (let i = 0; i < found.length; i += 2) pairs.push([found[i] as number, found[i + 1] as number]);
    pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const configs = Int32Array.from(pairs.flat());
    const key = `${isDone ? '!' : ''}${configs.join()}`;
    let id = this.#setIds.get(key);
    if (id === undefined) {
      id = this.#sets.push({ configs, isDone }) - 1;
      this.#setIds.set(key, id);
      if ((id + 1) * 256 > this.#table.length) {
        const larger = new Int32Array(this.#table.length * 2);
        larger.set(this.#table);
        this.#table = larger;
      }
      this.#table.fill(UNKNOWN, id * 256, (id + 1) * 256);
    }
    return id;
  }

  #findStep(set: number, byte: number): number {
    const { configs } = this.#sets[set] as StateSet;
    const after: number[] = [];
    for (let i = 0; i < configs.length; i += 2) {
      const { edges } = this.expansion(configs[i] as number);
      for (let e = 0; e < edges.length; e += 3)
        if (byte >= (edges[e] as number) && byte <= (edges[e + 1] as number)) after.push(edges[e + 2] as number, configs[i + 1] as number);
    }
    const to = after.length === 0 ? DEAD : this.setOf(after);
    this.#table[set * 256 + byte] = to;
    return to;
  }

  /** All that can happen in a state, states that need no byte to reach among it. */
  #collect(state: number, into: Expansion, seen: Set<number>): void {
    if (seen.has(state)) return;
    seen.add(state);
    const { node, at, next } = this.#states[state] as LocalState;
    if (node === undefined) into.isFinal = true;
    else this.#collectNode(node, at, next, { into, seen });
  }

  #collectNode(node: GrammarNode, at: number | string, next: number, out: Collecting): void {
    const goOn = (to: GrammarNode, from: number | string, then: number) => this.#collect(this.#state(to, from, then), out.into, out.seen);
    switch (node.kind) {
      case 'bytes': {
        const index = at as number;
        if (index === node.bytes.length) return this.#collect(next, out.into, out.seen);
        const byte = node.bytes[index] as number;
        out.into.edges.push(byte, byte, index + 1 === node.bytes.length ? next : this.#state(node, index + 1, next));
        return;
      }
      case 'words':
        if (at !== 0) return this.#collectWords(node, rangeOf(at as string), next, out);
        return void out.into.loops.push(this.#state(node, textOf({ from: 0, to: node.words.length, depth: 0 }), next));
      case 'byteRanges': return this.#collectRanges(node, at as number, next, out.into);
      case 'chars': return this.#collectChars(node.ranges, node.writing, next, out.into);
      case 'token': return void out.into.tokens.push(node.id, next);
      case 'sequence': {
        const index = at as number;
        if (index === node.items.length) return this.#collect(next, out.into, out.seen);
        // What is left of it is the last item's own state, which other sequences may share.
        const left = node.items.length - index - 1;
        const last = node.items[node.items.length - 1] as GrammarNode;
        const rest = left === 0 ? next : left === 1 ? this.#state(last, 0, next) : this.#state(node, index + 1, next);
        return goOn(node.items[index] as GrammarNode, 0, rest);
      }
      case 'choice': return node.options.forEach((option) => goOn(option, 0, next));
      case 'repeat': return this.#collectRepeat(node, at as number, next, out);
      case 'rule': return void out.into.calls.push(this.#state(bodyOf(node), 0, RULE_END), next);
      case 'steps': {
        const place = at === 0 ? node.start : (at as string);
        if (node.endsAt(place)) this.#collect(next, out.into, out.seen);
        for (const { node: item, to } of node.follow(place)) goOn(item, 0, to === undefined ? next : this.#state(node, to, next));
        return;
      }
      case 'dfa': {
        const index = at as number;
        if (node.dfa.isFinal[index] === true) this.#collect(next, out.into, out.seen);
        for (const { ranges, to } of node.dfa.edges[index] ?? [])
          this.#collectChars(ranges, node.writing, this.#state(node, to, next), out.into);
        return;
      }
      default: node satisfies never;
    }
  }

  #collectWords(node: WordsNode, range: WordRange, next: number, { into, seen }: Collecting): void {
    const { words } = node;
    if (endsWord(words, range)) this.#collect(this.#afterWord(node, range.from, next), into, seen);
    for (const { byte, range: below } of waysOn(words, range)) {
      const isOver = below.to - below.from === 1 && endsWord(words, below);
      into.edges.push(byte, byte, isOver ? this.#afterWord(node, below.from, next) : this.#state(node, textOf(below), next));
    }
  }

  #collectRepeat(node: RepeatNode, at: number, next: number, out: Collecting): void {
    const { item, min, max, isOfChars } = node;
    const done = at < 0 ? -at - 1 : at;
    // Past what must come, a loop without an end is in one place.
    const after = max === Infinity ? Math.min(done + 1, min) : done + 1;
    if (at < 0) return this.#collect(this.#state(item, 0, this.#state(node, after, next)), out.into, out.seen);
    if (done >= min) this.#collect(next, out.into, out.seen);
    if (done >= max) return;
    if (isOfChars && max !== Infinity) out.into.loops.push(this.#state(node, -done - 1, next));
    else this.#collect(this.#state(item, 0, this.#state(node, after, next)), out.into, out.seen);
  }

  #collectRanges(node: GrammarNode & { kind: 'byteRanges' }, at: number, next: number, { edges }: Expansion): void {
    const [first, last] = node.ranges[at] as readonly [number, number];
    edges.push(first, last, at + 1 === node.ranges.length ? next : this.#state(node, at + 1, next));
  }

  #collectChars(ranges: CodeRanges, writing: Writing, next: number, into: Expansion): void {
    const known = this.#runs.get(ranges) ?? {};
    const runs = (known[writing] ??= byteRuns(ranges, writing).map((run): GrammarNode => ({ kind: 'byteRanges', ranges: run })));
    this.#runs.set(ranges, known);
    for (const run of runs) this.#collectRanges(run as GrammarNode & { kind: 'byteRanges' }, 0, next, into);
  }
}

/** Whether a grammar has this text as a whole. */
export function acceptsText(automaton: Automaton, node: GrammarNode, text: string): boolean {
  let set = automaton.startOf(node);
  for (const byte of new TextEncoder().encode(text)) set = automaton.step(set, byte);
  return automaton.set(set).isDone;
}

const textOf = ({ from, to, depth }: WordRange): string => `${from}.${to}.${depth}`;

function rangeOf(text: string): WordRange {
  const [from = 0, to = 0, depth = 0] = text.split('.').map(Number);
  return { from, to, depth };
}

interface Collecting {
  readonly into: Expansion;
  readonly seen: Set<number>;
}

function bodyOf(rule: RuleNode): GrammarNode {
  if (rule.body === undefined) throw new Error(`grammar: the rule ${rule.name} has no body`);
  return rule.body;
}
