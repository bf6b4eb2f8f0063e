import { describe, expect, it } from 'vitest';
import { EMPTY_SLOT } from '../graph/state-sizes.ts';
import { CapacityError } from '../tensor/errors.ts';
import { createStatePool } from './state-pool.ts';
import type { SequenceState, StatePool } from './sequence-state.ts';

interface PoolShape {
  readonly maxPages: number;
  /** By group; default one without a window. */
  readonly windows?: readonly (number | undefined)[];
  readonly mostPages?: readonly number[];
  readonly mostSlots?: number;
  readonly mostSnapshots?: number;
}

function poolOf({ maxPages, windows = [undefined], mostPages = windows.map(() => maxPages), mostSlots = 0, mostSnapshots = 0 }: PoolShape) {
  const asked: number[][] = windows.map(() => []);
  const slots: number[] = [];
  const program = {
    ensurePages: (group: number, count: number) => void asked[group]!.push(count),
    ensureSlots: (n: number) => void slots.push(n),
  };
  const groups = windows.map((window) => ({ window }));
  const pool = createStatePool({ program, groups, pageTokens: 4, maxPages, mostPages, mostSlots, mostSnapshots });
  return { pool, asked, slots };
}

/** A submit of all positions up to `end` that are not there yet, all before it accepted. */
function reach(pool: StatePool, state: SequenceState, end: number) {
  const start = pool.servable(state, Infinity) === Infinity ? 0 : Math.min(end, pool.servable(state, Infinity));
  return pool.begin(state, { start: Math.min(start, end), end, accepted: Math.min(start, end) });
}

describe('pages without a window', () => {
  it('are asked for only as a sequence fills', () => {
    const { pool, asked } = poolOf({ maxPages: 8 });
    const state = pool.open();
    expect(asked[0]).toEqual([]);
    for (let end = 1; end <= 9; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    expect(asked[0]).toEqual([1, 2, 3]);
    expect(new Set(state.pages[0]).size).toBe(3);
  });

  it('that were freed are used before new ones', () => {
    const { pool, asked } = poolOf({ maxPages: 8 });
    const first = pool.open();
    reach(pool, first, 12);
    const held = [...first.pages[0]!];
    pool.truncate(first, 5);
    expect(first.pages[0]).toEqual(held.slice(0, 2));
    const second = pool.open();
    reach(pool, second, 4);
    expect(second.pages[0]).toEqual([held[2]]);
    pool.close(first);
    expect(pool.free).toEqual([2]);
    expect(asked[0]).toEqual([3]);
  });

  it('are taken from the sequence used longest ago, never from the one that asks', () => {
    const { pool } = poolOf({ maxPages: 4 });
    const [a, b, c] = [pool.open(), pool.open(), pool.open()];
    for (const [state, end] of [[a, 4], [b, 8], [a, 4], [c, 8]] as const) pool.begin(state, { start: 0, end, accepted: 0 });
    expect([a.epoch, b.epoch, c.epoch]).toEqual([0, 1, 0]);
    expect(new Set([...a.pages[0]!, ...c.pages[0]!]).size).toBe(3);
    pool.begin(c, { start: 8, end: 16, accepted: 8 });
    expect([a.epoch, a.pages[0]!.length, c.pages[0]!.length]).toEqual([1, 0, 4]);
    expect(pool.allocated).toEqual([4]);
  });

  it('say when one sequence outgrows them all, and keep what it has', () => {
    const { pool } = poolOf({ maxPages: 2 });
    const state = pool.open();
    pool.begin(state, { start: 0, end: 8, accepted: 0 });
    const more = () => pool.begin(state, { start: 8, end: 9, accepted: 8 });
    expect(more).toThrow(CapacityError);
    expect(more).toThrow('more than the 8 positions');
    expect(state.pages[0]).toHaveLength(2);
  });

  it('are not counted as taken when the program has no memory', () => {
    let full = true;
    const program = {
      ensureSlots() {},
      ensurePages() {
        if (full) throw new CapacityError('no memory');
      },
    };
    const most = { maxPages: 4, mostPages: [4], mostSlots: 0, mostSnapshots: 0 };
    const pool = createStatePool({ program, groups: [{ window: undefined }], pageTokens: 4, ...most });
    const state = pool.open();
    expect(() => reach(pool, state, 4)).toThrow('no memory');
    full = false;
    reach(pool, state, 4);
    expect(state.pages[0]).toEqual([0]);
  });
});

describe('pages of a group with a window', () => {
  it('are given back behind it and used again, so that a long sequence holds only a few', () => {
    const { pool } = poolOf({ maxPages: 1000, windows: [undefined, 10], mostPages: [1000, 6] });
    const state = pool.open();
    for (let end = 1; end <= 400; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    expect(pool.allocated[0]).toBe(100);
    expect(pool.allocated[1]).toBeLessThanOrEqual(4);
    // What rows still see is its own, each page once.
    const seen = state.pages[1]!.slice(Math.floor((399 - 10) / 4), 100);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('stay while the reader has not accepted what is ahead of it', () => {
    const { pool } = poolOf({ maxPages: 100, windows: [8] });
    const state = pool.open();
    pool.begin(state, { start: 0, end: 20, accepted: 0 });
    for (let end = 24; end <= 60; end += 4) pool.begin(state, { start: end - 4, end, accepted: 20 });
    expect(pool.servable(state, 20)).toBe(20);
    pool.begin(state, { start: 60, end: 61, accepted: 60 });
    expect(pool.servable(state, 60)).toBe(60);
    expect(pool.servable(state, 20)).toBe(0);
  });

  it('serve a length only while its window is held: else the sequence begins anew', () => {
    const { pool } = poolOf({ maxPages: 100, windows: [undefined, 8] });
    const state = pool.open();
    pool.begin(state, { start: 0, end: 41, accepted: 0 });
    pool.begin(state, { start: 41, end: 42, accepted: 41 });
    // Positions from 32 on are held: 41 - 8 is 33, on the page that begins there.
    expect([42, 41, 40, 39, 12].map((tokens) => pool.servable(state, tokens))).toEqual([42, 41, 40, 0, 0]);
    pool.truncate(state, pool.servable(state, 39));
    expect(pool.free).toEqual(pool.allocated);
    pool.begin(state, { start: 0, end: 5, accepted: 0 });
    expect(pool.servable(state, 5)).toBe(5);
  });
});

describe('a window that is kept, without slots', () => {
  /** A prompt of 20 positions, an answer up to 44: the window of 8 at the prompt's end lies on pages 3 and 4. */
  function answered(more: Partial<PoolShape> = {}) {
    const made = poolOf({ maxPages: 100, windows: [undefined, 8], ...more });
    const state = made.pool.open();
    made.pool.begin(state, { start: 0, end: 20, accepted: 0 });
    made.pool.keep(state, 20);
    for (let end = 21; end <= 44; end++) made.pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    return { ...made, state };
  }

  it('serves its length once pages behind it went, and keeps no other page', () => {
    const { pool, state } = answered();
    expect(pool.keepsSnapshots).toBe(true);
    const [, pages] = state.pages;
    const held = pages!.filter((_, page) => [3, 4, 8, 9, 10].includes(page));
    expect(new Set(held).size).toBe(5);
    expect(pool.allocated[1]! - pool.free[1]!).toBe(5);
    expect([44, 39, 30, 20, 19].map((tokens) => pool.servable(state, tokens))).toEqual([44, 20, 20, 20, 0]);
    const kept = pages!.slice(3, 5);
    pool.truncate(state, 20);
    expect(state.pages[1]!.slice(3, 5)).toEqual(kept);
    expect(pool.free[1]).toBe(pool.allocated[1]! - 2);
    // It goes on from there, and can come back again.
    for (let end = 21; end <= 60; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    expect(pool.servable(state, 50)).toBe(20);
    pool.close(state);
    expect(pool.free).toEqual(pool.allocated);
  });

  it('goes with its tokens, and for the next that is kept', () => {
    const { pool, state } = answered();
    pool.keep(state, 44);
    expect([44, 43, 30].map((tokens) => pool.servable(state, tokens))).toEqual([44, 43, 0]);
    for (let end = 45; end <= 80; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    expect([70, 44, 43].map((tokens) => pool.servable(state, tokens))).toEqual([44, 44, 0]);
    pool.truncate(state, 0);
    expect(pool.free).toEqual(pool.allocated);
    expect(pool.servable(state, 44)).toBe(0);
    const again = answered();
    // What is gone already cannot be kept.
    again.pool.keep(again.state, 30);
    expect(again.pool.servable(again.state, 30)).toBe(20);
  });

  it('goes before a sequence loses its state, that of the sequence used longest ago first', () => {
    const { pool, state } = answered({ mostPages: [100, 9] });
    const other = pool.open();
    // Five of nine pages are taken: the fifth of the other's needs one of the two that are kept.
    pool.begin(other, { start: 0, end: 20, accepted: 0 });
    expect(pool.servable(state, 44)).toBe(44);
    expect(pool.servable(state, 30)).toBe(0);
    expect(state.epoch).toBe(0);
    pool.close(state);
    pool.close(other);
    expect(pool.free).toEqual(pool.allocated);
  });

  it('is not kept where none are given back', () => {
    expect(poolOf({ maxPages: 8 }).pool.keepsSnapshots).toBe(false);
  });
});

describe('slots', () => {
  const shape = { maxPages: 64, mostSlots: 12 } as const;

  it('are read at the version where a submit begins and written at another', () => {
    const { pool } = poolOf(shape);
    const state = pool.open();
    const first = pool.begin(state, { start: 0, end: 7, accepted: 0 }).slots!;
    expect(first.read).toBe(EMPTY_SLOT);
    const second = pool.begin(state, { start: 7, end: 8, accepted: 7 }).slots!;
    expect(second.read).toBe(first.write);
    expect(new Set([EMPTY_SLOT, first.write, second.write]).size).toBe(3);
  });

  it('keep the version before what the reader has not accepted, and go back to it', () => {
    const { pool } = poolOf(shape);
    const state = pool.open();
    const prompt = pool.begin(state, { start: 0, end: 7, accepted: 0 }).slots!;
    const a = pool.begin(state, { start: 7, end: 11, accepted: 7 }).slots!;
    pool.begin(state, { start: 11, end: 15, accepted: 7 });
    expect([15, 14, 11, 10, 7, 6].map((tokens) => pool.servable(state, tokens))).toEqual([15, 11, 11, 7, 7, 0]);
    pool.truncate(state, pool.servable(state, 10));
    expect(pool.begin(state, { start: 7, end: 12, accepted: 7 }).slots!.read).toBe(prompt.write);
    expect(a.write).not.toBe(prompt.write);
  });

  it('keep the version before what a stop text may take, and none between that and what is accepted', () => {
    const { pool, slots } = poolOf(shape);
    const state = pool.open();
    pool.begin(state, { start: 0, end: 7, accepted: 0, settled: 0 });
    for (let end = 8; end <= 30; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1, settled: Math.min(end - 1, 20) });
    expect([30, 29, 28, 21, 20, 19].map((tokens) => pool.servable(state, tokens))).toEqual([30, 29, 20, 20, 20, 0]);
    pool.begin(state, { start: 30, end: 31, accepted: 30 });
    expect([31, 30, 29, 20].map((tokens) => pool.servable(state, tokens))).toEqual([31, 30, 0, 0]);
    expect(Math.max(...slots)).toBe(1 + 3);
  });

  it('of a sequence stay few however long it gets', () => {
    const { pool, slots } = poolOf(shape);
    const state = pool.open();
    pool.begin(state, { start: 0, end: 7, accepted: 0 });
    for (let end = 8; end <= 200; end++) pool.begin(state, { start: end - 1, end, accepted: end - 1 });
    expect(Math.max(...slots)).toBeLessThanOrEqual(1 + 3);
    expect([200, 199, 198, 7].map((tokens) => pool.servable(state, tokens))).toEqual([200, 199, 0, 0]);
  });

  it('are taken from the sequence used longest ago, with its pages', () => {
    const { pool } = poolOf({ maxPages: 64, mostSlots: 4 });
    const [a, b] = [pool.open(), pool.open()];
    pool.begin(a, { start: 0, end: 3, accepted: 0 });
    pool.begin(a, { start: 3, end: 4, accepted: 3 });
    pool.begin(b, { start: 0, end: 3, accepted: 0 });
    expect(a.epoch).toBe(0);
    pool.begin(b, { start: 3, end: 4, accepted: 3 });
    expect([a.epoch, a.versions.length, a.pages[0]!.length, b.epoch]).toEqual([1, 0, 0, 0]);
  });
});

describe('snapshots', () => {
  const shape = { maxPages: 64, mostSlots: 12, mostSnapshots: 5 } as const;

  /** A sequence with a submit, and a snapshot, up to each length. */
  function withSnapshots(pool: StatePool, lengths: readonly number[], total = lengths.at(-1)!) {
    const tokens: number[] = [];
    const state = pool.open(tokens);
    const read = new Map<number, number>();
    let start = 0;
    for (const end of [...lengths, ...(total > lengths.at(-1)! ? [total] : [])]) {
      const place = pool.begin(state, { start, end, accepted: start });
      read.set(end, place.slots!.write);
      for (let token = start; token < end; token++) tokens.push(token);
      if (lengths.includes(end)) pool.keep(state, end);
      start = end;
    }
    return { state, tokens, slotOf: read };
  }

  it('serve lengths whose versions went, and the sequence goes on from them', () => {
    const { pool } = poolOf(shape);
    const { state, tokens, slotOf } = withSnapshots(pool, [7, 20], 40);
    expect([40, 39, 20, 19, 7, 6].map((length) => pool.servable(state, length))).toEqual([40, 20, 20, 7, 7, 0]);
    pool.truncate(state, 20);
    tokens.length = 20;
    expect(pool.begin(state, { start: 20, end: 23, accepted: 20 }).slots!.read).toBe(slotOf.get(20));
    // What lies past is no state of this sequence any more.
    tokens.push(1, 2, 3);
    expect([40, 22, 19].map((length) => pool.servable(state, length))).toEqual([23, 20, 7]);
  });

  it('are only of lengths that a version has', () => {
    const { pool } = poolOf(shape);
    const { state } = withSnapshots(pool, [7], 40);
    for (const length of [0, 6, 8, 39]) pool.keep(state, length);
    expect([39, 6].map((length) => pool.servable(state, length))).toEqual([7, 0]);
  });

  it('are four of a sequence, the oldest out first, and kept again is new', () => {
    const { pool } = poolOf({ ...shape, mostSlots: 20, mostSnapshots: 20 });
    const { state } = withSnapshots(pool, [2, 4, 6, 8, 10], 12);
    expect([3, 5].map((length) => pool.servable(state, length))).toEqual([0, 4]);
    const other = withSnapshots(pool, [2, 4, 6, 8], 12);
    pool.keep(other.state, 2);
    pool.keep(other.state, 12);
    expect([3, 5, 7].map((length) => pool.servable(other.state, length))).toEqual([2, 2, 6]);
    expect(pool.servable(state, 5)).toBe(4);
  });

  it('of all sequences are as many as the bytes hold, the oldest out first', () => {
    const { pool } = poolOf(shape);
    const [a, b] = [withSnapshots(pool, [2, 4, 6], 8), withSnapshots(pool, [2, 4, 6], 8)];
    expect([a, b].map(({ state }) => [3, 5, 7].map((length) => pool.servable(state, length)))).toEqual([[0, 4, 6], [2, 4, 6]]);
  });

  it('are none where none are asked for', () => {
    const { pool, slots } = poolOf({ ...shape, mostSnapshots: 0 });
    const { state } = withSnapshots(pool, [2, 4, 6], 8);
    expect(pool.keepsSnapshots).toBe(false);
    expect([7, 5].map((length) => pool.servable(state, length))).toEqual([6, 0]);
    expect(Math.max(...slots)).toBe(3);
  });

  it('go before another sequence loses its state, the oldest first', () => {
    const { pool } = poolOf({ ...shape, mostSlots: 7 });
    const [a, b] = [withSnapshots(pool, [2, 4], 6), withSnapshots(pool, [3], 5)];
    // Held: the snapshots 2 and 4 (also a version) and the version 6 of the first; 3 (also a version) and 5 of the second. One is free.
    expect(pool.servable(a.state, 3)).toBe(2);
    const c = withSnapshots(pool, [3], 5);
    expect([a.state.epoch, b.state.epoch]).toEqual([0, 0]);
    expect([a, b, c].map(({ state, tokens }) => pool.servable(state, tokens.length))).toEqual([6, 5, 5]);
    expect(pool.servable(a.state, 3)).toBe(0);
    // Nothing but versions is left: now the sequence used longest ago goes.
    withSnapshots(pool, [3], 5);
    expect([a.state.epoch, b.state.epoch]).toEqual([1, 0]);
  });

  it('make room where the program has no memory for another slot', () => {
    let room = 5;
    const program = {
      ensurePages() {},
      ensureSlots(count: number) {
        if (count > room) throw new CapacityError('no memory');
      },
    };
    const sizes = { pageTokens: 4, maxPages: 64, mostPages: [64], mostSlots: 100, mostSnapshots: 50 };
    const pool = createStatePool({ program, groups: [{ window: undefined }], ...sizes });
    const { state } = withSnapshots(pool, [2, 4, 6, 8], 12);
    expect([9, 7, 5, 3].map((length) => pool.servable(state, length))).toEqual([8, 6, 4, 0]);
    // Where even those are too few, it says so.
    room = 2;
    const less = createStatePool({ program, groups: [{ window: undefined }], ...sizes });
    expect(() => withSnapshots(less, [2], 6)).toThrow('no memory');
  });

  it('go with the window that they need, and with the sequence', () => {
    const { pool } = poolOf({ ...shape, windows: [undefined, 8] });
    const { state } = withSnapshots(pool, [6, 20], 21);
    pool.begin(state, { start: 21, end: 60, accepted: 21 });
    expect([20, 19].map((length) => pool.servable(state, length))).toEqual([20, 0]);
    pool.close(state);
    expect(pool.free).toEqual(pool.allocated);
    const { state: next, slotOf } = withSnapshots(pool, [2], 3);
    expect(slotOf.size).toBe(2);
    expect(pool.servable(next, 2)).toBe(2);
  });
});
