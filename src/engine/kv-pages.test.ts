import { describe, expect, it } from 'vitest';
import { CapacityError } from '../tensor/errors.ts';
import { createKvPages } from './kv-pages.ts';

function pagesOf(maxPages: number) {
  const asked: number[] = [];
  const pages = createKvPages({ program: { ensureKvPages: (count) => void asked.push(count) }, pageTokens: 4, maxPages });
  return { pages, asked };
}

describe('createKvPages', () => {
  it('asks the program for memory only as a sequence fills', () => {
    const { pages, asked } = pagesOf(8);
    const table = pages.open();
    expect(asked).toEqual([]);
    for (let tokens = 1; tokens <= 9; tokens++) pages.reserve(table, tokens);
    expect(asked).toEqual([1, 2, 3]);
    expect(table.pages).toHaveLength(3);
    expect(new Set(table.pages).size).toBe(3);
  });

  it('uses freed pages before new ones', () => {
    const { pages, asked } = pagesOf(8);
    const first = pages.open();
    pages.reserve(first, 12);
    const held = [...first.pages];
    pages.truncate(first, 5);
    expect(first.pages).toEqual(held.slice(0, 2));
    const second = pages.open();
    pages.reserve(second, 4);
    expect(second.pages).toEqual([held[2]]);
    pages.close(first);
    expect(pages.free).toBe(2);
    expect(asked).toEqual([3]);
  });

  it('takes the pages of the sequence used longest ago, never of the one that asks', () => {
    const { pages } = pagesOf(4);
    const [a, b, c] = [pages.open(), pages.open(), pages.open()];
    pages.reserve(a, 4);
    pages.reserve(b, 8);
    pages.reserve(a, 4);
    pages.reserve(c, 8);
    expect([a.epoch, b.epoch, c.epoch]).toEqual([0, 1, 0]);
    expect(new Set([...a.pages, ...c.pages]).size).toBe(3);
    pages.reserve(c, 16);
    expect([a.epoch, a.pages.length, c.pages.length]).toEqual([1, 0, 4]);
    expect(pages.allocated).toBe(4);
  });

  it('says when one sequence outgrows it all, and keeps what it has', () => {
    const { pages } = pagesOf(2);
    const table = pages.open();
    pages.reserve(table, 8);
    expect(() => pages.reserve(table, 9)).toThrow(CapacityError);
    expect(() => pages.reserve(table, 9)).toThrow('more than the 8 positions');
    expect(table.pages).toHaveLength(2);
  });

  it('counts nothing as taken when the program has no memory', () => {
    let full = true;
    const program = {
      ensureKvPages() {
        if (full) throw new CapacityError('no memory');
      },
    };
    const pages = createKvPages({ program, pageTokens: 4, maxPages: 4 });
    const table = pages.open();
    expect(() => pages.reserve(table, 4)).toThrow('no memory');
    full = false;
    pages.reserve(table, 4);
    expect(table.pages).toEqual([0]);
  });
});
