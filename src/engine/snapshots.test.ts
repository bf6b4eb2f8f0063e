import { describe, expect, it } from 'vitest';
import { createSnapshots, OWNER_SNAPSHOTS } from './snapshots.ts';
import type { KeptState } from './snapshots.ts';

function snapshotsOf(most: number) {
  /** By slot: how often it is held. */
  const holders = new Map<number, number>();
  const add = (change: number) => ({ slot = -1 }: KeptState) => void holders.set(slot, (holders.get(slot) ?? 0) + change);
  const snapshots = createSnapshots({ most, hold: add(1), drop: add(-1) });
  const held = () => [...holders].flatMap(([slot, count]) => (count === 0 ? [] : Array<number>(count).fill(slot))).sort((a, b) => a - b);
  return { snapshots, held };
}

const always = () => true;

describe('snapshots', () => {
  it('are found by the longest prefix of tokens', () => {
    const { snapshots } = snapshotsOf(9);
    const owner = {};
    snapshots.take(owner, [1, 2], { slot: 10 });
    snapshots.take(owner, [1, 2, 3, 4], { slot: 11 });
    snapshots.take({}, [1, 2, 9], { slot: 12 });
    const slotFor = (tokens: number[], serves = always) => snapshots.nearest(tokens, serves)?.slot;
    expect([[1, 2, 3, 4, 5], [1, 2, 3, 4], [1, 2, 3], [1, 2, 9, 9], [1], [2, 2]].map((ids) => slotFor(ids))).toEqual([
      11, 11, 10, 12, undefined, undefined,
    ]);
    expect(snapshots.nearest([1, 2, 9, 9], (snapshot) => snapshot.owner === owner)?.slot).toBe(10);
    expect(snapshots.nearest([1, 2, 3, 4], ({ tokens }) => tokens.length < 4)?.tokens).toEqual(Int32Array.of(1, 2));
  });

  it('keep their own tokens, whatever becomes of the list that they were taken with', () => {
    const { snapshots } = snapshotsOf(9);
    const tokens = [1, 2, 3];
    snapshots.take({}, tokens, { slot: 10 });
    tokens[0] = 7;
    expect(snapshots.nearest([1, 2, 3], always)?.slot).toBe(10);
    expect(snapshots.nearest([7, 2, 3], always)).toBe(undefined);
  });

  it('are a few for each owner, and as many as there may be of all', () => {
    const { snapshots, held } = snapshotsOf(6);
    const [a, b] = [{}, {}];
    for (let i = 0; i < 6; i++) snapshots.take(a, [1, i], { slot: 10 + i });
    expect(held()).toEqual([12, 13, 14, 15]);
    expect(OWNER_SNAPSHOTS).toBe(4);
    for (let i = 0; i < 3; i++) snapshots.take(b, [1, i], { slot: 20 + i });
    expect(held()).toEqual([13, 14, 15, 20, 21, 22]);
  });

  it('are the newest when they are taken again, and one of the same tokens', () => {
    const { snapshots, held } = snapshotsOf(2);
    const owner = {};
    snapshots.take(owner, [1], { slot: 10 });
    snapshots.take(owner, [1, 2], { slot: 11 });
    snapshots.take(owner, [1], { slot: 10 });
    expect(held()).toEqual([10, 11]);
    snapshots.take(owner, [1, 2, 3], { slot: 12 });
    expect(held()).toEqual([10, 12]);
    // Of another owner they are another's.
    snapshots.take({}, [1], { slot: 13 });
    expect(held()).toEqual([12, 13]);
  });

  it('are released by owner, by length, and oldest first', () => {
    const { snapshots, held } = snapshotsOf(9);
    const [a, b] = [{}, {}];
    snapshots.take(a, [1], { slot: 10 });
    snapshots.take(b, [1], { slot: 11 });
    snapshots.take(a, [1, 2], { slot: 12 });
    snapshots.take(b, [1, 2], { slot: 13 });
    expect(snapshots.releaseOldest(({ slot = 0 }) => slot > 10)).toBe(true);
    expect(held()).toEqual([10, 12, 13]);
    snapshots.release(({ owner, tokens }) => owner === a && tokens.length > 1);
    expect(held()).toEqual([10, 13]);
    expect(snapshots.releaseOldest(({ slot = 0 }) => slot > 99)).toBe(false);
    snapshots.release(always);
    expect(held()).toEqual([]);
    expect(snapshots.releaseOldest(always)).toBe(false);
  });

  it('are none where there may be none', () => {
    const { snapshots, held } = snapshotsOf(0);
    snapshots.take({}, [1], { slot: 10 });
    expect(held()).toEqual([]);
    expect(snapshots.nearest([1], always)).toBe(undefined);
  });
});
