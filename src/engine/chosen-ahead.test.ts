/** Answers whose tokens the program chooses: several of them in its submits, ahead of who reads them. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChoosingSubmit } from '../graph/executor.ts';
import { asksOf, checkStreams } from '../../test/check-streams.ts';
import { fakeCores } from '../../test/fake-core.ts';
import { FAKE_END, FAKE_HOST, fakeGreedy, fakeModels, fakeTextSide, FAKE_VOCAB } from '../../test/fake-model.ts';
import { collect } from './collect.ts';
import { resolveDecoding } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';
import { openSequence } from './open-sequence.ts';
import type { Sequence } from './sequence.ts';

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

it.each([0, 1])('a call that ends while its first submit is prepared leaves the others there (number %i of two ends)', async (ending) => {
  const controllers = [new AbortController(), new AbortController()];
  let asked = 0;
  // Memory is made for what is submitted, some turns of the event loop later.
  const prepare = async ({ sequences }: ChoosingSubmit) => {
    if (sequences.length === 2 && asked++ === 0) controllers[ending]!.abort(new Error('gone'));
    await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const { model } = await load({ choosesSteps: 8, contextLength: 1024, prepare });
  const answers = await Promise.allSettled(controllers.map(({ signal }, i) =>
    collect(model.generate({ ids: promptOf(i), maxTokens: 20, temperature: 0, signal })),
  ));
  expect(asked).toBeGreaterThan(0);
  expect(answers[ending]).toMatchObject({ status: 'rejected', reason: { message: 'gone' } });
  expect(answers[1 - ending]).toMatchObject({ status: 'fulfilled', value: { tokens: fakeGreedy(promptOf(1 - ending), 20) } });
  // Its number is free again.
  expect((await collect(model.generate({ ids: promptOf(3), maxTokens: 20, temperature: 0 }))).tokens).toEqual(fakeGreedy(promptOf(3), 20));
});

it('newcomers that the program has no memory to choose for wait, and the answers that run go on', async () => {
  const { model } = await load({ choosesSteps: 4, contextLength: 1024, stepMs: 1, mostChoices: 4, maxConcurrent: 8 });
  const answer = (i: number) => collect(model.generate({ ids: promptOf(i), maxTokens: 60, temperature: 0, ignoreEos: true }));
  let late: Promise<unknown> | undefined;
  const first = async (i: number) => {
    const tokens: number[] = [];
    for await (const piece of model.generate({ ids: promptOf(i), maxTokens: 60, temperature: 0, ignoreEos: true })) {
      tokens.push(...piece.tokens);
      if (tokens.length > 8) late ??= Promise.all([answer(4), answer(5)]);
    }
    expect(tokens).toEqual(fakeGreedy(promptOf(i), 60));
  };
  await Promise.all([0, 1, 2, 3].map(first));
  expect(await late).toMatchObject([4, 5].map((i) => ({ tokens: fakeGreedy(promptOf(i), 60) })));
});

describe('answers that end within a submit', () => {
  /** Ends each answer after so many tokens, by the length of its prompt, where the scores for it are these. */
  const endAfter = (lengths: ReadonlyMap<number, number>, spoil = (logits: Float32Array) => void (logits[FAKE_END] = 90)) =>
    (logits: Float32Array, ids: readonly number[]) => {
      for (const [prompt, count] of lengths) if (ids.length === prompt + count - 1 && ids[0] === prompt) spoil(logits);
    };
  const promptFor = (length: number) => [length, ...promptOf(length, length - 1)];

  it.each([[1, 19], [2, 30], [4, 30]])('of %i: no step behind the last end is made or counted, of up to %i', async (count, longest) => {
    const lengths = new Map([[7, 19], [11, 30], [13, 24], [17, 5]].slice(0, count) as [number, number][]);
    const adjust = endAfter(lengths);
    const { model, log } = await load({ choosesSteps: 8, contextLength: 1024, stopsAtEnds: true, adjust });
    stopClock();
    const ask = (prompt: readonly number[]) => collect(model.generate({ ids: prompt, maxTokens: 90, temperature: 0 }));
    const answers = await Promise.all([...lengths.keys()].map((length) => ask(promptFor(length))));
    for (const [i, [length, tokens]] of [...lengths].entries()) {
      expect(answers[i]).toMatchObject({ finishReason: 'stop', tokens: fakeGreedy(promptFor(length), tokens, adjust) });
      expect(answers[i]!.tokens.at(-1)).toBe(FAKE_END);
    }
    // One of prompts, and one for each further token of the longest.
    expect(log.runs).toBe(longest);
    expect(model.info.load.steps).toBe(longest);
    // What is kept of them is what has run: who goes on from there has what a cold run has.
    const further = [...promptFor(7), ...answers[0]!.tokens, 1, 2, 3];
    expect((await ask(further)).tokens).toEqual(fakeGreedy(further, 90, adjust));
  });

  // The end is the last token of a page, and one of the middle.
  const CASES: readonly [number, number, object][] = [[40, 24, {}], [7, 19, {}], [7, 19, { window: 70 }]];
  it.each(CASES)('leave the state of what has run: prompt of %i, answer of %i, %j', async (prompt, count, device) => {
    const adjust = endAfter(new Map([[prompt, count]]));
    const { core } = cores({ choosesSteps: 8, stopsAtEnds: true, sequences: 2, adjust, ...device });
    stopClock();
    const settings = resolveDecoding({ maxTokens: 60, temperature: 0 }, FAKE_HOST);
    const answer = async (promptIds: readonly number[], sequence: Sequence) => {
      const job = { core, text: fakeTextSide(), promptIds, settings, sequence };
      const tokens: number[] = [];
      for await (const piece of generatePieces(() => job)) tokens.push(...piece.tokens);
      return tokens;
    };
    const own = openSequence(core);
    const first = await answer(promptFor(prompt), own);
    expect(first).toEqual(fakeGreedy(promptFor(prompt), count, adjust));
    // The end was chosen in the last step, and is in none.
    expect(own.length).toBe(prompt + count - 1);
    const further = [...promptFor(prompt), ...first, 1, 2, 3];
    const cold = fakeGreedy(further, 60, adjust);
    expect(await answer(further, openSequence(core))).toEqual(cold);
    expect(await answer(further, own)).toEqual(cold);
  });

  it('by scores of no use have given their tokens first, and those behind an end are none of theirs', async () => {
    const adjust = endAfter(new Map([[7, 19]]), (logits) => void (logits[3] = Number.NaN));
    const { model } = await load({ choosesSteps: 8, contextLength: 1024, adjust });
    stopClock();
    const tokens: number[] = [];
    const reading = async (ids: readonly number[], maxTokens: number) => {
      tokens.length = 0;
      for await (const piece of model.generate({ ids, maxTokens, temperature: 0 })) tokens.push(...piece.tokens);
    };
    await expect(reading(promptFor(7), 90)).rejects.toThrow('no usable scores');
    expect(tokens).toEqual(fakeGreedy(promptFor(7), 18, adjust));
    // The others hear nothing of it.
    const [, whole] = await Promise.allSettled([
      collect(model.generate({ ids: promptFor(7), maxTokens: 90, temperature: 0 })),
      collect(model.generate({ ids: promptFor(11), maxTokens: 40, temperature: 0 })),
    ]);
    expect(whole).toMatchObject({ status: 'fulfilled', value: { tokens: fakeGreedy(promptFor(11), 40, adjust) } });
  });
});

it('steps that run while they are handed over are timed: chunks of a prompt that take long stay small', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  // The host has computed the step when it has the submit.
  const prepare = () => void (now += 600);
  const { model, log } = await load({ choosesSteps: 8, contextLength: 1024, prefillRows: null, sharesCores: true, prepare });
  await collect(model.generate({ ids: promptOf(1, 640), maxTokens: 1, temperature: 0 }));
  expect(Math.max(...log.steps.map(({ count }) => count))).toBeLessThanOrEqual(64);
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
