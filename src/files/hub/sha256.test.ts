import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Sha256 } from './sha256.ts';

const bytes = Uint8Array.from({ length: 3000 }, (_, i) => (i * 131 + (i >> 3)) % 256);
const expected = (of: Uint8Array) => createHash('sha256').update(of).digest('hex');

test('has the digests of another program, at every length around a block, in parts of any length', () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 3000]) {
    const part = bytes.subarray(0, length);
    expect(new Sha256().update(part).digest()).toBe(expected(part));
    for (const step of [1, 7, 64, 100]) {
      const sum = new Sha256();
      for (let at = 0; at < length; at += step) sum.update(part.subarray(at, Math.min(at + step, length)));
      expect(sum.digest()).toBe(expected(part));
    }
  }
});
