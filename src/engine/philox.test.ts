import { describe, expect, it } from 'vitest';
import { philox4x32, uniformAt } from './philox.ts';
import type { Words4 } from './philox.ts';

// Known answers for philox4x32 with 10 rounds, from Random123's kat_vectors.
const known: [Words4, [number, number], Words4][] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

describe('philox4x32', () => {
  it.each(known)('gives the published words for counter %j', (counter, key, words) => {
    expect(philox4x32(counter, key)).toEqual(words);
  });
});

describe('uniformAt', () => {
  it('uses all 53 bits of the seed, and the count', () => {
    const base = uniformAt(7, 3);
    expect(uniformAt(7, 3)).toBe(base);
    expect(uniformAt(7, 4)).not.toBe(base);
    expect(uniformAt(7 + 2 ** 40, 3)).not.toBe(base);
    expect(uniformAt(0, 0)).toBe((0x6627e8d5 >>> 8) / 2 ** 24);
  });

  it('is spread evenly over [0, 1)', () => {
    const bins = new Array<number>(16).fill(0);
    for (let drawn = 0; drawn < 16000; drawn++) bins[Math.floor(uniformAt(1, drawn) * 16)]! += 1;
    for (const count of bins) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
