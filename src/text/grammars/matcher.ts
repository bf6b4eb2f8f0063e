/** Follows an answer through a grammar token by token. */
import { mayEnd, takeByte } from '../../tensor/byte-table.ts';
import type { TablePlace, TokenGrammar, TokenSpans } from '../../tensor/byte-table.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { Automaton, DEAD } from './automaton.ts';
import type { GrammarNode } from './grammar-node.ts';
import { createJsonTexts } from './json-texts.ts';
import type { ValueTexts } from './json-texts.ts';
import type { GrammarTable } from './table-rows.ts';
import { searchTable } from './table-search.ts';
import type { TableSearch } from './table-search.ts';
import { tokenBytesTrie } from './token-bytes-trie.ts';
import type { TokenBytesTrie } from './token-bytes-trie.ts';
import { TokenMasks } from './token-masks.ts';
import { deviceBytes, tokenMark, tokenSpans } from './token-spans.ts';

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
  /**
   * The grammar as a table, and where the answer stands in it, for a device that follows it; undefined where it makes no table. One that
   * was not searched for before is searched for at once. From then on the table is what tokens are taken in by, which costs a tenth of
   * finding states for masks that nobody asks for.
   */
  onDevice(): TokenGrammar | undefined;
}

/** All that grammars of one vocabulary share. */
export interface GrammarMachine {
  readonly texts: ValueTexts;
  start(node: GrammarNode): GrammarMatcher;
  /** For the table of {@link GrammarMatcher.onDevice}: of a node the same one each time. */
  search(node: GrammarNode): TableSearch;
}

/** Sets of states that the tables of one vocabulary hold, at 1 kB each, and bytes of what states accept, before they are made anew. */
const MOST_SETS = 24_000;
const MOST_BYTES = 48 * 1024 * 1024;
/** Parts of grammars that those tables have looked at, at up to 200 bytes each. */
const MOST_PARTS = 4_000_000;
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
  const searches = new WeakMap<GrammarNode, TableSearch>();
  // A token that ends answers is no text in a table.
  const tokenBytes = (token: number) => (endIds.has(token) ? undefined : tokenMark(token));
  let spans: { readonly made: TokenSpans | undefined } | undefined;
  const machine: Machine = {
    texts: createJsonTexts(), tokenizer, trie, endIds, mostSets, tables: make(),
    spans: () => (spans ??= { made: tokenSpans(trie, endIds) }).made,
    search(node) {
      const known = searches.get(node) ?? searchTable(node, tokenBytes);
      searches.set(node, known);
      return known;
    },
    start: (node) => new Matcher(machine, node),
    renew: () => (machine.tables = make()),
  };
  return machine;
}

interface Machine extends GrammarMachine {
  /** Undefined where the vocabulary makes none. */
  readonly spans: () => TokenSpans | undefined;
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
  /** Where the first so many of those lead. */
  #set: number;
  #read = 0;
  /** Where all of them lead in the grammar's table, once a device follows that: then the automaton reads them when a mask is asked for. */
  #followed: Followed | undefined;
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
    if (this.#isDone) return;
    if (this.#followed === undefined) this.#refresh();
    this.#isDone = this.#machine.endIds.has(token) && this.#mayEnd();
    if (this.#isDone) return;
    if (!this.#takes(token)) throw new Error(`grammar: token ${token} cannot follow`);
    this.#accepted.push(token);
  }

  #mayEnd(): boolean {
    const { table, place } = this.#followed ?? {};
    return table !== undefined && place !== undefined ? mayEnd(table, place) : this.#tables.automaton.set(this.#set).isDone;
  }

  /** False for a token that cannot follow. */
  #takes(token: number): boolean {
    if (this.#followed !== undefined) {
      const place = placeAfter(this.#followed, deviceBytes(this.#machine.trie, token));
      if (place !== undefined) this.#followed = { ...this.#followed, place };
      return place !== undefined;
    }
    const next = this.#after(this.#set, token);
    if (next === DEAD) return false;
    this.#set = next;
    this.#read++;
    return true;
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

  onDevice(): TokenGrammar | undefined {
    const spans = this.#machine.spans();
    const found = spans && this.#machine.search(this.#node).found();
    if (spans === undefined || found === undefined || typeof found === 'string') return undefined;
    if (this.#isDone) return { spans, table: found.table, place: undefined };
    this.#followed ??= this.#follow(found);
    return this.#followed && { spans, ...this.#followed };
  }

  /** Undefined where the answer is nested deeper than a table's stack. */
  #follow({ table, start }: GrammarTable): Followed | undefined {
    let place: TablePlace | undefined = start;
    for (const token of this.#accepted) place = place && placeAfter({ table, place }, deviceBytes(this.#machine.trie, token));
    return place && { table, place };
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
    const { automaton, masks } = tables;
    const isFull = automaton.setCount > mostSets || masks.stateBytes > MOST_BYTES || automaton.states.parts > MOST_PARTS;
    if (this.#tables === tables && isFull) this.#machine.renew();
    if (this.#tables !== this.#machine.tables) {
      this.#tables = this.#machine.tables;
      this.#set = this.#tables.automaton.startOf(this.#node);
      this.#read = 0;
    }
    for (; this.#read < this.#accepted.length; this.#read++) this.#set = this.#after(this.#set, this.#accepted[this.#read] as number);
  }
}

/** A table, and where an answer that has not ended stands in it. */
interface Followed {
  readonly table: Uint32Array<ArrayBuffer>;
  readonly place: TablePlace;
}

/** The place after a token's bytes; undefined where they cannot follow. */
function placeAfter({ table, place }: Followed, bytes: Uint8Array | undefined): TablePlace | undefined {
  if (bytes === undefined) return undefined;
  let after: TablePlace | undefined = place;
  for (const byte of bytes) after = after && takeByte(table, after, byte);
  return after;
}
