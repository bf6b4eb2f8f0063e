/** Routing by hand-made cases; whole mixtures are held against the goldens of transformers. */
import { expect, test } from 'vitest';
import type { RouteOp } from '../../graph/ops/route.ts';
import type { Value } from '../../graph/value.ts';
import type { OpRun } from '../op-run.ts';
import { runRoute } from './route.ts';

const PLAIN: RouteOp = {
  kind: 'route', used: 2, scores: 'softmax', selectionBias: undefined, normalise: undefined, scale: 1, expertScale: undefined,
};

function routed(op: RouteOp, logits: readonly number[], weights: Readonly<Record<string, readonly number[]>> = {}): number[] {
  const input: Value = { id: 0, label: 'logits', dtype: 'f32', shape: ['rows', logits.length] };
  const run = { floats: () => Float64Array.from(logits), decoded: (id: string) => Float32Array.from(weights[id] ?? []) };
  return [...runRoute(op, [input], run as unknown as OpRun)];
}

const logits = [Math.log(1), Math.log(4), Math.log(2), Math.log(3)];

test('the softmax over all experts, as it is and over the chosen', () => {
  expect(routed(PLAIN, logits)).toEqual([expect.closeTo(0.4, 12), expect.closeTo(0.3, 12), 1, 3]);
  expect(routed({ ...PLAIN, normalise: { eps: 0 } }, logits)).toEqual([expect.closeTo(4 / 7, 12), expect.closeTo(3 / 7, 12), 1, 3]);
});

test('equal scores go to the first, and logits tell apart what the softmax rounds to zero', () => {
  expect(routed(PLAIN, [5, 7, 7, 7]).slice(2)).toEqual([1, 2]);
  expect(routed(PLAIN, [-2000, 0, -1000, -3000]).slice(2)).toEqual([1, 2]);
});

test('a bias counts for the choice and not for the weight', () => {
  const op: RouteOp = { ...PLAIN, scores: 'sigmoid', selectionBias: { id: 'bias', shape: [4] }, normalise: { eps: 1e-6 }, scale: 1.5 };
  const [first, second, ...numbers] = routed(op, [0, 0, Math.log(3), Math.log(3)], { bias: [1, 0, 0.1, 0] });
  expect(numbers).toEqual([0, 2]);
  expect(first).toBeCloseTo((1.5 * 0.5) / (1.25 + 1e-6), 12);
  expect(second).toBeCloseTo((1.5 * 0.75) / (1.25 + 1e-6), 12);
});

test('an expert has a factor of its own', () => {
  const op: RouteOp = { ...PLAIN, normalise: { eps: 0 }, expertScale: { id: 'factors', shape: [4] } };
  expect(routed(op, logits, { factors: [1, 2, 3, 0.5] })).toEqual([expect.closeTo(8 / 7, 12), expect.closeTo(1.5 / 7, 12), 1, 3]);
});
