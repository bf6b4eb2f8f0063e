/**
 * What sequences that begin alike have of each other. Full pages of the group without a window are in the prefix index, each block behind
 * the one before it. A model that has more to a state than those pages goes on only where a snapshot was left: the block that ends there
 * owns it, and it holds the slot and the pages of the windows before that end. Nobody writes to what others read.
 */
import { hold, isCached, readers } from './number-pool.ts';
import type { NumberPool } from './number-pool.ts';
import type { PoolParts } from './pool-parts.ts';
import type { Block } from './prefix-index.ts';
import type { SequenceState } from './sequence-state.ts';
import { holdsWindows, windowPages } from './window-pages.ts';
import type { Snapshot } from './snapshots.ts';

/** Puts pages that have become full into the index: those of all tokens whose state is there. */
export function sharePages({ index, whole, pageTokens }: PoolParts, { tokens, blocks, pages }: SequenceState): void {
  if (index === undefined) return;
  const full = Math.floor(tokens.length / pageTokens);
  while (blocks.length < full) {
    const at = blocks.length;
    blocks.push(index.add(blocks.at(-1), tokens.slice(at * pageTokens, (at + 1) * pageTokens), pages[whole]?.[at] as number));
  }
}

/** Leaves the state after the first `tokens` tokens, whole pages of them, to others, where it is at hand. */
export function shareState(parts: PoolParts, state: SequenceState, tokens: number): void {
  const block = tokens % parts.pageTokens === 0 ? state.blocks[tokens / parts.pageTokens - 1] : undefined;
  if (!parts.needsSnapshots || block === undefined || parts.index?.holds(block) !== true || !holdsWindows(parts, state, tokens)) return;
  const version = state.versions.find(({ length }) => length === tokens);
  if (parts.hasSlots && version === undefined) return;
  const windows = state.pages.map((pages, group) => {
    const { from, to } = windowPages(parts, group, tokens);
    return pages.slice(from, to);
  });
  parts.snapshots.take(block, state.tokens.slice(0, tokens), { slot: version?.slot, windows });
}

/** The blocks that `ids` begin with, as far as one can go on from them, and the snapshot at their end. */
interface SharedPrefix {
  readonly blocks: readonly Block[];
  readonly snapshot: Snapshot | undefined;
}

export function findShared({ index, needsSnapshots, snapshots, pageTokens }: PoolParts, ids: ArrayLike<number>): SharedPrefix {
  const blocks = index?.find(ids) ?? [];
  if (!needsSnapshots) return { blocks, snapshot: undefined };
  const snapshot = snapshots.longestOf(blocks);
  return { blocks: blocks.slice(0, (snapshot?.tokens.length ?? 0) / pageTokens), snapshot };
}

/** Gives a sequence that holds nothing what others have of a prefix. */
export function readShared(parts: PoolParts, state: SequenceState, { blocks, snapshot }: SharedPrefix): void {
  const length = blocks.length * parts.pageTokens;
  for (const [group, own] of state.pages.entries()) {
    const { from } = windowPages(parts, group, length);
    const pages = group === parts.whole ? blocks.map(({ page }) => page) : (snapshot?.windows?.[group] ?? []);
    // Those before the window are of no use to anybody: any number stands for them.
    own.push(...Array<number>(from).fill(pages[0] as number), ...pages);
    state.firstPage[group] = from;
  }
  if (snapshot?.slot !== undefined) state.versions.push({ length, slot: snapshot.slot });
  state.blocks.push(...blocks);
}

/** Holds for a sequence what {@link readShared} gives it. */
export function holdShared(parts: PoolParts, { blocks, snapshot }: SharedPrefix): void {
  for (const { page } of blocks) hold(parts.pages[parts.whole] as NumberPool, page);
  for (const [group, pages] of (snapshot?.windows ?? []).entries()) for (const page of pages) hold(parts.pages[group] as NumberPool, page);
  if (snapshot?.slot !== undefined) hold(parts.slots, snapshot.slot);
}

/** Whether a sequence may write from position `length` on: others do not read the page that it is in the middle of. */
export function isWritable({ pages, pageTokens }: PoolParts, state: SequenceState, length: number): boolean {
  if (length % pageTokens === 0) return true;
  const at = Math.floor(length / pageTokens);
  return state.pages.every((own, group) => {
    const page = own[at];
    return page === undefined || readers(pages[group] as NumberPool, page) <= 1;
  });
}

/** Of what lies past `tokens`. The page that they end in is about to be written, and what the index has of it goes. */
export function forgetBlocks({ pages, index, pageTokens }: PoolParts, { blocks, pages: own }: SequenceState, tokens: number): void {
  const full = Math.floor(tokens / pageTokens);
  const cut = blocks[full];
  const isIndexed = own.some((numbers, group) => numbers[full] !== undefined && isCached(pages[group] as NumberPool, numbers[full]));
  if (cut !== undefined && tokens % pageTokens > 0 && isIndexed) index?.remove(cut);
  blocks.length = Math.min(blocks.length, full);
}
