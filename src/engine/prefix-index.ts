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

export interface PrefixIndex {
  /** The blocks of the longest prefix of `ids` that there is, of whole pages. */
  find(ids: ArrayLike<number>): readonly Block[];
  /** How many of the ids the tokens of some block begin with, where those go on in another way, or the ids do not go on so far; else 0. */
  parting(ids: ArrayLike<number>): number;
  /** The block of these tokens behind `parent`, which is the newest then: the one that is there already, or one of `page`. */
  add(parent: Block | undefined, tokens: ArrayLike<number>, page: number): Block;
  /** Makes the blocks of a prefix the newest, in whose order they go. */
  touch(prefix: readonly Block[]): void;
  /** Whether it is still in the index. */
  holds(block: Block): boolean;
  /** Takes a block out whose page is about to be written, and all behind it. */
  remove(block: Block): void;
  /** Takes the oldest block out that `isUnused` says yes to; false where there is none. */
  evict(isUnused: (page: number) => boolean): boolean;
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

export function createPrefixIndex({ pageTokens, hold, drop }: PrefixIndexOptions): PrefixIndex {
  /** The oldest first. A prefix is no older than what goes on from it. */
  const entries = new Map<string, Entry>();
  const roots = new Set<Entry>();
  let last = 0;
  const siblingsAfter = (parent: Entry | undefined) => parent?.children ?? roots;
  const holds = (block: Block) => entries.get((block as Entry).key) === block;
  const get = (parent: Entry | undefined, ids: ArrayLike<number>, from: number): Entry | undefined => {
    const entry = entries.get(keyOf(parent, ids, from, pageTokens));
    return entry !== undefined && entry.parent === parent && entry.tokens.every((token, i) => token === ids[from + i]) ? entry : undefined;
  };
  const touch: PrefixIndex['touch'] = (prefix) => {
    for (let at = prefix.length - 1; at >= 0; at--) {
      const entry = prefix[at] as Entry;
      if (!holds(entry)) continue;
      entries.delete(entry.key);
      entries.set(entry.key, entry);
    }
  };
  const remove = (entry: Entry) => {
    if (!holds(entry)) return;
    entries.delete(entry.key);
    siblingsAfter(entry.parent).delete(entry);
    drop(entry);
    for (const child of entry.children) remove(child);
  };
  const find = (ids: ArrayLike<number>): Entry[] => {
    const found: Entry[] = [];
    for (let from = 0; from + pageTokens <= ids.length; from += pageTokens) {
      const next = get(found.at(-1), ids, from);
      if (next === undefined) break;
      found.push(next);
    }
    return found;
  };
  return {
    holds,
    touch,
    find,
    parting(ids) {
      const found = find(ids);
      const from = found.length * pageTokens;
      let most = 0;
      for (const { tokens } of siblingsAfter(found.at(-1))) {
        let common = 0;
        while (common < pageTokens && tokens[common] === ids[from + common]) common++;
        most = Math.max(most, common);
      }
      const isOver = from + most === ids.length;
      return siblingsAfter(found.at(-1)).size === 0 || isOver ? 0 : from + most;
    },
    add(parent, tokens, page) {
      const before = parent as Entry | undefined;
      const known = get(before, tokens, 0);
      if (known !== undefined) return known;
      const key = keyOf(before, tokens, 0, pageTokens);
      const entry: Entry = { parent: before, tokens: Int32Array.from(tokens), page, id: ++last, key, children: new Set() };
      // Behind what has gone nobody would find it; in the place of another of the same hash neither would be found.
      if ((before !== undefined && !holds(before)) || entries.has(key)) return entry;
      entries.set(key, entry);
      siblingsAfter(before).add(entry);
      hold(entry);
      const chain: Entry[] = [];
      for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) chain.unshift(at);
      touch(chain);
      return entry;
    },
    remove: (block) => remove(block as Entry),
    evict(isUnused) {
      for (const entry of entries.values()) {
        if (!isUnused(entry.page)) continue;
        remove(entry);
        return true;
      }
      return false;
    },
  };
}
