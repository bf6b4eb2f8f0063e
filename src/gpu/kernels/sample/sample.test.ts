import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { createSamplerRig } from '../../../../test/gpu-sampler-rig.ts';
import type { Draws, RowDraws, SamplerRig } from '../../../../test/gpu-sampler-rig.ts';
import { randomLogits } from '../../../../test/random-logits.ts';
import { edgesOf } from '../../../../test/sampler-edges.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { createCandidates } from '../../../engine/candidates.ts';
import { uniformAt } from '../../../engine/philox.ts';
import { createSampler } from '../../../engine/sampler.ts';
import { hasPenalties } from '../../../graph/sampling.ts';
import type { SamplingSettings } from '../../../graph/sampling.ts';
import { IN_PROMPT, STATUS_BAD_LOGITS } from '../../sampling/sampling-record.ts';
import { samplerWorkgroups } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';

const NEUTRAL: SamplingSettings = {
  temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 7,
};

interface Case {
  readonly settings: SamplingSettings;
  readonly logits: string;
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

// Made by scripts/fixtures/sampler.py, a numpy statement of transformers' warpers.
const cases = JSON.parse(readFileSync(`${fixturesPath}sampler/sampler.json`, 'utf8')) as Case[];

function decodeLogits(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
}

/** A token may differ from the CPU sampler's where u times the total, top-p's weight or a score at a cut is this near to an edge. */
const MARGIN = 1e-6;

/** As a trained model's: most tokens far below, a few dozen that compete. */
function peakedLogits(vocab: number, seed: number): Float32Array {
  const logits = randomLogits(vocab, seed, 1.5).map((logit) => logit - 4);
  const random = randomSource(seed + 1);
  for (let rank = 0; rank < 60; rank++) logits[Math.floor(random() * vocab)] = 17 - 2.2 * Math.log(1 + rank) + random();
  return logits;
}

function variantFor(vocab: number, rest: Partial<SamplerVariant> = {}): SamplerVariant {
  return { vocab, mode: 'full', penalties: false, invocations: 64, workgroups: samplerWorkgroups(vocab, 64), ringSize: 1024, ...rest };
}

const tally = { draws: 0, differing: 0 };

/** Draws on both sides, and asserts that they agree outside the margin. Returns the GPU's tokens. */
async function compare(rig: SamplerRig, draws: Draws): Promise<number[]> {
  const { logits, settings, promptIds = [], count } = draws;
  const { tokens, status, written } = await rig.draw(draws);
  expect([status, written]).toEqual([0, count]);
  const candidates = createCandidates(logits.length);
  const sampler = createSampler({ settings, promptIds, candidates });
  for (let i = 0; i < count; i++) {
    tally.draws++;
    const expected = sampler.sample(logits);
    if (tokens[i] === expected) continue;
    tally.differing++;
    const penalised = hasPenalties(settings) ? candidates.penalised : logits;
    const { draw, share, score } = edgesOf(penalised, settings, uniformAt(settings.seed, i));
    expect(
      Math.min(draw, share, score), `draw ${i}: ${tokens[i]} instead of ${expected} at ${draw}, ${share}, ${score}`,
    ).toBeLessThan(MARGIN);
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

let device: TestDevice;
/** By variant: most of a test's time would go into compiling the same kernels again. */
const rigs = new Map<string, Promise<SamplerRig>>();
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(async () => {
  for (const rig of rigs.values()) (await rig).close();
  device.close();
});

async function withRig<Result>(variant: SamplerVariant, work: (rig: SamplerRig) => Promise<Result>): Promise<Result> {
  const key = JSON.stringify(variant);
  const rig = rigs.get(key) ?? createSamplerRig(device, variant);
  rigs.set(key, rig);
  return work(await rig);
}

const drawWith = (variant: SamplerVariant, draws: Draws) => withRig(variant, (rig) => rig.draw(draws));

describe('sampler', () => {
  afterAll(() => {
    // Neighbours of an edge are rare: many of them would mean that the margin hides something.
    expect(tally.differing).toBeLessThanOrEqual(tally.draws / 1000);
    console.info(
      `GPU sampler: ${tally.differing} of ${tally.draws} tokens differ from the CPU sampler's, all within the margin of ${MARGIN}`,
    );
  });

  it.each([1, 50, 51])('draws what the CPU sampler draws, vocabulary of %i', async (vocab) => {
    await withRig(variantFor(vocab), async (rig) => {
      for (const [at, [, cuts]] of CUTS.entries()) {
        for (const temperature of vocab < 50 ? [0.3] : TEMPERATURES) {
          await compare(rig, {
            logits: randomLogits(vocab, at), settings: { ...NEUTRAL, ...cuts, temperature, seed: 2 ** 40 + at },
            position: 9 * at, count: vocab < 50 ? 3 : 8,
          });
        }
      }
    });
  });

  it('draws what the CPU sampler draws, vocabulary of 4,096', async () => {
    const all = [randomLogits(4096, 3), peakedLogits(4096, 4)];
    let turn = 0;
    await withRig(variantFor(4096, { invocations: 128, workgroups: 5 }), async (rig) => {
      for (const [, cuts] of CUTS) {
        for (const temperature of TEMPERATURES) {
          const logits = all[turn++ % 2] as Float32Array;
          await compare(rig, { logits, settings: { ...NEUTRAL, ...cuts, temperature, seed: turn }, position: 17, count: 6 });
        }
      }
    });
  });

  it('draws what the CPU sampler draws, vocabulary of 151,936', async () => {
    const peaked = peakedLogits(151_936, 6);
    const random = randomLogits(151_936, 8);
    await withRig(variantFor(151_936, { invocations: 256, workgroups: 37 }), async (rig) => {
      for (const [at, [name, cuts]] of CUTS.entries()) {
        await compare(rig, {
          logits: peaked, settings: { ...NEUTRAL, ...cuts, temperature: TEMPERATURES[at % 3] as number, seed: 1000 + at },
          position: 1000 + at, count: at === 0 ? 2 : 1,
        });
        // More tokens at the cuts than the window lists, which is slow.
        if (['top-k 1000', 'top-p 0.95', 'top-p 0.5'].includes(name)) await compare(rig, {
          logits: random, settings: { ...NEUTRAL, ...cuts, temperature: 0.7, seed: 2000 + at }, position: 2000 + at, count: 1,
        });
      }
    });
  });

  it.each([
    ['greedy', false], ['greedy', true], ['full', false], ['full', true],
  ] as const)('gives the tokens of the numpy statement, %s, penalties %s', async (mode, penalties) => {
    const own = cases.filter(
      ({ settings }) => (settings.temperature === 0 ? 'greedy' : 'full') === mode && hasPenalties(settings) === penalties,
    );
    expect(own.length).toBeGreaterThan(0);
    for (const { settings, logits: text, prompt, output } of own) {
      const decoded = decodeLogits(text);
      // Tokens of no weight make two vocabularies, and so two sets of kernels, of all cases.
      const vocab = decoded.length <= 300 ? 300 : 4096;
      const logits = new Float32Array(vocab).fill(-Infinity);
      logits.set(decoded);
      const { tokens } = await drawWith(variantFor(vocab, { mode, penalties }), {
        logits, settings, promptIds: prompt, position: prompt.length - 1, count: output.length,
      });
      expect(tokens).toEqual(output);
    }
  });

  it('penalises, counts and draws as the CPU sampler does', async () => {
    for (const vocab of [50, 51, 4096]) {
      await withRig(variantFor(vocab, { penalties: true }), async (rig) => {
        const promptIds = Array.from({ length: 40 }, (_, i) => (i * 7) % vocab);
        for (const [at, penalties] of [
          { repetitionPenalty: 1.2 }, { presencePenalty: 1.5, frequencyPenalty: 0.2 },
          { repetitionPenalty: 0.9, presencePenalty: -0.3, frequencyPenalty: 0.7 },
        ].entries()) {
          await compare(rig, {
            logits: peakedLogits(vocab, 3 * vocab + at), settings: { ...NEUTRAL, ...penalties, topK: 20, topP: 0.95, seed: at },
            promptIds, position: 39, count: 15,
          });
        }
      });
    }
  });
});

describe('sampler at its limits', () => {
  const compareWith = (variant: SamplerVariant, draws: readonly Omit<Draws, 'position' | 'count'>[], count: number) =>
    withRig(variant, async (rig) => {
      for (const each of draws) await compare(rig, { ...each, position: 4, count });
    });

  it('draws the Philox number itself from a flat distribution', async () => {
    const vocab = 2 ** 16;
    const settings = { ...NEUTRAL, seed: 2 ** 52 + 12345 };
    const { tokens } = await drawWith(variantFor(vocab), { logits: new Float32Array(vocab).fill(-3.25), settings, position: 99, count: 8 });
    expect(tokens).toEqual(Array.from({ length: 8 }, (_, i) => Math.floor(uniformAt(settings.seed, i) * vocab)));
    // By the answer's own tokens, wherever they stand.
    const later = { logits: new Float32Array(vocab).fill(1), settings, position: 7, outputIds: [1, 2, 3], count: 5 };
    expect((await drawWith(variantFor(vocab), later)).tokens).toEqual(tokens.slice(3));
  });

  const flat = new Float32Array(6000).fill(2);
  const twoLevels = Float32Array.from({ length: 6000 }, (_, id) => (id % 3 === 0 ? 1 : 0.5));
  const nearlyFlat = randomLogits(6000, 12, 1e-4);
  const narrow = randomLogits(6000, 13, 0.02);
  it.each([
    ['flat', flat], ['of two levels', twoLevels], ['nearly flat', nearlyFlat], ['narrow', narrow],
  ])('cuts logits that are %s', async (_, logits) => {
    const cuts: readonly Partial<SamplingSettings>[] = [
      { topP: 0.25 }, { topP: 0.9 }, { topK: 100 }, { topK: 3000 }, { topK: 2500, topP: 0.6 }, { topP: 0.7, minP: 0.9 },
    ];
    await compareWith(
      variantFor(6000, { workgroups: 3 }),
      cuts.map((cut) => ({ logits, settings: { ...NEUTRAL, ...cut, temperature: 0.8 } })), 3,
    );
  });

  it('keeps all ties of the last place of top-k, and lower ids at that of top-p', async () => {
    const logits = Float32Array.from({ length: 50 }, (_, id) => (id < 10 ? -1 : id < 30 ? 3 : 1));
    const draw = async (
      cut: Partial<SamplingSettings>, count: number,
    ) => new Set((await drawWith(variantFor(50), { logits, settings: { ...NEUTRAL, ...cut }, position: 0, count })).tokens);
    expect([...await draw({ topK: 3 }, 200)].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => 10 + i));
    expect([...await draw({ topK: 20, topP: 0.25 }, 60)].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14]);
  });

  it.each([1e-300, 1e-40, 1e-3, 200, 1e6, 1e300])('survives a temperature of %f', async (temperature) => {
    const settings = { ...NEUTRAL, temperature };
    const logits = [
      randomLogits(300, 2),
      Float32Array.from({ length: 300 }, (_, id) => (id % 7 === 0 ? -Infinity : id % 5 === 0 ? -1e30 : id / 9)),
    ];
    await compareWith(
      variantFor(300),
      logits.flatMap((each) => [
        {}, { topP: 0.5 }, { topK: 9, minP: 0.1 },
      ].map((cut) => ({ logits: each, settings: { ...settings, ...cut } }))),
      3,
    );
  });

  it('never draws a token of no weight', async () => {
    const logits = new Float32Array(50).fill(-Infinity);
    logits[1] = 0;
    const { tokens, status } = await drawWith(variantFor(50), { logits, settings: { ...NEUTRAL, topK: 3 }, position: 0, count: 30 });
    expect([new Set(tokens), status]).toEqual([new Set([1]), 0]);
  });

  it.each([
    ['NaN', Number.NaN, 0], ['+Infinity', Infinity, 0], ['nothing finite', -Infinity, -Infinity],
  ])('says so where logits hold %s, and goes on', async (_, bad, rest) => {
    for (const cut of [{}, { topK: 20, topP: 0.9 }, { topP: 0.5, minP: 0.1 }]) {
      const logits = new Float32Array(300).fill(rest);
      logits[217] = bad;
      const drawn = await drawWith(variantFor(300), { logits, settings: { ...NEUTRAL, ...cut }, position: 5, count: 2 });
      expect([drawn.token, drawn.status, drawn.written, drawn.position]).toEqual([0, STATUS_BAD_LOGITS, 2, 7]);
    }
  });

  it('draws for each row what it draws for it alone', async () => {
    const vocab = 1021;
    const flatTop = peakedLogits(vocab, 3);
    // Two best: greedy takes the lower id.
    flatTop[40] = flatTop[700] = 60;
    const rows = [
      { settings: { ...NEUTRAL, topK: 20, topP: 0.95, seed: 2 ** 40 + 3 } },
      { settings: { ...NEUTRAL, temperature: 0, topK: 7, topP: 0.3 }, logits: flatTop },
      {
        settings: { ...NEUTRAL, temperature: 0.4, repetitionPenalty: 1.3, frequencyPenalty: 0.4 }, promptIds: [3, 4, 5], outputIds: [9, 9],
      },
      { settings: { ...NEUTRAL, minP: 0.05, seed: 99 }, outputIds: [1, 2, 3, 4, 5] },
      { settings: { ...NEUTRAL, temperature: 0, presencePenalty: 1.5 }, outputIds: [7] },
    ].map((row, i) => ({ logits: peakedLogits(vocab, 50 + i), position: 10 * i, ...row }));
    const together = await createSamplerRig(device, variantFor(vocab, { penalties: true }), rows.length);
    const drawn = await together.drawRows(rows, 6);
    together.close();
    expect(drawn.map(({ position }) => position)).toEqual(rows.map(({ position }) => position + 6));
    for (const [i, { logits, settings, promptIds = [], outputIds = [] }] of (rows as Required<RowDraws>[]).entries()) {
      const sampler = createSampler({ settings, promptIds, candidates: createCandidates(vocab) });
      for (const id of outputIds) sampler.count(id);
      expect(drawn[i]!.tokens, `row ${i}`).toEqual(Array.from({ length: 6 }, () => sampler.sample(logits)));
      expect([drawn[i]!.written, drawn[i]!.status]).toEqual([outputIds.length + 6, 0]);
    }
  });

  it('hands token, position and counts on', async () => {
    const logits = randomLogits(50, 2);
    const settings = { ...NEUTRAL, presencePenalty: 0.1 };
    const drawn = await drawWith(variantFor(50, { penalties: true }), { logits, settings, promptIds: [3, 4], position: 6, count: 20 });
    expect(drawn).toMatchObject({ token: drawn.tokens.at(-1), position: 26, written: 20, status: 0 });
    expect(new Set(drawn.tokens).size).toBeGreaterThan(3);
    const counts = new Uint32Array(50);
    counts[3] = counts[4] = IN_PROMPT;
    for (const token of drawn.tokens) counts[token]! += 1;
    expect(drawn.counts).toEqual(counts);
  });

  it('draws each token as often as its probability says', async () => {
    const logits = randomLogits(50, 77, 1);
    const settings = { ...NEUTRAL, temperature: 1.3, topK: 16, topP: 0.9, seed: 31 };
    const count = 512;
    const { tokens } = await drawWith(variantFor(50), { logits, settings, position: 0, count });
    const order = [...logits].map((logit, id) => ({ id, weight: Math.exp(logit / 1.3) })).sort((a, b) => b.weight - a.weight).slice(0, 16);
    const total = order.reduce((sum, { weight }) => sum + weight, 0);
    const kept: { id: number; weight: number }[] = [];
    for (let sum = 0, i = 0; sum < 0.9 * total; sum += order[i++]!.weight) kept.push(order[i]!);
    const keptTotal = kept.reduce((sum, { weight }) => sum + weight, 0);
    let chiSquare = 0;
    for (const { id, weight } of kept) {
      const expected = count * weight / keptTotal;
      chiSquare += (tokens.filter((token) => token === id).length - expected) ** 2 / expected;
    }
    expect(tokens.every((token) => kept.some(({ id }) => id === token))).toBe(true);
    expect(kept.length).toBeGreaterThan(8);
    // Mean and three standard deviations of the chi-square distribution with one degree of freedom less than tokens.
    expect(chiSquare).toBeLessThan(kept.length - 1 + 3 * Math.sqrt(2 * (kept.length - 1)));
  });

  it('draws the same whatever its workgroups', async () => {
    const draws = { logits: randomLogits(5000, 21), settings: { ...NEUTRAL, topP: 0.97, topK: 4000 }, position: 0, count: 6 };
    const first = await drawWith(variantFor(5000, { workgroups: 64 }), draws);
    for (const [invocations, workgroups] of [[128, 1], [256, 33]] as const) {
      expect((await drawWith(variantFor(5000, { invocations, workgroups }), draws)).tokens).toEqual(first.tokens);
    }
  });
});
