import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { createSamplerRig } from '../../../../test/gpu-sampler-rig.ts';
import type { Draws, SamplerRig } from '../../../../test/gpu-sampler-rig.ts';
import { edgesOf } from '../../../../test/sampler-edges.ts';
import { createCandidates } from '../../../engine/candidates.ts';
import { uniformAt } from '../../../engine/philox.ts';
import { createSampler } from '../../../engine/sampler.ts';
import { hasPenalties } from '../../../graph/sampling.ts';
import type { SamplingSettings } from '../../../graph/sampling.ts';
import { STATUS_BAD_LOGITS } from '../../sampling/sampling-record.ts';
import { samplerWorkgroups } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';

const NEUTRAL: SamplingSettings = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 7 };

/** A token may differ from the CPU sampler's where u times the total, top-p's weight or a score at a cut is this near to an edge. */
const MARGIN = 1e-6;

function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Roughly normal. */
function randomLogits(vocab: number, seed: number, spread = 2): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: vocab }, () => spread * (random() + random() + random() + random() - 2) * Math.sqrt(3));
}

/** As a trained model's: most tokens far below, a few dozen that compete. */
function peakedLogits(vocab: number, seed: number): Float32Array {
  const logits = randomLogits(vocab, seed, 1.5).map((logit) => logit - 4);
  const random = createRandom(seed + 1);
  for (let rank = 0; rank < 60; rank++) logits[Math.floor(random() * vocab)] = 17 - 2.2 * Math.log(1 + rank) + random();
  return logits;
}

function variantFor(vocab: number, rest: Partial<SamplerVariant> = {}): SamplerVariant {
  return { vocab, mode: 'full', penalties: false, invocations: 64, workgroups: samplerWorkgroups(vocab, 64), ringSize: 1024, ...rest };
}

const tally = { draws: 0, differing: 0 };

/** Draws on both sides, and asserts that they agree outside the margin. Returns the GPU's tokens. */
async function compare(rig: SamplerRig, draws: Draws): Promise<number[]> {
  const { logits, settings, promptIds = [], position, count } = draws;
  const { tokens, status, written } = await rig.draw(draws);
  expect([status, written]).toEqual([0, count]);
  const candidates = createCandidates(logits.length);
  const sampler = createSampler({ settings, promptIds, candidates });
  for (let i = 0; i < count; i++) {
    tally.draws++;
    const expected = sampler.sample(logits, position + 1 + i);
    if (tokens[i] === expected) continue;
    tally.differing++;
    const penalised = hasPenalties(settings) ? candidates.penalised : logits;
    const { draw, share, score } = edgesOf(penalised, settings, uniformAt(settings.seed, position + 1 + i));
    expect(Math.min(draw, share, score), `draw ${i}: ${tokens[i]} instead of ${expected} at ${draw}, ${share}, ${score}`).toBeLessThan(MARGIN);
    if (hasPenalties(settings)) break;
  }
  return tokens;
}

const CUTS: readonly (readonly [string, Partial<SamplingSettings>])[] = [
  ['no cut', {}],
  ['top-k 1', { topK: 1 }], ['top-k 20', { topK: 20 }], ['top-k 50', { topK: 50 }], ['top-k 1000', { topK: 1000 }],
  ['top-p 0.95', { topP: 0.95 }], ['top-p 0.5', { topP: 0.5 }], ['top-p next to nothing', { topP: 1e-300 }],
  ['min-p 0.05', { minP: 0.05 }], ['min-p 1', { minP: 1 }],
  ['top-k 20, top-p 0.95', { topK: 20, topP: 0.95 }], ['top-k 1000, top-p 0.5, min-p 0.05', { topK: 1000, topP: 0.5, minP: 0.05 }],
  ['top-p 0.95, min-p 0.001', { topP: 0.95, minP: 0.001 }],
];
const TEMPERATURES = [0.3, 1, 1.7];

describe('sampler', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => {
    device.close();
    console.info(`GPU sampler: ${tally.differing} of ${tally.draws} tokens differ from the CPU sampler's, all within the margin of ${MARGIN}`);
  });

  const withRig = async (variant: SamplerVariant, work: (rig: SamplerRig) => Promise<void>) => {
    const rig = await createSamplerRig(device, variant);
    await work(rig);
    rig.close();
  };

  it.each([1, 2, 50, 51])('draws what the CPU sampler draws, vocabulary of %i', async (vocab) => {
    await withRig(variantFor(vocab), async (rig) => {
      for (const [at, [, cuts]] of CUTS.entries()) {
        for (const temperature of TEMPERATURES) {
          await compare(rig, { logits: randomLogits(vocab, at), settings: { ...NEUTRAL, ...cuts, temperature, seed: 2 ** 40 + at }, position: 9 * at, count: 40 });
        }
      }
    });
  });

  it.each(CUTS)('draws what the CPU sampler draws, vocabulary of 4,096, %s', async (_, cuts) => {
    await withRig(variantFor(4096, { invocations: 128, workgroups: 5 }), async (rig) => {
      for (const temperature of TEMPERATURES) {
        for (const logits of [randomLogits(4096, 3), peakedLogits(4096, 4)]) await compare(rig, { logits, settings: { ...NEUTRAL, ...cuts, temperature }, position: 17, count: 12 });
      }
    });
  });
});
