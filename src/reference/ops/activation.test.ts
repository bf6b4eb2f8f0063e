import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { ACTIVATIONS } from '../../graph/ops/activation.ts';
import { ACTIVATION_FUNCTIONS } from './activation.ts';

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
