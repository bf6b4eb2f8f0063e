/**
 * Pages that hold the state after a prefix of tokens, found by those tokens: a map from the page before, and the tokens of a full page, to
 * the page. Whoever begins with the same tokens may read it; nobody writes to it. It knows no sequences, and not who else holds a page.
 */

/** A full page in the index. */
export interface Block {
  /** The page before; undefined for the first of a sequence. */
  readonly parent: Block | undefined;
  readonly tokens: Int32Array;
  readonly page: number;
}

export interface PrefixIndexOptions {
  readonly pageTokens: number;
  /** Called for each block that comes in, whose page the index holds then, and for each that goes. */
  readonly hold: (block: Block) => void;
  readonly drop: (block: Block) => void;
}

interface Entry extends Block {
  readonly parent: Entry | undefined;
  readonly id: number;
  readonly key: string;
  readonly children: Set<Entry>;
}

/** FNV-1a over words: a key that two prefixes share is told apart by their tokens. */
function keyOf(parent: Entry | undefined, tokens: ArrayLike<number>, from: number, count: number): string {
  let hash = 0x811c9dc5;
  for (let i = from; i < from + count; i++) hash = Math.imul(hash ^ (tokens[i] as number), 0x01000193);
  return `${parent?.id ?? 0}:${hash >>> 0}`;
}

export class PrefixIndex {
  readonly #options: PrefixIndexOptions;
  /** The oldest first. A prefix is no older than what goes on from it. */
  readonly #entries = new Map<string, Entry>();
  readonly #roots = new Set<Entry>();
  #last = 0;

  constructor(options: PrefixIndexOptions) {
    this.#options = options;
  }

  #after(parent: Entry | undefined): Set<Entry> {
    return parent?.children ?? this.#roots;
  }

  #get(parent: Entry | undefined, ids: ArrayLike<number>, from: number): Entry | undefined {
    const entry = this.#entries.get(keyOf(parent, ids, from, this.#options.pageTokens));
    return entry !== undefined && entry.parent === parent && entry.tokens.every((token, i) => token === ids[from + i]) ? entry : undefined;
  }

  /** Whether it is still in the index. */
  holds(block: Block): boolean {
    return this.#entries.get((block as Entry).key) === block;
  }

  /** Makes the blocks of a prefix the newest, in whose order they go. */
  touch(prefix: readonly Block[]): void {
    for (let at = prefix.length - 1; at >= 0; at--) {
      const entry = prefix[at] as Entry;
      if (!this.holds(entry)) continue;
      this.#entries.delete(entry.key);
      this.#entries.set(entry.key, entry);
    }
  }

  /** The blocks of the longest prefix of `ids` that there is, of whole pages. */
  find(ids: ArrayLike<number>): readonly Block[] {
    return this.#find(ids);
  }

  #find(ids: ArrayLike<number>): Entry[] {
    const { pageTokens } = this.#options;
    const found: Entry[] = [];
    for (let from = 0; from + pageTokens <= ids.length; from += pageTokens) {
      const next = this.#get(found.at(-1), ids, from);
      if (next === undefined) break;
      found.push(next);
    }
    return found;
  }

  /** How many of the ids the tokens of some block begin with, where those go on in another way, or the ids do not go on so far; else 0. */
  parting(ids: ArrayLike<number>): number {
    const { pageTokens } = this.#options;
    const found = this.#find(ids);
    const from = found.length * pageTokens;
    const others = this.#after(found.at(-1));
    let most = 0;
    for (const { tokens } of others) {
      let common = 0;
      while (common < pageTokens && tokens[common] === ids[from + common]) common++;
      most = Math.max(most, common);
    }
    const isOver = from + most === ids.length;
    return others.size === 0 || isOver ? 0 : from + most;
  }

  /** The block of these tokens behind `parent`, which is the newest then: the one that is there already, or one of `page`. */
  add(parent: Block | undefined, tokens: ArrayLike<number>, page: number): Block {
    const before = parent as Entry | undefined;
    const known = this.#get(before, tokens, 0);
    if (known !== undefined) return known;
    const key = keyOf(before, tokens, 0, this.#options.pageTokens);
    const entry: Entry = { parent: before, tokens: Int32Array.from(tokens), page, id: ++this.#last, key, children: new Set() };
    // Behind what has gone nobody would find it; in the place of another of the same hash neither would be found.
    if ((before !== undefined && !this.holds(before)) || this.#entries.has(key)) return entry;
    this.#entries.set(key, entry);
    this.#after(before).add(entry);
    this.#options.hold(entry);
    const chain: Entry[] = [];
    for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) chain.unshift(at);
    this.touch(chain);
    return entry;
  }

  /** Takes a block out whose page is about to be written, and all behind it. */
  remove(block: Block): void {
    const entry = block as Entry;
    if (!this.holds(entry)) return;
    this.#entries.delete(entry.key);
    this.#after(entry.parent).delete(entry);
    this.#options.drop(entry);
    for (const child of entry.children) this.remove(child);
  }

  /** Takes the oldest block out that `isUnused` says yes to; false where there is none. */
  evict(isUnused: (page: number) => boolean): boolean {
    for (const entry of this.#entries.values()) {
      if (!isUnused(entry.page)) continue;
      this.remove(entry);
      return true;
    }
    return false;
  }
}
