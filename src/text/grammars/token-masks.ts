/**
 * Which tokens may follow in a state. What a local state accepts by itself does not depend on the stack, and is looked for once; a token
 * that goes past the end of its rule does, so that only the nodes of the vocabulary's tree where a rule ends are walked for each stack
 * (XGrammar, arXiv 2411.15100, section 3.1).
 */
import { DEAD } from './automaton.ts';
import type { Automaton } from './automaton.ts';
import type { CharLoop, WordsPlace } from './local-states.ts';
import { repeat } from './grammar-node.ts';
import type { GrammarNode } from './grammar-node.ts';
import { NO_STACK } from './state-stacks.ts';
import { walkBelow } from './token-bytes-trie.ts';
import type { TokenBytesTrie } from './token-bytes-trie.ts';
import { endsWord, wordsWith } from './word-range.ts';
import type { WordRange } from './word-range.ts';

/** Tokens: a list of them, or bits where they are many. */
type TokenSet = Int32Array | Uint32Array;

/** What a local state accepts, whatever its stack. */
interface StateTokens {
  readonly accepted: readonly TokenSet[];
  /** Nodes of the tree at which its rule may end, and below which there are more. */
  readonly ruleEnds: Int32Array;
}

/** A loop over characters without an end: how far tokens go in it. */
interface LoopTokens {
  /** By how many characters they have, begun ones counted: tokens that stay in the loop. */
  readonly byChars: readonly (readonly number[])[];
  /** Nodes at the end of a character below which the loop does not go on everywhere. */
  readonly exits: Int32Array;
  /** Whole characters at them. */
  readonly exitChars: Uint16Array;
  /** Tokens of at most so many characters, made when asked for. */
  readonly upTo: (Uint32Array | undefined)[];
  /** By the set of states after the loop. */
  readonly leaving: Map<number, LeavingTokens>;
}

/** Tokens that go on past the end of a loop, and nodes where the rule around it may end; with the characters of each in the loop. */
interface LeavingTokens {
  readonly tokens: readonly number[];
  readonly tokenChars: readonly number[];
  readonly ruleEnds: readonly number[];
  readonly ruleEndChars: readonly number[];
  /** By room and need. */
  readonly states: Map<string, StateTokens>;
}

/** The most that masks of sets may take before all are made anew. */
const MASK_BYTES = 24 * 1024 * 1024;

/** Places of a grammar that may be looked at for one mask: about a second. */
const MOST_WORK = 5_000_000;

export class TokenMasks {
  readonly words: number;
  /** Of what states accept, as far as it is known. */
  stateBytes = 0;
  readonly #automaton: Automaton;
  readonly #trie: TokenBytesTrie;
  readonly #endIds: Int32Array;
  readonly #path: Int32Array;
  readonly #states = new Map<number, StateTokens>();
  readonly #loops = new Map<GrammarNode, LoopTokens>();
  readonly #masks = new Map<number, Uint32Array>();
  readonly #list: number[] = [];

  /** @param endIds allowed where the grammar may end */
  constructor(automaton: Automaton, trie: TokenBytesTrie, endIds: ReadonlySet<number>) {
    this.#automaton = automaton;
    this.#trie = trie;
    this.#endIds = Int32Array.from(endIds);
    this.#path = new Int32Array(trie.deepest + 1);
    this.words = (trie.vocabSize + 31) >> 5;
  }

  /**
   * Tokens that may follow in a set of states, as bits, not to be written to: bit i of word w is token 32 w + i.
   * @throws TooManyParts where too many places of the grammar have to be looked at
   */
  maskOf(set: number): Uint32Array {
    const known = this.#masks.get(set);
    if (known !== undefined) return known;
    const mask = this.#automaton.bounded(MOST_WORK, () => this.#make(set));
    if (this.#masks.size * this.words * 4 > MASK_BYTES) this.#masks.clear();
    this.#masks.set(set, mask);
    return mask;
  }

  #make(set: number): Uint32Array {
    const { configs, isDone } = this.#automaton.set(set);
    const mask = new Uint32Array(this.words);
    if (isDone) addTo(mask, this.#endIds);
    // Rules that end at the same nodes go on together: each by itself, rules in rules would be read as often as they are deep.
    const ending = new Map<string, { readonly ruleEnds: Int32Array; readonly stacks: number[] }>();
    for (let i = 0; i < configs.length; i += 2) {
      const [state, stack] = [configs[i] as number, configs[i + 1] as number];
      const { accepted, ruleEnds } = this.#tokensOf(state);
      for (const tokens of accepted) addTo(mask, tokens);
      if (stack === NO_STACK || ruleEnds.length === 0) continue;
      const key = ruleEnds.join();
      const alike = ending.get(key);
      if (alike === undefined) ending.set(key, { ruleEnds, stacks: [stack] });
      else alike.stacks.push(stack);
    }
    for (const { ruleEnds, stacks } of ending.values()) {
      const after = this.#automaton.afterRules(stacks);
      this.#list.length = 0;
      for (const node of ruleEnds) this.#walk(node, after, this.#list);
      addTo(mask, Int32Array.from(this.#list));
    }
    return mask;
  }

  #tokensOf(state: number): StateTokens {
    const known = this.#states.get(state);
    if (known !== undefined) return known;
    const loop = this.#automaton.states.charLoop(state);
    const words = this.#automaton.states.wordsPlace(state);
    const tokens = words === undefined ? ((loop && this.#loopTokens(loop)) ?? this.#findTokens(state)) : this.#wordTokens(words);
    this.#states.set(state, tokens);
    return tokens;
  }

  #findTokens(state: number): StateTokens {
    const { tokens: ids } = this.#automaton.states.expansion(state);
    const list = ids.filter((_, i) => i % 2 === 0);
    const ruleEnds: number[] = [];
    this.#walk(-1, this.#automaton.setOfAlone(state), list, ruleEnds);
    return { accepted: [this.#pack(list)], ruleEnds: Int32Array.from(ruleEnds) };
  }

  /** The tree of the vocabulary beside the sorted texts: no set of states is made for what stands in both. */
  #wordTokens({ words, range, after }: WordsPlace): StateTokens {
    const trie = this.#trie;
    const path: WordRange[] = [range];
    const list: number[] = [];
    const ruleEnds: number[] = [];
    walkBelow(trie, -1, (node, depth) => {
      const here = wordsWith(words, path[depth - 1] as WordRange, trie.bytes[node] as number);
      if (here === undefined) return false;
      path[depth] = here;
      this.#addTokens(node, list);
      if (!endsWord(words, here) || node + 1 === trie.ends[node]) return true;
      const behind = this.#automaton.setOf([after(here.from), NO_STACK]);
      if (this.#automaton.set(behind).isDone) ruleEnds.push(node);
      this.#walk(node, behind, list, ruleEnds);
      return true;
    });
    return { accepted: [this.#pack(list)], ruleEnds: Int32Array.from(ruleEnds) };
  }

  /**
   * Tokens below a node of the tree, -1 for its root, as a set of states reads them. The set has no tokens of its own that count, since
   * the text up to the node stands before it.
   */
  #walk(root: number, start: number, tokensFound: number[], ruleEnds?: number[]): void {
    const { bytes, ends } = this.#trie;
    const automaton = this.#automaton;
    const path = this.#path;
    path[0] = start;
    walkBelow(this.#trie, root, (node, depth) => {
      const set = automaton.step(path[depth - 1] as number, bytes[node] as number);
      if (set === DEAD) return false;
      path[depth] = set;
      this.#addTokens(node, tokensFound);
      if (ruleEnds !== undefined && node + 1 < (ends[node] as number) && automaton.set(set).isDone) ruleEnds.push(node);
      return true;
    });
  }

  /** Those that end at a node. */
  #addTokens(node: number, list: number[]): void {
    const { tokens, nextAlike } = this.#trie;
    for (let token = tokens[node] as number; token >= 0; token = nextAlike[token] as number) list.push(token);
  }

  /** By what the loop's characters make of each token, found once. Undefined where what follows may begin as they do. */
  #loopTokens({ node, most, fewest, next }: CharLoop): StateTokens | undefined {
    const known = this.#loops.get(node.item);
    const loop = known ?? this.#findLoop(node.item);
    this.#loops.set(node.item, loop);
    const after = this.#automaton.setOf([next, NO_STACK]);
    const inside = this.#automaton.startOf(node.item);
    for (let byte = 0; byte < 256; byte++)
      if (this.#automaton.step(after, byte) !== DEAD && this.#automaton.step(inside, byte) !== DEAD) return undefined;
    const leaving = loop.leaving.get(after) ?? this.#leaveLoop(loop, after);
    loop.leaving.set(after, leaving);
    // States further from the ends of the loop than any token reaches are alike.
    const longest = loop.byChars.length - 1;
    const [room, needed] = [Math.min(most, longest), Math.min(fewest, longest + 1)];
    const key = `${room},${needed}`;
    const fits = (chars: readonly number[]) => (_: unknown, i: number) => (chars[i] as number) >= needed && (chars[i] as number) <= room;
    const found = leaving.states.get(key) ?? {
      accepted: [this.#upTo(loop, room), this.#pack(leaving.tokens.filter(fits(leaving.tokenChars)))],
      ruleEnds: Int32Array.from(leaving.ruleEnds.filter(fits(leaving.ruleEndChars))),
    };
    leaving.states.set(key, found);
    return found;
  }

  #leaveLoop(loop: LoopTokens, after: number): LeavingTokens {
    const tokens: number[] = [];
    const ruleEnds: number[] = [];
    const [tokenChars, ruleEndChars]: [number[], number[]] = [[], []];
    const isEnd = this.#automaton.set(after).isDone;
    for (const [i, node] of loop.exits.entries()) {
      if (isEnd) ruleEnds.push(node);
      this.#walk(node, after, tokens, ruleEnds);
      const chars = loop.exitChars[i] as number;
      while (tokenChars.length < tokens.length) tokenChars.push(chars);
      while (ruleEndChars.length < ruleEnds.length) ruleEndChars.push(chars);
    }
    return { tokens, tokenChars, ruleEnds, ruleEndChars, states: new Map() };
  }

  #upTo(loop: LoopTokens, room: number): Uint32Array {
    const known = loop.upTo[room];
    if (known !== undefined) return known;
    const bits = new Uint32Array(this.words);
    for (let chars = 1; chars <= room; chars++) addTo(bits, Int32Array.from(loop.byChars[chars] ?? []));
    return (loop.upTo[room] = bits);
  }

  #findLoop(item: GrammarNode): LoopTokens {
    const { bytes } = this.#trie;
    const automaton = this.#automaton;
    const start = automaton.startOf(repeat(item, 0, Infinity));
    const path = new Int32Array(this.#path.length);
    const nodes = new Int32Array(this.#path.length);
    const whole = new Uint16Array(this.#path.length);
    const byChars: number[][] = [[]];
    const exits = new Map<number, number>();
    path[0] = start;
    walkBelow(this.#trie, -1, (node, depth) => {
      const before = path[depth - 1] as number;
      const set = automaton.step(before, bytes[node] as number);
      if (set === DEAD) {
        // Where the character before is whole, what follows the loop may begin here; at the root the loop has not begun.
        if (depth > 1 && automaton.set(before).isDone) exits.set(nodes[depth - 1] as number, whole[depth - 1] as number);
        return false;
      }
      const isWhole = automaton.set(set).isDone;
      path[depth] = set;
      nodes[depth] = node;
      whole[depth] = (whole[depth - 1] as number) + (isWhole ? 1 : 0);
      const chars = (whole[depth] as number) + (isWhole ? 0 : 1);
      while (byChars.length <= chars) byChars.push([]);
      this.#addTokens(node, byChars[chars] as number[]);
      return true;
    });
    const sorted = [...exits].sort((a, b) => a[0] - b[0]);
    return {
      byChars, upTo: [], leaving: new Map(), exits: Int32Array.from(sorted, ([node]) => node), exitChars: Uint16Array.from(sorted,
        ([, count]) => count),
    };
  }

  /** As bits, where those take less. */
  #pack(list: readonly number[]): TokenSet {
    this.stateBytes += 4 * Math.min(list.length, this.words);
    if (list.length <= this.words) return Int32Array.from(list);
    const bits = new Uint32Array(this.words);
    addTo(bits, Int32Array.from(list));
    return bits;
  }
}

function addTo(mask: Uint32Array, tokens: TokenSet): void {
  if (tokens instanceof Int32Array) for (const token of tokens) mask[token >> 5] = (mask[token >> 5] as number) | (1 << (token & 31));
  else for (let word = 0; word < mask.length; word++) mask[word] = (mask[word] as number) | (tokens[word] as number);
}
