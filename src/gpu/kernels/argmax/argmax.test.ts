import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { createSamplerRig } from '../../../../test/gpu-sampler-rig.ts';
import type { Draws } from '../../../../test/gpu-sampler-rig.ts';
import { randomLogits } from '../../../../test/random-logits.ts';
import { createCandidates } from '../../../engine/candidates.ts';
import { createSampler } from '../../../engine/sampler.ts';
import type { SamplingSettings } from '../../../graph/sampling.ts';
import { IN_PROMPT, STATUS_BAD_LOGITS } from '../../sampling/sampling-record.ts';
import { samplerWorkgroups } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { argmaxPartialKernel } from './argmax.ts';
import { GREEDY } from '../../../../test/greedy.ts';

const PENALISED: SamplingSettings = { ...GREEDY, repetitionPenalty: 1.3, presencePenalty: 0.4, frequencyPenalty: 0.25 };

function variantFor(vocab: number, rest: Partial<SamplerVariant> = {}): SamplerVariant {
  return { vocab, mode: 'greedy', penalties: false, invocations: 64, workgroups: samplerWorkgroups(vocab, 64), ringSize: 64, ...rest };
}

describe('argmax', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  const drawOnce = async (variant: SamplerVariant, draws: Draws) => {
    const rig = await createSamplerRig(device, variant);
    const drawn = await rig.draw(draws);
    rig.close();
    return drawn;
  };

  it.each([1, 3, 4, 50, 1021, 4096, 151_936])('takes the lowest id of the largest logits, vocabulary of %i', async (vocab) => {
    const rig = await createSamplerRig(device, variantFor(vocab, vocab > 100_000 ? { invocations: 256, workgroups: 7 } : {}));
    for (let round = 0; round < 4; round++) {
      const logits = randomLogits(vocab, 31 * vocab + round);
      const places = [0.1, 0.4, 0.77].map((share) => Math.floor(((share + 0.31 * round) % 1) * vocab));
      for (const place of places) logits[place] = 40;
      const { tokens, status } = await rig.draw({ logits, settings: GREEDY, position: 0, count: 1 });
      expect(tokens).toEqual([Math.min(...places)]);
      expect(status).toBe(0);
    }
    rig.close();
  });

  it.each([
    [64, 1],
    [64, 2],
    [128, 63],
    [256, 256],
  ])('finds the last of the ids with %i invocations in %i workgroups', async (invocations, workgroups) => {
    const logits = new Float32Array(1000).fill(-7);
    logits[999] = -6.9999995;
    expect(
      (await drawOnce(variantFor(1000, { invocations, workgroups }), { logits, settings: GREEDY, position: 0, count: 1 })).token,
    ).toBe(999);
  });

  it.each([
    ['all negative', Float32Array.of(-3, -2, -5, -2), 1],
    ['zeros of either sign', Float32Array.of(-1, -0, 0, -0), 1],
    ['denormals', Float32Array.of(0, 1e-45, 3e-45, 2e-45), 2],
    ['negative denormals', Float32Array.of(-3e-45, -1e-45, -1, -1e-45), 1],
    ['-Infinity among them', Float32Array.of(-Infinity, -3e38, -Infinity, -3.1e38), 1],
    ['the largest there are', Float32Array.of(3.4e38, -3e38, 3.4028234663852886e38, 1), 2],
  ])('orders %s', async (_, logits, token) => {
    const drawn = await drawOnce(variantFor(4), { logits, settings: GREEDY, position: 0, count: 1 });
    expect([drawn.token, drawn.status]).toEqual([token, 0]);
  });

  const negativeNaN = new Float32Array(Uint32Array.of(0xffc00001).buffer)[0] as number;
  it.each([
    ['NaN', Number.NaN],
    ['a NaN with its sign set', negativeNaN],
    ['+Infinity', Infinity],
  ])('says so where a logit is %s', async (_, bad) => {
    const logits = randomLogits(300, 5);
    logits[217] = bad;
    const drawn = await drawOnce(variantFor(300), { logits, settings: GREEDY, position: 8, count: 2 });
    expect([drawn.token, drawn.status, drawn.written, drawn.position]).toEqual([0, STATUS_BAD_LOGITS, 2, 10]);
  });

  it('says so where no logit is finite', async () => {
    const drawn = await drawOnce(variantFor(300), {
      logits: new Float32Array(300).fill(-Infinity),
      settings: GREEDY,
      position: 0,
      count: 1,
    });
    expect([drawn.token, drawn.status]).toEqual([0, STATUS_BAD_LOGITS]);
  });

  it('hands token and position on, and writes the ring round', async () => {
    const logits = randomLogits(50, 9);
    const best = logits.indexOf(Math.max(...logits));
    const drawn = await drawOnce(variantFor(50, { ringSize: 8 }), { logits, settings: GREEDY, position: 40, count: 11 });
    expect(drawn).toMatchObject({ token: best, position: 51, written: 11, status: 0 });
    expect(drawn.ring.slice(0, 8)).toEqual(new Uint32Array(8).fill(best));
    expect(drawn.counts).toEqual(new Uint32Array(50));
  });

  it.each([50, 51, 4096])('penalises as the CPU sampler does, vocabulary of %i', async (vocab) => {
    const logits = randomLogits(vocab, vocab);
    const promptIds = Array.from({ length: 30 }, (_, i) => (i * 7) % vocab);
    const outputIds = [3, 3, 9];
    for (const settings of [
      PENALISED,
      { ...GREEDY, repetitionPenalty: 0.8 },
      { ...GREEDY, presencePenalty: -0.7, frequencyPenalty: 1.5 },
    ]) {
      const count = 40;
      const drawn = await drawOnce(variantFor(vocab, { penalties: true }), {
        logits,
        settings,
        promptIds,
        outputIds,
        position: 30,
        count,
      });
      const sampler = createSampler({ settings, promptIds, candidates: createCandidates(vocab) });
      for (const id of outputIds) sampler.count(id);
      const expected = Array.from({ length: count }, () => sampler.sample(logits));
      expect(drawn.tokens).toEqual(expected);
      expect(new Set(expected).size).toBeGreaterThan(settings.repetitionPenalty < 1 ? 0 : 3);
      const counts = new Uint32Array(vocab);
      for (const id of promptIds) counts[id] = IN_PROMPT;
      for (const id of [...outputIds, ...expected]) counts[id]! += 1;
      expect(drawn.counts).toEqual(counts);
    }
  });

  it('gives one text for one key, and needs no feature', () => {
    const kernel = argmaxPartialKernel(variantFor(4096));
    expect(kernel.needs).toEqual({});
    expect(argmaxPartialKernel(variantFor(4096))).toEqual(kernel);
    expect(argmaxPartialKernel(variantFor(4096, { penalties: true })).key).not.toBe(kernel.key);
    expect(() => argmaxPartialKernel(variantFor(4096, { workgroups: 65 }))).toThrow('65 workgroups');
  });
});
