/**
 * Places in a grammar's nodes, with numbers: each is a place in a node and what follows the node up to the end of its rule. What can happen
 * in one is found when it is asked for.
 */
import { InputError } from '../../tensor/errors.ts';
import { byteRuns } from './code-ranges.ts';
import type { CodeRanges, GrammarNode, RepeatNode, RuleNode, WordsNode, Writing } from './grammar-node.ts';
import { bytesNode } from './grammar-node.ts';
import { endsWord, waysOn } from './word-range.ts';
import type { WordRange } from './word-range.ts';

/** The end of a rule, among local states. */
export const RULE_END = 0;

/** Parts of a grammar that one place may lead to without a byte: what may be left out or repeated multiplies. */
const MOST_PARTS = 100_000;

/** Of a grammar that no text can be followed through in bounded time. */
export class TooManyParts extends InputError {
  constructor(most: number) {
    super(`format cannot be followed: at one place of an answer more than ${most} of its parts may come next. `
      + 'Write it with fewer parts behind each other that may be left out or repeated.');
  }
}

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

export interface LocalStatesOptions {
  /**
   * Characters of a bounded repetition are called as rules are, so that what is inside of one is the same wherever it stands: fewer states,
   * and more stacks. Default false.
   */
  readonly callsChars?: boolean | undefined;
  /** Bytes that stand for a token of the grammar's own, which is read as they are. Default, and for which it gives none: as a token. */
  readonly tokenBytes?: ((token: number) => Uint8Array | undefined) | undefined;
}

export class LocalStates {
  readonly #callsChars: boolean;
  readonly #tokenBytes: (token: number) => Uint8Array | undefined;
  readonly #tokenNodes = new Map<number, GrammarNode>();
  readonly #states: LocalState[] = [{ node: undefined, at: 0, next: 0, expansion: undefined }];
  readonly #stateIds = new Map<string, number>();
  readonly #nodeIds = new Map<GrammarNode, number>();
  readonly #runs = new Map<CodeRanges, { text?: CharRuns; json?: CharRuns }>();
  #parts = 0;

  constructor({ callsChars = false, tokenBytes = () => undefined }: LocalStatesOptions = {}) {
    this.#callsChars = callsChars;
    this.#tokenBytes = tokenBytes;
  }

  /** Those looked at so far, one at two places counted twice: what the states take, in time and memory. */
  get parts(): number {
    return this.#parts;
  }

  /** A place in a node, and the state after the node. */
  of(node: GrammarNode, at: number | string, next: number): number {
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

  /** @throws TooManyParts */
  expansion(state: number): Expansion {
    const local = this.#states[state] as LocalState;
    return (local.expansion ??= this.#expand(state));
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
    return after === undefined ? next : this.of(after(index), 0, next);
  }

  /** All that can happen in a state, states that need no byte to reach among it: as many as a caller's grammar has, so by no recursion. */
  #expand(state: number): Expansion {
    const into: Expansion = { edges: [], calls: [], loops: [], tokens: [], isFinal: false };
    const seen = new Set<number>();
    const waiting = [state];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (seen.has(at)) continue;
      if (seen.add(at).size > MOST_PARTS) throw new TooManyParts(MOST_PARTS);
      this.#parts++;
      const { node, at: place, next } = this.#states[at] as LocalState;
      if (node === undefined) into.isFinal = true;
      else this.#collectNode(node, place, next, { into, waiting });
    }
    return into;
  }

  #collectNode(node: GrammarNode, at: number | string, next: number, out: Collecting): void {
    const goOn = (to: GrammarNode, from: number | string, then: number) => void out.waiting.push(this.of(to, from, then));
    switch (node.kind) {
      case 'bytes': {
        const index = at as number;
        if (index === node.bytes.length) return void out.waiting.push(next);
        const byte = node.bytes[index] as number;
        out.into.edges.push(byte, byte, index + 1 === node.bytes.length ? next : this.of(node, index + 1, next));
        return;
      }
      case 'words':
        if (at !== 0) return this.#collectWords(node, rangeOf(at as string), next, out);
        return void out.into.loops.push(this.of(node, textOf({ from: 0, to: node.words.length, depth: 0 }), next));
      case 'byteRanges': return this.#collectRanges(node, at as number, next, out.into);
      case 'chars': return this.#collectChars(node.ranges, node.writing, next, out.into);
      case 'token': {
        const written = this.#writtenToken(node.id);
        if (written === undefined) return void out.into.tokens.push(node.id, next);
        return goOn(written, 0, next);
      }
      case 'sequence': {
        const index = at as number;
        if (index === node.items.length) return void out.waiting.push(next);
        // What is left of it is the last item's own state, which other sequences may share.
        const left = node.items.length - index - 1;
        const last = node.items[node.items.length - 1] as GrammarNode;
        const rest = left === 0 ? next : left === 1 ? this.of(last, 0, next) : this.of(node, index + 1, next);
        return goOn(node.items[index] as GrammarNode, 0, rest);
      }
      case 'choice': return node.options.forEach((option) => goOn(option, 0, next));
      case 'repeat': return this.#collectRepeat(node, at as number, next, out);
      case 'rule': return void out.into.calls.push(this.of(bodyOf(node), 0, RULE_END), next);
      case 'steps': {
        const place = at === 0 ? node.start : (at as string);
        if (node.endsAt(place)) out.waiting.push(next);
        for (const { node: item, to } of node.follow(place)) goOn(item, 0, to === undefined ? next : this.of(node, to, next));
        return;
      }
      case 'dfa': {
        const index = at as number;
        if (node.dfa.isFinal[index] === true) out.waiting.push(next);
        for (const { ranges, to } of node.dfa.edges[index] ?? [])
          this.#collectChars(ranges, node.writing, this.of(node, to, next), out.into);
        return;
      }
      default: node satisfies never;
    }
  }

  #writtenToken(token: number): GrammarNode | undefined {
    const bytes = this.#tokenBytes(token);
    const node = this.#tokenNodes.get(token) ?? (bytes && bytesNode(bytes));
    if (node !== undefined) this.#tokenNodes.set(token, node);
    return node;
  }

  #collectWords(node: WordsNode, range: WordRange, next: number, { into, waiting }: Collecting): void {
    const { words } = node;
    if (endsWord(words, range)) waiting.push(this.#afterWord(node, range.from, next));
    for (const { byte, range: below } of waysOn(words, range)) {
      const isOver = below.to - below.from === 1 && endsWord(words, below);
      into.edges.push(byte, byte, isOver ? this.#afterWord(node, below.from, next) : this.of(node, textOf(below), next));
    }
  }

  #collectRepeat(node: RepeatNode, at: number, next: number, out: Collecting): void {
    const { item, min, max, isOfChars } = node;
    const done = at < 0 ? -at - 1 : at;
    // Past what must come, a loop without an end is in one place.
    const after = max === Infinity ? Math.min(done + 1, min) : done + 1;
    // Behind the last one there is nothing of it: a rule that ends with it calls nothing more.
    const behind = after >= max ? next : this.of(node, after, next);
    if (at < 0) {
      if (!this.#callsChars) return void out.waiting.push(this.of(item, 0, behind));
      return void out.into.calls.push(this.of(item, 0, RULE_END), behind);
    }
    if (done >= min) out.waiting.push(next);
    if (done >= max) return;
    if (isOfChars && max !== Infinity) out.into.loops.push(this.of(node, -done - 1, next));
    else out.waiting.push(this.of(item, 0, behind));
  }

  #collectRanges(node: ByteRanges, at: number, next: number, { edges }: Expansion): void {
    const [first, last] = node.ranges[at] as readonly [number, number];
    edges.push(first, last, at + 1 === node.ranges.length ? next : this.of(node, at + 1, next));
  }

  #collectChars(ranges: CodeRanges, writing: Writing, next: number, into: Expansion): void {
    const known = this.#runs.get(ranges) ?? {};
    const { single, longer } = (known[writing] ??= charRuns(ranges, writing));
    this.#runs.set(ranges, known);
    for (const [first, last] of single) into.edges.push(first, last, next);
    for (const run of longer) this.#collectRanges(run, 0, next, into);
  }
}

type ByteRanges = GrammarNode & { readonly kind: 'byteRanges' };

/** How characters are written: those of one byte, and others. */
interface CharRuns {
  readonly single: CodeRanges;
  readonly longer: readonly ByteRanges[];
}

function charRuns(ranges: CodeRanges, writing: Writing): CharRuns {
  const runs = byteRuns(ranges, writing);
  return {
    single: runs.flatMap((run) => (run.length === 1 ? run : [])),
    longer: runs.flatMap((run): ByteRanges[] => (run.length === 1 ? [] : [{ kind: 'byteRanges', ranges: run }])),
  };
}

const textOf = ({ from, to, depth }: WordRange): string => `${from}.${to}.${depth}`;

function rangeOf(text: string): WordRange {
  const [from = 0, to = 0, depth = 0] = text.split('.').map(Number);
  return { from, to, depth };
}

interface Collecting {
  readonly into: Expansion;
  /** States that need no byte to reach. */
  readonly waiting: number[];
}

function bodyOf(rule: RuleNode): GrammarNode {
  if (rule.body === undefined) throw new Error(`grammar: the rule ${rule.name} has no body`);
  return rule.body;
}
