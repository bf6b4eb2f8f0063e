import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clampedGateFixture } from '../../../test/clamped-gate-fixture.ts';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { ACTIVATIONS } from '../../graph/ops/activation.ts';
import { ACTIVATION_FUNCTIONS, gateOf } from './activation.ts';

test.each(ACTIVATIONS)('%s is what torch computes', (fn) => {
  const text = readFileSync(`${fixturesPath}activations/${fn}.json`, 'utf8');
  const { x, y } = JSON.parse(text) as { readonly x: readonly number[]; readonly y: readonly number[] };
  expect(x.length).toBeGreaterThan(150);
  x.forEach((value, i) => {
    const [found, wanted] = [ACTIVATION_FUNCTIONS[fn](value), y[i] as number];
    // torch forms tails as differences from 1; beside x itself they are nothing.
    const allowed = 1e-13 * Math.abs(wanted) + 1e-15 * Math.min(1, Math.abs(value));
    if (!(Math.abs(found - wanted) <= allowed)) expect([value, found]).toEqual([value, wanted]);
  });
});

test('a gate within bounds is what transformers computes', () => {
  const { limit, offset, gate, up, y } = clampedGateFixture();
  expect(y.length).toBeGreaterThan(400);
  y.forEach((wanted, i) => {
    const found = gateOf('quickGelu', { limit, offset }, gate[i]!, up[i]!);
    if (!(Math.abs(found - wanted) <= 1e-13 * Math.abs(wanted))) expect([gate[i], up[i], found]).toEqual([gate[i], up[i], wanted]);
  });
  expect(gateOf('quickGelu', { limit, offset }, NaN, 1)).toBeNaN();
  expect(gateOf('quickGelu', { limit, offset }, 1, NaN)).toBeNaN();
});
