import { describe, expect, it } from 'vitest';
import { PrefixIndex } from './prefix-index.ts';
import type { Block } from './prefix-index.ts';

function indexOf() {
  const held = new Set<number>();
  const index = new PrefixIndex({ pageTokens: 2, hold: ({ page }) => void held.add(page), drop: ({ page }) => void held.delete(page) });
  const add = (tokens: readonly number[], firstPage: number) => {
    const blocks: Block[] = [];
    for (let at = 0; at < tokens.length; at += 2) blocks.push(index.add(blocks.at(-1), tokens.slice(at, at + 2), firstPage + at / 2));
    return blocks;
  };
  const pagesFor = (ids: readonly number[]) => index.find(ids).map(({ page }) => page);
  return { index, held, add, pagesFor };
}

describe('the prefix index', () => {
  it('finds whole pages of the longest prefix, and the same tokens only behind the same ones', () => {
    const { add, pagesFor } = indexOf();
    add([1, 2, 3, 4, 5, 6], 10);
    add([9, 9, 3, 4], 20);
    expect([[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5], [1, 2, 4, 3], [3, 4], [9, 9, 3, 4], [1]].map(pagesFor)).toEqual([
      [10, 11, 12], [10, 11], [10], [], [20, 21], [],
    ]);
  });

  it('has one page of the same tokens, the first', () => {
    const { add, held } = indexOf();
    add([1, 2, 3, 4], 10);
    expect(add([1, 2, 3, 4, 5, 6], 20).map(({ page }) => page)).toEqual([10, 11, 22]);
    expect([...held].sort()).toEqual([10, 11, 22]);
  });

  it('gives up the oldest that nobody uses, ends before beginnings, and what is touched last', () => {
    const { index, add, held } = indexOf();
    const first = add([1, 2, 3, 4], 10);
    add([5, 6, 7, 8], 20);
    index.touch(first);
    const order: number[] = [];
    const before = () => new Set(held);
    for (let was = before(); index.evict((page) => page !== 20); was = before()) order.push(...[...was].filter((page) => !held.has(page)));
    expect(order).toEqual([21, 11, 10]);
    expect([...held]).toEqual([20]);
  });

  it('says where ids part from what is there, and nothing of those that go on from it or begin otherwise', () => {
    const { index, add } = indexOf();
    expect(index.parting([1, 2, 3])).toBe(0);
    const blocks = add([1, 2, 3, 4, 5, 6], 10);
    add([1, 2, 3, 7], 20);
    const asked = [[1, 9], [1, 2, 9, 9], [1, 2, 3, 9], [1, 2, 3, 4, 5, 9], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7], [8, 8], [1, 2]];
    expect(asked.map((ids) => index.parting(ids))).toEqual([1, 2, 3, 5, 0, 0, 0, 0]);
    index.remove(blocks[0]!);
    expect(index.parting([1, 9])).toBe(0);
  });

  it('takes out what goes on from a page that is written to', () => {
    const { index, add, held, pagesFor } = indexOf();
    const blocks = add([1, 2, 3, 4, 5, 6], 10);
    add([1, 2, 8, 8], 30);
    index.remove(blocks[1]!);
    expect([...held].sort()).toEqual([10, 31]);
    expect([pagesFor([1, 2, 3, 4, 5, 6]), pagesFor([1, 2, 8, 8])]).toEqual([[10], [10, 31]]);
    // Behind what has gone nothing is put.
    index.add(blocks[2], [7, 7], 40);
    expect(held.has(40)).toBe(false);
  });
});
