import { expect, test } from 'vitest';
import { CapacityError } from '../tensor/errors.ts';
import { splitBatch } from './decoder-steps.ts';
import type { SequenceStep } from './decoder-steps.ts';

const sequence = (first: number, length: number, outputs: number[], start = 0): SequenceStep => ({
  tokens: Array.from({ length }, (_, i) => first + i), start, pages: [[0]], outputs,
});

test('a batch that fits is one step, as it is', () => {
  const batch = [sequence(0, 3, [2]), sequence(10, 1, [0])];
  expect(splitBatch(batch, { rows: 4, outRows: 2, causal: true })).toEqual([batch]);
});

test.each([
  [3, 2],
  [1, 1],
  [5, 1],
  [4, 8],
  [100, 1],
  [2, 100],
])('with room for %i rows and %i outputs nothing is lost, nothing is too large', (rows, outRows) => {
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
  const all = batch.flatMap((s) =>
    Array.from(s.tokens, (token, i) => ({ token, position: s.start + i, isOutput: s.outputs.includes(i) })),
  );
  expect(seen).toEqual(all);
});

test('sequences that may not be cut share a step where they fit, and keep their order', () => {
  const batch = [sequence(0, 3, [2]), sequence(10, 2, [0, 1]), sequence(20, 4, []), sequence(30, 1, [0])];
  const whole = { rows: 5, outRows: 2, causal: false };
  expect(splitBatch(batch, whole)).toEqual([[batch[0]], [batch[1]], [batch[2], batch[3]]]);
  expect(() => splitBatch([sequence(0, 6, [])], whole)).toThrow('6 tokens with 0 rows of results were asked for, and a step holds 5 and 2');
  expect(() => splitBatch([sequence(0, 3, [0, 1, 2])], whole)).toThrow(CapacityError);
});
