/** The merging loop of byte-pair encoding, in time n log n however long the word. */
import type { MergeTable } from './merge-table.ts';
import { createMinHeap } from './min-heap.ts';

/** Up to here looking at every pair each time is faster than keeping a heap. */
const scanLimit = 24;

/**
 * Applies merges to `symbols` (token ids) in order of rank, the leftmost first among equals.
 * @returns the ids left; may be the array that came in
 */
export function mergeSymbols(symbols: number[], table: MergeTable): number[] {
  if (symbols.length < 2) return symbols;
  return symbols.length <= scanLimit ? mergeByScan(symbols, table) : mergeByHeap(symbols, table);
}

function mergeByScan(symbols: number[], table: MergeTable): number[] {
  const ranks = symbols.map((symbol, at) => (at + 1 < symbols.length ? table.rankOf(symbol, symbols[at + 1]!) : -1));
  for (;;) {
    let best = -1;
    for (let at = 0; at + 1 < symbols.length; at++) {
      if (ranks[at]! >= 0 && (best < 0 || ranks[at]! < ranks[best]!)) best = at;
    }
    if (best < 0) return symbols;
    symbols[best] = table.results[ranks[best]!]!;
    symbols.splice(best + 1, 1);
    ranks.splice(best + 1, 1);
    if (best > 0) ranks[best - 1] = table.rankOf(symbols[best - 1]!, symbols[best]!);
    ranks[best] = best + 1 < symbols.length ? table.rankOf(symbols[best]!, symbols[best + 1]!) : -1;
  }
}

/** Heap keys are rank * 2^32 + position: both orders in one exact number. */
const positionRange = 2 ** 32;
const gone = -0x80000000;

function mergeByHeap(symbols: number[], table: MergeTable): number[] {
  const count = symbols.length;
  const ids = Int32Array.from(symbols);
  const next = Int32Array.from({ length: count }, (_, at) => at + 1);
  const previous = Int32Array.from({ length: count }, (_, at) => at - 1);
  const heap = createMinHeap();
  const offer = (at: number): void => {
    const right = next[at]!;
    if (right >= count) return;
    const rank = table.rankOf(ids[at]!, ids[right]!);
    if (rank >= 0) heap.push(rank * positionRange + at);
  };
  for (let at = 0; at + 1 < count; at++) offer(at);
  for (let key = heap.pop(); key !== undefined; key = heap.pop()) {
    const at = key % positionRange;
    const rank = (key - at) / positionRange;
    const right = next[at]!;
    // Stale: the pair has been merged, or one side of it has grown since.
    if (ids[at] === gone || right >= count || table.rankOf(ids[at]!, ids[right]!) !== rank) continue;
    ids[at] = table.results[rank]!;
    ids[right] = gone;
    next[at] = next[right]!;
    if (next[at]! < count) previous[next[at]!] = at;
    if (previous[at]! >= 0) offer(previous[at]!);
    offer(at);
  }
  const merged: number[] = [];
  for (let at = 0; at < count; at = next[at]!) merged.push(ids[at]!);
  return merged;
}
