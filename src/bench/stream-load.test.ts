import { describe, expect, it } from 'vitest';
import { answerRate, decodeRate, firstWait, gapsOf, percentile } from './stream-load.ts';

const pieces = (...arrivals: readonly (readonly [ms: number, tokens: number])[]) => arrivals.map(([ms, tokens]) => ({ ms, tokens }));

describe('figures of a load', () => {
  const early = { askedMs: 0, arrivals: pieces([100, 1], [110, 4], [150, 4]) };
  const late = { askedMs: 20, arrivals: pieces([120, 2], [140, 1], [300, 2]) };
  const load = { streams: [early, late], hasMeanGaps: false };

  it('are waits of readers: a piece of several tokens is one', () => {
    expect([firstWait(early), firstWait(late)]).toEqual([100, 100]);
    expect(gapsOf(early)).toEqual([10, 40]);
    expect(gapsOf(late, 140)).toEqual([160]);
  });

  it('count tokens after the first of each stream, and those of decoding only while all run', () => {
    expect(answerRate(load)).toBeCloseTo((1000 * (8 + 4)) / 300, 9);
    expect(decodeRate(load)).toBeCloseTo((1000 * (4 + 1)) / 30, 9);
    expect(decodeRate({ ...load, streams: [early, { askedMs: 0, arrivals: pieces([150, 1], [160, 1]) }] })).toBeUndefined();
  });

  it('take the nearest rank', () => {
    expect(percentile([3, 1, 2], 0.5)).toBe(2);
    expect(percentile([1, 2], 0.5)).toBe(1);
    expect(percentile(Array.from({ length: 200 }, (_, i) => i + 1), 0.99)).toBe(198);
    expect(percentile([7], 0.99)).toBe(7);
  });
});
