import { expect, test } from 'vitest';
import type { SequenceStep } from '../graph/executor.ts';
import { cutTiles, mostPartials } from './attention-tiles.ts';
import { splitBatch } from '../graph/step-batch.ts';
import { CapacityError } from '../tensor/errors.ts';

const sequence = (first: number, length: number, outputs: number[], start = 0): SequenceStep => ({
  tokens: Array.from({ length }, (_, i) => first + i), start, pages: [0], outputs,
});

test('a batch that fits is one step, as it is', () => {
  const batch = [sequence(0, 3, [2]), sequence(10, 1, [0])];
  expect(splitBatch(batch, { rows: 4, outRows: 2, causal: true })).toEqual([batch]);
});

test.each([[3, 2], [1, 1], [5, 1], [4, 8], [100, 1], [2, 100]])('with room for %i rows and %i outputs nothing is lost, nothing is too large', (rows, outRows) => {
  const batch = [sequence(0, 7, [0, 3, 4, 6], 5), sequence(20, 1, []), sequence(40, 9, [8], 2)];
  const steps = splitBatch(batch, { rows, outRows, causal: true });
  const seen: { token: number; position: number; isOutput: boolean }[] = [];
  for (const step of steps) {
    expect(step.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(rows);
    expect(step.reduce((sum, { outputs }) => sum + outputs.length, 0)).toBeLessThanOrEqual(outRows);
    for (const part of step) {
      expect(part.tokens.length).toBeGreaterThan(0);
      Array.from(part.tokens).forEach((token, i) => seen.push({ token, position: part.start + i, isOutput: part.outputs.includes(i) }));
    }
  }
  const all = batch.flatMap((s) => Array.from(s.tokens, (token, i) => ({ token, position: s.start + i, isOutput: s.outputs.includes(i) })));
  expect(seen).toEqual(all);
});

test('sequences that may not be cut share a step where they fit, and keep their order', () => {
  const batch = [sequence(0, 3, [2]), sequence(10, 2, [0, 1]), sequence(20, 4, []), sequence(30, 1, [0])];
  const whole = { rows: 5, outRows: 2, causal: false };
  expect(splitBatch(batch, whole)).toEqual([[batch[0]], [batch[1]], [batch[2], batch[3]]]);
  expect(() => splitBatch([sequence(0, 6, [])], whole)).toThrow('6 tokens with 0 rows of logits were asked for, and a step holds 5 and 2');
  expect(() => splitBatch([sequence(0, 3, [0, 1, 2])], whole)).toThrow(CapacityError);
});

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
          const own = tiles.filter((tile) => tile.sequence === index && tile.firstRow <= firstRow + row && firstRow + row < tile.firstRow + tile.rows);
          const keys = own.map(({ keyBegin, keyEnd }) => [keyBegin, Math.min(keyEnd, start + row + 1)] as const).sort((a, b) => a[0] - b[0]);
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
