import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import { expect, it } from 'vitest';
import { TINY } from '../synthetic-graph.ts';
import { loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

const shape = { ...TINY, layers: 1, qkNorm: true };

it.each([['int8', 'embedding'], ['int8', 'attn_norm'], ['float', 'embedding']] as const)(
  '%s, %s times 1e25, which f32 cannot square: logits that sampling refuses, no zeros taken for an answer',
  async (profile, weight) => {
    const weights = {
      typeOf: (id: string) => (id === 'embedding' ? 'f32' : 'q8_0') as 'f32' | 'q8_0',
      scaleOf: (id: string) => (id.endsWith(weight) ? 1e25 : 1),
    };
    const { found, dispose } = await loadPair({ shape, weights, profile: TEST_PROFILES[profile], tolerance: 1 });
    try {
      found.ensurePages(0, 8);
      for (const step of [sequence(9), sequence(1, { start: 9 })]) {
        const { logits } = await decoderSteps(found).run({ sequences: [step] });
        expect(logits.some((logit) => Number.isNaN(logit) || logit === Infinity) || logits.every((logit) => logit === -Infinity)).toBe(
          true,
        );
      }
    } finally {
      await dispose();
    }
  },
  240_000,
);
