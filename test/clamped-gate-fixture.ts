import { readFileSync } from 'node:fs';
import type { GateClamp } from '../src/graph/ops/activation.ts';
import { fixturesPath } from './fixture-tensors.ts';

/** What transformers' gpt-oss makes of gates and factors (`scripts/fixtures/activations.py`): y of `quickGelu` within bounds. */
export function clampedGateFixture(): GateClamp & { readonly [Name in 'gate' | 'up' | 'y']: readonly number[] } {
  return JSON.parse(readFileSync(`${fixturesPath}activations/clampedGate.json`, 'utf8'));
}
