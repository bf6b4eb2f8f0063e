/** Follows an answer through a grammar token by token. */
import type { Tokenizer } from '../tokenizer.ts';
import { Automaton, DEAD } from './automaton.ts';
import type { GrammarNode } from './grammar-node.ts';
import { createJsonTexts } from './json-texts.ts';
import type { ValueTexts } from './json-texts.ts';
import { tokenBytesTrie } from './token-bytes-trie.ts';
import type { TokenBytesTrie } from './token-bytes-trie.ts';
import { TokenMasks } from './token-masks.ts';

/** Where an answer stands in a grammar. */
export interface GrammarMatcher {
  /** Tokens that may come next, as bits: bit i of word w is token 32 w + i. Not to be written to. */
  mask(): Uint32Array;
  /** @throws Error for a token that the mask does not have */
  accept(token: number): void;
  /** Tokens that the tokenizer itself makes of the only text that can follow, as far as that goes; none where more than one can. */
  forced(): readonly number[];
  /** An end token was accepted. */
  readonly isDone: boolean;
}

/** All that grammars of one vocabulary share. */
export interface GrammarMachine {
  readonly texts: ValueTexts;
  start(node: GrammarNode): GrammarMatcher;
}

/** Sets of states that the tables of one vocabulary hold, at 1 kB each, and bytes of what states accept, before they are made anew. */
const MOST_SETS = 24_000;
const MOST_BYTES = 48 * 1024 * 1024;
/** Bytes of text that are worth being added at once. */
const FEWEST_FORCED_BYTES = 4;
const MOST_FORCED_BYTES = 400;

interface Tables {
  readonly automaton: Automaton;
  readonly masks: TokenMasks;
}

export interface GrammarMachineOptions {
  readonly tokenizer: Tokenizer;
  /** How many logits a step has. */
  readonly modelVocab: number;
  readonly endIds: ReadonlySet<number>;
  /** Default 24,000. */
  readonly mostSets?: number | undefined;
}

export function createGrammarMachine({ tokenizer, modelVocab, endIds, mostSets = MOST_SETS }: GrammarMachineOptions): GrammarMachine {
  const trie = tokenBytesTrie(tokenizer, modelVocab);
  const make = (): Tables => {
    const automaton = new Automaton();
    return { automaton, masks: new TokenMasks(automaton, trie, endIds) };
  };
  const machine: Machine = {
    texts: createJsonTexts(), tokenizer, trie, endIds, mostSets, tables: make(),
    start: (node) => new Matcher(machine, node),
    renew: () => (machine.tables = make()),
  };
  return machine;
}

interface Machine extends GrammarMachine {
  readonly tokenizer: Tokenizer;
  readonly trie: TokenBytesTrie;
  readonly endIds: ReadonlySet<number>;
  readonly mostSets: number;
  tables: Tables;
  renew(): void;
}

class Matcher implements GrammarMatcher {
  readonly #machine: Machine;
  readonly #node: GrammarNode;
  /** Tokens so far, for when tables are made anew. */
  readonly #accepted: number[] = [];
  #tables: Tables;
  #set: number;
  #isDone = false;

  constructor(machine: Machine, node: GrammarNode) {
    this.#machine = machine;
    this.#node = node;
    this.#tables = machine.tables;
    this.#set = this.#tables.automaton.startOf(node);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  mask(): Uint32Array {
    this.#refresh();
    return this.#tables.masks.maskOf(this.#set);
  }

  accept(token: number): void {
    this.#refresh();
    if (this.#isDone) return;
    const { endIds } = this.#machine;
    if (endIds.has(token) && this.#tables.automaton.set(this.#set).isDone) {
      this.#isDone = true;
      return;
    }
    const next = this.#after(this.#set, token);
    if (next === DEAD) throw new Error(`grammar: token ${token} cannot follow`);
    this.#accepted.push(token);
    this.#set = next;
  }

  forced(): readonly number[] {
    this.#refresh();
    const { automaton } = this.#tables;
    const bytes: number[] = [];
    let set = this.#set;
    for (let only = automaton.onlyByte(set); only !== undefined && bytes.length < MOST_FORCED_BYTES; only = automaton.onlyByte(set)) {
      bytes.push(only);
      set = automaton.step(set, only);
    }
    return bytes.length < FEWEST_FORCED_BYTES ? [] : this.#tokensOf(bytes);
  }

  /** The last token is left out, since what follows may be part of it. */
  #tokensOf(bytes: readonly number[]): readonly number[] {
    const { tokenizer, trie } = this.#machine;
    // A character that has only begun is left out too.
    const text = new TextDecoder().decode(Uint8Array.from(bytes), { stream: true });
    const tokens = tokenizer.encode(text).slice(0, -1);
    let at = 0;
    for (const [i, token] of tokens.entries()) {
      const own = trie.bytesOf(token);
      if (own === undefined || own.some((byte, j) => bytes[at + j] !== byte)) return tokens.slice(0, i);
      at += own.length;
    }
    return tokens;
  }

  /** The set after a token: one of the grammar's own, or its bytes. */
  #after(set: number, token: number): number {
    const { automaton } = this.#tables;
    const own = automaton.stepToken(set, token);
    if (own !== DEAD) return own;
    const bytes = this.#machine.trie.bytesOf(token);
    if (bytes === undefined) return DEAD;
    let next = set;
    for (const byte of bytes) next = automaton.step(next, byte);
    return next;
  }

  #refresh(): void {
    const { tables, mostSets } = this.#machine;
    const isFull = tables.automaton.setCount > mostSets || tables.masks.stateBytes > MOST_BYTES;
    if (this.#tables === tables && isFull) this.#machine.renew();
    if (this.#tables === this.#machine.tables) return;
    this.#tables = this.#machine.tables;
    this.#set = this.#tables.automaton.startOf(this.#node);
    for (const token of this.#accepted) this.#set = this.#after(this.#set, token);
  }
}
