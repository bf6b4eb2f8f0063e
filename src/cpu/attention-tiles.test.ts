import { expect, test } from 'vitest';
import { cutTiles, mostPartials } from './attention-tiles.ts';

test.each([1, 2, 3, 8, 64])('tiles of %i thread(s) cover every row and key once', (threads) => {
  for (const kvHeads of [1, 2, 8]) {
    for (const sequences of [
      [{ firstRow: 0, rows: 1, start: 5000 }],
      [{ firstRow: 0, rows: 1, start: 255 }, { firstRow: 1, rows: 1, start: 700 }, { firstRow: 2, rows: 40, start: 3 }],
      Array.from({ length: 30 }, (_, i) => ({ firstRow: i, rows: 1, start: i * 100 })),
    ]) {
      const { tiles, combines } = cutTiles(sequences, { threads, kvHeads, rowsPerTile: 16, causal: true });
      for (const [index, { firstRow, rows, start }] of sequences.entries()) {
        for (let row = 0; row < rows; row++) {
          const own = tiles.filter(
            (tile) => tile.sequence === index && tile.firstRow <= firstRow + row && firstRow + row < tile.firstRow + tile.rows,
          );
          const keys = own
            .map(({ keyBegin, keyEnd }) => [keyBegin, Math.min(keyEnd, start + row + 1)] as const)
            .sort((a, b) => a[0] - b[0]);
          expect(keys[0]?.[0]).toBe(0);
          expect(keys.at(-1)?.[1]).toBe(start + row + 1);
          keys.slice(1).forEach(([begin], i) => expect(begin).toBe(keys[i]?.[1]));
          const merge = combines.find((combine) => combine.row === firstRow + row);
          expect(merge?.partials ?? 1).toBe(own.length);
        }
      }
      const partials = tiles.map(({ partial }) => partial).filter((partial) => partial >= 0).sort((a, b) => a - b);
      expect(partials).toEqual(partials.map((_, i) => i));
      expect(partials.length).toBeLessThanOrEqual(mostPartials(threads));
    }
  }
});
