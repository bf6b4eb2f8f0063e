import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import type { SamplingSettings } from '../graph/sampling.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { createCandidates } from './candidates.ts';
import { uniformAt } from './philox.ts';
import { argmax, createSampler, logprobsOf } from './sampler.ts';
import { resolveSampling } from './sampling-settings.ts';

interface Case {
  readonly settings: SamplingSettings;
  readonly logits: string;
  readonly prompt: readonly number[];
  /** Tokens left in the first draw; null for greedy. */
  readonly kept: number | null;
  readonly output: readonly number[];
}

// Made by scripts/fixtures/sampler.py, a numpy statement of transformers' warpers.
const cases = JSON.parse(readFileSync(`${fixturesPath}sampler/sampler.json`, 'utf8')) as Case[];

function decodeLogits(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function samplerFor(options: Parameters<typeof resolveSampling>[0], vocab: number, promptIds: number[] = []) {
  return createSampler({ settings: resolveSampling(options), promptIds, candidates: createCandidates(vocab) });
}

describe('sampler', () => {
  it.each(cases.map((entry, index) => [index, entry] as const))('gives the tokens of the numpy statement, case %i', (_, entry) => {
    const logits = decodeLogits(entry.logits);
    const before = logits.slice();
    const candidates = createCandidates(logits.length);
    const sampler = createSampler({ settings: entry.settings, promptIds: entry.prompt, candidates });
    const output = [];
    for (let step = 0; step < entry.output.length; step++) {
      output.push(sampler.sample(logits));
      if (step === 0 && entry.kept !== null) expect(candidates.count).toBe(entry.kept);
    }
    expect(output).toEqual(entry.output);
    expect(logits).toEqual(before);
  });

  it('takes the lowest id of equal logits at temperature 0', () => {
    expect(samplerFor({ temperature: 0 }, 5).sample(Float32Array.of(1, 3, -2, 3, 3))).toBe(1);
  });

  it('keeps one token whatever the cuts', () => {
    const sampler = samplerFor({ topK: 1, topP: 1e-300, minP: 1, seed: 4 }, 4);
    expect(sampler.sample(Float32Array.of(0.5, 0.25, 2, 1))).toBe(2);
  });

  it('survives temperatures at which logits would overflow', () => {
    expect(samplerFor({ temperature: 1e-300, seed: 1 }, 3).sample(Float32Array.of(1, 5, 4.999))).toBe(1);
    expect(samplerFor({ temperature: 1e300, topP: 0.5, minP: 0.1, seed: 1 }, 3).sample(Float32Array.of(1, 5, -Infinity))).toBeLessThan(
      2,
    );
  });

  it('cuts a flat distribution of the size of a large vocabulary', () => {
    const sampler = samplerFor({ topP: 0.25, seed: 11 }, 150_000);
    expect(sampler.sample(new Float32Array(150_000))).toBeLessThan(37_501);
  });

  it('never draws a token of no weight', () => {
    const sampler = samplerFor({ seed: 3 }, 4);
    const logits = Float32Array.of(-Infinity, 0, -Infinity, -Infinity);
    for (let drawn = 0; drawn < 200; drawn++) expect(sampler.sample(logits)).toBe(1);
  });

  it('counts its own tokens, those that a device chose among them, and nothing else', () => {
    const logits = new Float32Array(1000);
    const drawnAfter = (counted: number, prompt: number[] = []) => {
      const sampler = samplerFor({ seed: 5 }, 1000, prompt);
      for (let i = 0; i < counted; i++) sampler.count(7);
      return Array.from({ length: 6 - counted }, () => sampler.sample(logits));
    };
    const all = Array.from({ length: 6 }, (_, i) => Math.floor(uniformAt(5, i) * 1000));
    expect([drawnAfter(0), drawnAfter(4), drawnAfter(0, [1, 2, 3])]).toEqual([all, all.slice(4), all]);
  });

  it('takes the mask first, then adds the bias, then penalises', () => {
    const logitBias = new Map([[0, 100], [1, 3], [3, -1.25]]);
    const settings = { ...resolveSampling({ temperature: 0, repetitionPenalty: 2 }), logitBias };
    const sampler = createSampler({ settings, promptIds: [1], candidates: createCandidates(4) });
    const logits = Float32Array.of(1, 1, 1.5, 3.5);
    // 1 has (1 + 3) / 2, 3 has 3.5 - 1.25; 0 is out of the mask.
    expect(sampler.sample(logits, Uint32Array.of(0b1110))).toBe(3);
    expect([...logits]).toEqual([1, 1, 1.5, 3.5]);
    // Now 3 has (3.5 - 1.25) / 2, 1 still 2.
    expect(sampler.sample(logits, Uint32Array.of(0b1110))).toBe(1);
    expect(sampler.sample(logits)).toBe(0);
  });

  it('adds a bias to finite logits only, and draws as from the sums', () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? -Infinity : Math.sin(i * 3)));
    const logitBias = new Map([[5, 100], [7, 1.7], [8, -2.3], [11, 0.1]]);
    const summed = logits.map((logit, i) => logit + Math.fround(logitBias.get(i) ?? 0));
    const base = resolveSampling({ seed: 3, topP: 0.9 });
    const drawn = (settings: SamplingSettings, of: Float32Array) => {
      const sampler = createSampler({ settings, promptIds: [], candidates: createCandidates(50) });
      return Array.from({ length: 100 }, () => sampler.sample(of));
    };
    expect(drawn({ ...base, logitBias }, logits)).toEqual(drawn(base, summed));
    expect(drawn({ ...base, logitBias }, logits)).not.toEqual(drawn(base, logits));
  });

  it.each([
    ['NaN', Float32Array.of(0, Number.NaN, 1), 'token 1 is NaN'],
    ['+Infinity', Float32Array.of(0, 1, Infinity), 'token 2 is Infinity'],
    ['nothing finite', Float32Array.of(-Infinity, -Infinity), 'no token has a finite logit'],
  ])('refuses %s', (_, logits, message) => {
    expect(() => samplerFor({}, logits.length).sample(logits)).toThrow(FormatError);
    expect(() => argmax(logits)).toThrow(message);
  });
});

describe('logprobsOf', () => {
  it('is the log of the softmax, with the likeliest first', () => {
    const logits = Float32Array.of(Math.log(0.1), Math.log(0.4), Math.log(0.2), Math.log(0.3)).map((x) => x + 7);
    const { token, logprob, top } = logprobsOf(logits, 2, 3);
    expect(token).toBe(2);
    expect(logprob).toBeCloseTo(Math.log(0.2), 5);
    expect(top.map((entry) => entry.token)).toEqual([1, 3, 2]);
    expect(Math.exp(top[0]!.logprob)).toBeCloseTo(0.4, 5);
    expect(logprobsOf(logits, 0, 20).top).toHaveLength(4);
    expect(logprobsOf(logits, 0, 0).top).toEqual([]);
  });
});

describe('resolveSampling', () => {
  it('prefers the call, then the model, then neutral settings', () => {
    const settings = resolveSampling({ topK: 5, seed: 1 }, { temperature: 0.7, topK: 50 });
    expect(settings).toMatchObject({ temperature: 0.7, topK: 5, topP: 1, minP: 0, repetitionPenalty: 1, seed: 1 });
    expect(resolveSampling({})).toMatchObject({ temperature: 1, topK: 0, topP: 1, minP: 0, presencePenalty: 0, frequencyPenalty: 0 });
  });

  it('draws a seed where none is given', () => {
    expect(Number.isSafeInteger(resolveSampling({}).seed)).toBe(true);
    expect(resolveSampling({}).seed).not.toBe(resolveSampling({}).seed);
  });

  it.each([
    ['temperature', -0.1],
    ['temperature', Number.NaN],
    ['temperature', Infinity],
    ['topK', -1],
    ['topK', 2.5],
    ['topP', 0],
    ['topP', 1.01],
    ['minP', -0.5],
    ['minP', Number.NaN],
    ['repetitionPenalty', 0],
    ['presencePenalty', 3],
    ['frequencyPenalty', -2.5],
    ['seed', -1],
    ['seed', 2 ** 53],
    ['temperature', '0.5' as unknown as number],
  ] as const)('refuses %s %s by name', (name, value) => {
    expect(() => resolveSampling({ [name]: value })).toThrow(InputError);
    expect(() => resolveSampling({ [name]: value })).toThrow(new RegExp(`^${name} must be .*found .*${value}`));
  });

  it('says when the bad value is the file\'s', () => {
    expect(() => resolveSampling({}, { topP: -3 })).toThrow("topP, a default in the model's file");
    expect(resolveSampling({ topP: 0.5 }, { topP: -3 }).topP).toBe(0.5);
  });
});
