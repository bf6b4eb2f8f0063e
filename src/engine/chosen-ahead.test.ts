/** Answers whose tokens the program chooses: several of them in its submits, ahead of who reads them. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChoosingSubmit } from '../graph/executor.ts';
import { asksOf, checkStreams } from '../../test/check-streams.ts';
import { fakeCores } from '../../test/fake-core.ts';
import { FAKE_HOST, fakeGreedy, fakeModels, fakeTextSide, FAKE_VOCAB } from '../../test/fake-model.ts';
import { collect } from './collect.ts';
import { resolveDecoding } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';

const { load } = fakeModels();
afterEach(() => void vi.restoreAllMocks());

/** A device that takes no time: submits hold as many steps as they may. */
const stopClock = () => vi.spyOn(performance, 'now').mockImplementation(() => 0);
const cores = fakeCores();

const promptOf = (i: number, length = 3 + i) => Array.from({ length }, (_, at) => (at * 5 + i) % 250);

describe('answers side by side', () => {
  it.each([1, 8])('have the tokens that they have alone, whoever comes and goes, with up to %i steps a submit', async (choosesSteps) => {
    const { model } = await load({ choosesSteps });
    const prompts = [promptOf(0, 3), promptOf(1, 300), promptOf(2, 40)];
    const alone = await checkStreams(model, asksOf(prompts, 12));
    expect(alone[0]).toEqual(fakeGreedy(prompts[0]!, alone[0]!.length));
  });

  it('make few steps more than the longest of 16, and hold several in a submit', async () => {
    const { model, log } = await load({ choosesSteps: 8, contextLength: 1024 });
    stopClock();
    const lengths = Array.from({ length: 16 }, (_, i) => 40 + ((i * 29) % 31));
    const pieces: number[] = [];
    await Promise.all(lengths.map(async (maxTokens, i) => {
      const tokens: number[] = [];
      for await (const piece of model.generate({ ids: promptOf(i), maxTokens, temperature: 0 })) {
        tokens.push(...piece.tokens);
        pieces.push(piece.tokens.length);
      }
      expect(tokens).toEqual(fakeGreedy(promptOf(i), maxTokens));
    }));
    expect(log.runs).toBeLessThanOrEqual(1.2 * Math.max(...lengths));
    expect(Math.max(...pieces)).toBe(8);
    expect(pieces.length).toBeLessThan(lengths.reduce((a, b) => a + b) / 3);
  });

  it('of n share a prompt, and its steps', async () => {
    const { model, log } = await load({ choosesSteps: 8, contextLength: 1024 });
    const answers = new Map<number, number[]>();
    for await (const { index, tokens } of model.generate({ ids: promptOf(4, 200), maxTokens: 30, n: 4, seed: 7 }))
      answers.set(index, [...(answers.get(index) ?? []), ...tokens]);
    expect(log.runs).toBeLessThanOrEqual(30 + 6);
    for (let index = 0; index < 4; index++)
      expect(answers.get(index)).toEqual((await collect(model.generate({ ids: promptOf(4, 200), maxTokens: 30, seed: 7 + index }))).tokens);
  });

  it('go on in every step beside a long prompt, and in several a submit after it', async () => {
    const { model } = await load({ choosesSteps: 8, contextLength: 1024, prefillRows: 64 });
    stopClock();
    const sizes: number[][] = [[], []];
    let isRead = false;
    let joined: Promise<void> | undefined;
    const join = async () => {
      for await (const { tokens } of model.generate({ ids: promptOf(9, 640), maxTokens: 12, temperature: 0 })) isRead ||= tokens.length > 0;
    };
    for await (const { tokens } of model.generate({ ids: promptOf(1), maxTokens: 120, temperature: 0 })) {
      sizes[Number(isRead)]?.push(tokens.length);
      if (sizes[0]?.length === 6) joined ??= join();
    }
    await joined;
    // Ten chunks, one row beside each.
    expect(sizes[0]?.slice(-8)).toEqual(new Array(8).fill(1));
    expect(Math.max(...(sizes[1] as number[]))).toBe(8);
  });

  it('go on while what a step with others takes is made, and are with them after it', async () => {
    let made: (() => void) | undefined;
    let isMade = false;
    // Steps of several sequences, or of prompts, take what the device has not yet.
    const prepare = ({ sequences }: ChoosingSubmit) =>
      isMade || (sequences.length === 1 && sequences[0]!.start > 3) ? undefined : new Promise<void>((resolve) => {
        made = () => (isMade = true, resolve());
        if (sequences.length === 1) made();
      });
    const { model, log } = await load({ choosesSteps: 8, contextLength: 1024, prefillRows: 64, prepare });
    let joined: Promise<readonly number[]> | undefined;
    const tokens: number[] = [];
    let meanwhile = 0;
    for await (const piece of model.generate({ ids: promptOf(1), maxTokens: 120, temperature: 0 })) {
      tokens.push(...piece.tokens);
      isMade &&= joined !== undefined;
      joined ??= collect(model.generate({ ids: promptOf(9, 200), maxTokens: 12, temperature: 0 })).then((answer) => answer.tokens);
      if (!isMade && made !== undefined && (meanwhile += piece.tokens.length) > 40) made();
    }
    expect(meanwhile).toBeGreaterThan(40);
    expect(tokens).toEqual(fakeGreedy(promptOf(1), 120));
    expect(await joined).toEqual(fakeGreedy(promptOf(9, 200), 12));
    expect(log.runs).toBeLessThan(140);
  });
});

describe('a reader', () => {
  it('that stays away finds what was chosen, and keeps the others from nothing', async () => {
    const { model, log } = await load({ choosesSteps: 8, contextLength: 1024 });
    const slow = model.generate({ ids: promptOf(1), maxTokens: 60, temperature: 0 });
    const tokens: number[] = [];
    for (let i = 0; i < 3; i++) tokens.push(...((await slow.next()).value?.tokens ?? []));
    const other = await collect(model.generate({ ids: promptOf(2), maxTokens: 60, temperature: 0 }));
    expect(other.tokens).toEqual(fakeGreedy(promptOf(2), 60));
    const { runs } = log;
    for await (const piece of slow) tokens.push(...piece.tokens);
    expect(tokens).toEqual(fakeGreedy(promptOf(1), 60));
    expect(log.runs - runs).toBeLessThanOrEqual(60);
  });

  it('that wants log probabilities has its logits from the same steps', async () => {
    const { model, log } = await load({ choosesSteps: 8 });
    const [plain, known] = await Promise.all([
      collect(model.generate({ ids: promptOf(1), maxTokens: 30, temperature: 0 })),
      collect(model.generate({ ids: promptOf(2), maxTokens: 30, temperature: 0, logprobs: 2 })),
    ]);
    expect([plain.tokens, known.tokens]).toEqual([fakeGreedy(promptOf(1), 30), fakeGreedy(promptOf(2), 30)]);
    expect(known.logprobs).toHaveLength(30);
    expect(log.runs).toBeLessThanOrEqual(32);
  });

  it('that says which tokens may be next has one of them at a time, others beside it', async () => {
    for (const choosesSteps of [undefined, 8]) {
      const { core } = cores({ ...(choosesSteps === undefined ? {} : { choosesSteps }), sequences: 4 });
      const settings = resolveDecoding({ maxTokens: 20, temperature: 0.8, seed: 5, ignoreEos: true }, FAKE_HOST);
      // Token i of the answer leaves a rest of i by 7.
      const maskAfter = ({ length }: readonly number[]) => {
        const mask = new Uint32Array(Math.ceil(FAKE_VOCAB / 32));
        for (let id = length % 7; id < FAKE_VOCAB; id += 7) mask[id >> 5]! |= 1 << (id & 31);
        return mask;
      };
      const call = async (masked: boolean) => {
        const tokens: number[] = [];
        const job = { core, text: fakeTextSide(), promptIds: promptOf(3), settings, ...(masked ? { maskAfter } : {}) };
        for await (const piece of generatePieces(() => job)) tokens.push(...piece.tokens);
        return tokens;
      };
      const [masked, free, again] = await Promise.all([call(true), call(false), call(false)]);
      expect(masked.map((token) => token % 7)).toEqual(masked.map((_, i) => i % 7));
      expect(free).toEqual(again);
      expect(free).not.toEqual(masked);
    }
  });
});
