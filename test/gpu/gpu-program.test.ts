/** One small program, and what the engine counts on: pages, memory, its own sampling, errors, its end. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import type { ChosenTokens, Program, TokenChooser } from '../../src/graph/executor.ts';
import type { SamplingSettings } from '../../src/graph/sampling.ts';
import { CapacityError, InputError } from '../../src/tensor/errors.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';
import type { CheckedModel, CheckedPair } from './executor-check.ts';
import { GREEDY } from '../greedy.ts';
import { relativeError } from '../relative-error.ts';

/** 128 pages are there from the start, so that more make the cache grow. */
const MAX_PAGES = 400;
const MODEL: CheckedModel = {
  profile: { ...TEST_PROFILES.float, stepsPerSubmit: 16 },
  shape: { ...TINY, layers: 2, vocab: 50 },
  weights: { typeOf: () => 'f32', kv: { type: 'f32', pageTokens: 8, maxPages: MAX_PAGES } },
  tolerance: 2e-5,
};

let pair: CheckedPair;
let program: Program;
beforeAll(async () => {
  pair = await loadPair(MODEL);
  program = pair.found;
});
afterAll(() => pair?.dispose());
afterEach(() => void vi.restoreAllMocks());

const PAGES = [3, 9, 0, 14, 5, 2, 11, 30, 6, 17, 8];

interface Asked {
  readonly prompt: readonly number[];
  readonly sampling?: SamplingSettings;
  readonly pages?: readonly number[];
  /** What was chosen before; default nothing. */
  readonly outputIds?: readonly number[];
}

function chooserOf({ chooser }: Program): TokenChooser {
  if (chooser === undefined) throw new Error('the program chooses no tokens');
  return chooser;
}

function open({ prompt, sampling = GREEDY, outputIds = [] }: Asked): number {
  return chooserOf(program).open({ sampling, history: { promptIds: prompt, outputIds } });
}

/** Tokens of one sequence, by submits of so many steps, two of which are under way at a time. */
async function chosen(asked: Asked, steps: readonly number[]): Promise<number[]> {
  const { prompt, pages = PAGES, outputIds = [] } = asked;
  const ids = [...prompt, ...outputIds];
  const choice = open(asked);
  const waiting: Promise<readonly ChosenTokens[]>[] = [];
  const tokens: number[] = [];
  const take = async () => tokens.push(...((await waiting.shift()) as readonly ChosenTokens[])[0]!.tokens);
  // The state of all ids but the last one may be there.
  const known = outputIds.length === 0 ? 0 : ids.length - 1;
  let next = known;
  for (const [i, count] of steps.entries()) {
    const rows = { tokens: i === 0 ? ids.slice(known) : [], start: next, pages: [pages], wanted: 'token', choice } as const;
    waiting.push((await chooserOf(program).submit({ sequences: [rows], steps: count })).results);
    next += (i === 0 ? ids.length - known : 1) + count - 1;
    if (waiting.length === 2) await take();
  }
  while (waiting.length > 0) await take();
  chooserOf(program).close(choice);
  return tokens;
}

/** Greedy tokens by the reference, which samples nothing. */
async function greedyTokens(prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  const pages = Array.from({ length: 12 }, (_, i) => 40 + i);
  pair.wanted.ensurePages(0, 60);
  for (let done = 0; ids.length < prompt.length + count; ) {
    const tokens = ids.slice(done);
    const { logits } = await decoderSteps(pair.wanted).run({
      sequences: [{ tokens, start: done, pages: [pages], outputs: [tokens.length - 1] }],
    });
    done = ids.length;
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  return ids.slice(prompt.length);
}

describe('pages', () => {
  it('keep what they hold when there are more, in every plan', async () => {
    const early = sequence(11, { pages: [1, 0] });
    await compareRuns(pair, [{ sequences: [early], taps: ['hidden.1'] }]);
    const { kvBytes } = program.memory;
    for (const [i, last] of [128, 200, 399].entries()) {
      const pages = [1, 0, last];
      await compareRuns(pair, [
        { sequences: [sequence(1, { start: 11 + 3 * i, pages })] },
        { sequences: [sequence(1, { start: 12 + 3 * i, pages })], taps: ['hidden.2'] },
      ]);
      await compareRuns(pair, [{ sequences: [sequence(1, { start: 13 + 3 * i, pages }), sequence(5, { pages: [last - 1] })] }]);
    }
    expect(program.memory.kvBytes).toBeGreaterThan(kvBytes);
    expect(program.memory.kvBytes).toBe(2 * MAX_PAGES * (2 * 2 * 8 * 16 * 4));
  });

  it('are taken at once when asked for twice, and not given up', () => {
    const { kvBytes } = program.memory;
    program.ensurePages(0, 3);
    expect(program.memory.kvBytes).toBe(kvBytes);
  });

  it('past what a kernel can see are refused, with the largest context that can be had', () => {
    expect(() => program.ensurePages(0, 10_000_000)).toThrow(CapacityError);
    expect(() => program.ensurePages(0, 10_000_000)).toThrow(
      /Keys and values of 80000000 tokens take \d+ bytes a layer; SwiftShader takes \d+ at once\. Use a context of at most \d+ tokens/,
    );
  });

  it('that do not exist are the caller\'s mistake', async () => {
    await expect(decoderSteps(program).run({ sequences: [sequence(3, { pages: [4000] })] })).rejects.toThrow('found 4000 as page 0');
    await expect(decoderSteps(program).run({ sequences: [sequence(9, { pages: [1] })] })).rejects.toThrow('positions up to 9 need 2 pages');
  });
});

describe('a batch', () => {
  it('longer than a step is cut, whatever is wanted of it', async () => {
    const long = sequence(45, { outputs: [0, 31, 32, 44], pages: [21, 3, 7, 40, 2, 60] });
    await compareRuns(pair, [{ sequences: [long, sequence(20, { seed: 5, pages: [50, 51, 52] })] }]);
    await compareRuns(pair, [{ sequences: [long], taps: ['hidden.0', 'hidden.2'] }]);
  });

  it('of which nothing is wanted is not waited for, but the one before it is', async () => {
    const done: (() => void)[] = [];
    const wait = () => new Promise<undefined>((resolve) => done.push(() => resolve(undefined)));
    vi.spyOn(GPUQueue.prototype, 'onSubmittedWorkDone').mockImplementation(wait);
    const pages = [33, 12, 5, 70];
    const chunk = (start: number) => decoderSteps(program).run({ sequences: [sequence(8, { start, pages, outputs: [] })] });
    await chunk(0);
    let isSecondDone = false;
    const second = chunk(8).then(() => (isSecondDone = true));
    await vi.waitFor(() => expect(done).toHaveLength(2), { timeout: 50_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isSecondDone).toBe(false);
    done[0]?.();
    await second;
    done[1]?.();
    vi.restoreAllMocks();
    await decoderSteps(pair.wanted).run({ sequences: [sequence(8, { pages, outputs: [] })] });
    await decoderSteps(pair.wanted).run({ sequences: [sequence(8, { start: 8, pages, outputs: [] })] });
    await compareRuns(pair, [{ sequences: [sequence(9, { start: 16, pages })] }]);
  });

  it('may want no logits at all', async () => {
    const { logits } = await decoderSteps(program).run({ sequences: [sequence(5, { outputs: [] })] });
    expect(logits).toHaveLength(0);
  });

  it('is refused with tokens, outputs or taps that there are not', async () => {
    await expect(decoderSteps(program).run({ sequences: [{ tokens: [50], start: 0, pages: [[0]], outputs: [0] }] })).rejects.toThrow(
      InputError,
    );
    await expect(decoderSteps(program).run({ sequences: [sequence(3, { outputs: [3] })] })).rejects.toThrow(
      'outputs must rise from 0 to 2',
    );
    await expect(decoderSteps(program).run({ sequences: [sequence(3)], taps: ['hidden.9'] })).rejects.toThrow(
      'no tap called "hidden.9"; it has hidden.0, hidden.1, hidden.2',
    );
    await expect(decoderSteps(program).run({ sequences: [] })).rejects.toThrow(InputError);
  });
});

describe('choosing tokens', () => {
  const prompt = Array.from({ length: 13 }, (_, i) => (11 * i + 2) % 50);
  const FULL = {
    temperature: 1.1, topK: 20, topP: 0.95, minP: 0.01, repetitionPenalty: 1.1, presencePenalty: 0.3, frequencyPenalty: 0.2,
    seed: 2 ** 40 + 5,
  };

  it('gives the greedy tokens of the reference, one step a submit or many', async () => {
    program.ensurePages(0, 60);
    const wanted = await greedyTokens(prompt, 64);
    expect(await chosen({ prompt }, [1, 1, 2, 4, 8, 16, 16, 16])).toEqual(wanted);
    expect(await chosen({ prompt }, wanted.slice(0, 20).map(() => 1))).toEqual(wanted.slice(0, 20));
    expect(await chosen({ prompt: [7] }, [1, 2])).toEqual(await greedyTokens([7], 3));
  });

  it('draws the same whatever a submit holds, with every setting, and goes on from what was chosen before', async () => {
    const single = await chosen({ prompt, sampling: FULL }, new Array<number>(30).fill(1));
    expect(await chosen({ prompt, sampling: FULL }, [1, 3, 16, 10])).toEqual(single);
    expect(await chosen({ prompt, sampling: FULL, outputIds: single.slice(0, 20) }, [1, 9])).toEqual(single.slice(20));
    expect(await chosen({ prompt, sampling: { ...FULL, seed: 6 } }, [1, 16, 13])).not.toEqual(single);
    expect(new Set(single).size).toBeGreaterThan(6);
  });

  it('leaves the state of all of its tokens but the last, and other runs between do not matter', async () => {
    const tokens = await chosen({ prompt }, [1, 11]);
    const start = prompt.length + 11;
    const after = await decoderSteps(program).run({ sequences: [{ tokens: tokens.slice(-1), start, pages: [PAGES], outputs: [0] }] });
    expect(after.logits.indexOf(Math.max(...after.logits))).toBe((await greedyTokens(prompt, 13))[12]);
    const choice = open({ prompt });
    const submit = (own: readonly number[], at: number) => chooserOf(program).submit({
      sequences: [{ tokens: own, start: at, pages: [PAGES], wanted: 'token', choice }], steps: 1,
    });
    const first = await submit(prompt, 0);
    const second = await submit([], prompt.length);
    await compareRuns(pair, [{ sequences: [sequence(1, { start: 0, pages: [50] })] }, { sequences: [sequence(4, { pages: [50] })] }]);
    const third = await submit([], prompt.length + 1);
    const found = await Promise.all([first, second, third].map(({ results }) => results));
    expect(found.map(([own]) => own?.tokens)).toEqual(tokens.slice(0, 3).map((token) => [token]));
    chooserOf(program).close(choice);
  });

  it('of sequences that join, read a prompt beside others, and leave, gives each what it has alone', async () => {
    const asked: Asked[] = [
      { prompt }, { prompt: [7, 9, 30], sampling: FULL },
      { prompt: prompt.slice(0, 9), sampling: { ...GREEDY, temperature: 0.8, seed: 4 } },
      { prompt: [5, 4, 3, 2, 1], sampling: { ...GREEDY, presencePenalty: 1 } },
    ];
    const alone: number[][] = [];
    for (const each of asked) alone.push(await chosen(each, [1, 11]));
    const choices = asked.map(open);
    const next = asked.map(() => 0);
    const found: number[][] = asked.map(() => []);
    const waiting: (() => Promise<void>)[] = [];
    const submit = async (who: readonly number[], steps = 1) => {
      const sequences = who.map((n) => ({
        tokens: next[n] === 0 ? asked[n]!.prompt : [], start: next[n]!, pages: [[20 + 8 * n, 21 + 8 * n, 22 + 8 * n, 23 + 8 * n]],
        wanted: 'token' as const, choice: choices[n],
      }));
      for (const [i, n] of who.entries()) next[n]! += Math.max(1, sequences[i]!.tokens.length) + steps - 1;
      const { results } = await chooserOf(program).submit({ sequences, steps });
      waiting.push(async () => (await results).forEach(({ tokens }, i) => found[who[i]!]!.push(...tokens)));
      if (waiting.length === 2) await waiting.shift()!();
    };
    await submit([0]);
    await submit([0, 1]);
    await submit([1, 0], 3);
    await submit([1, 0], 2);
    // Two prompts beside rows that go on.
    await submit([0, 1, 2, 3]);
    await submit([3, 2, 1, 0], 2);
    await submit([3, 2, 1, 0]);
    await submit([3, 1], 2);
    await submit([2]);
    await submit([2], 3);
    for (const take of waiting) await take();
    expect(found.map(({ length }) => length)).toEqual([11, 12, 8, 6]);
    for (const [n, tokens] of found.entries()) expect(tokens, `sequence ${n}`).toEqual(alone[n]!.slice(0, tokens.length));
    for (const choice of choices) chooserOf(program).close(choice);
  });

  it('chooses among the tokens of a mask, and gives logits to who wants them', async () => {
    const short = prompt.slice(0, 8);
    const [greedy, other] = [open({ prompt: short }), open({ prompt: short, sampling: FULL })];
    const { logits } = await decoderSteps(program).run({ sequences: [{ tokens: short, start: 0, pages: [[40]], outputs: [7] }] });
    const own = logits.slice();
    const order = [...own.keys()].sort((a, b) => own[b]! - own[a]!);
    const mask = new Uint32Array(2);
    for (const id of order.slice(3, 20)) mask[id >> 5]! |= 1 << (id & 31);
    const rows = { tokens: short, start: 0, wanted: 'token' } as const;
    const { results, choose } = await chooserOf(program).submit({
      sequences: [
        { ...rows, pages: [[42, 43]], choice: greedy, isMasked: true }, { ...rows, pages: [[44, 45]], wanted: 'logits' },
        { ...rows, pages: [[46, 47]], choice: other }, { ...rows, pages: [[48, 49]], wanted: 'state' },
      ],
      steps: 1,
    });
    choose?.([mask, undefined, undefined, undefined]);
    const [masked, wanting, free, state] = await results as [ChosenTokens, ChosenTokens, ChosenTokens, ChosenTokens];
    expect(masked.tokens).toEqual([order[3]]);
    expect(relativeError(wanting.logits as Float32Array, own)).toBeLessThan(1e-5);
    expect(free.tokens).toEqual(await chosen({ prompt: short, sampling: FULL }, [1]));
    expect(state).toEqual({ tokens: [], logits: undefined, error: undefined });
    for (const choice of [greedy, other]) chooserOf(program).close(choice);
  });

  it('adds the biases of sequences to their own logits, in every step', async () => {
    const short = prompt.slice(0, 8);
    const plain = await chosen({ prompt: short }, [1, 5]);
    const banned = new Map(plain.map((id) => [id, -100] as const));
    const wanted = new Map([[31, 100]]);
    const kinds = [GREEDY, { ...GREEDY, logitBias: banned }, { ...FULL, logitBias: wanted }, GREEDY];
    const rows = { tokens: short, start: 0, wanted: 'token' } as const;
    const choices = kinds.map((sampling) => open({ prompt: short, sampling }));
    const submit = async (tokens: readonly number[], start: number, steps: number) => {
      const sequences = choices.map((choice, i) => ({ ...rows, tokens, start, pages: [[50 + 2 * i, 51 + 2 * i]], choice }));
      return (await (await chooserOf(program).submit({ sequences, steps })).results).map((result) => result.tokens);
    };
    const first = await submit(short, 0, 1);
    const more = await submit([], 8, 5);
    const [one, without, only, other] = first.map((tokens, i) => [...tokens, ...(more[i] as readonly number[])]);
    expect([one, other]).toEqual([plain, plain]);
    expect(without!.filter((id) => banned.has(id))).toEqual([]);
    expect(only).toEqual(new Array(6).fill(31));
    for (const choice of choices) chooserOf(program).close(choice);
  });

  it('is refused for tokens, steps and places that there are not', async () => {
    const choice = open({ prompt });
    const rows = { tokens: prompt, start: 0, pages: [PAGES], wanted: 'token', choice } as const;
    const submit = (changes: object, steps = 1) => chooserOf(program).submit({ sequences: [{ ...rows, ...changes }], steps });
    await expect(submit({ tokens: [99] })).rejects.toThrow(InputError);
    await expect(submit({ tokens: new Array(33).fill(1) })).rejects.toThrow('expected up to 32 rows, found 33');
    await expect(submit({}, 2)).rejects.toThrow('2 steps of a sequence with 13 new tokens');
    await expect(submit({ tokens: [1] }, 17)).rejects.toThrow('expected 1 to 16 steps');
    await expect(submit({ choice: undefined })).rejects.toThrow('has no choice');
    await expect(submit({ pages: [[1]] })).rejects.toThrow('positions up to 13 need 2 pages');
    const masked = await submit({ isMasked: true });
    masked.choose?.([new Uint32Array(3)]);
    await expect(masked.results).rejects.toThrow('a mask has 3 words of 2');
    expect(() => masked.choose?.([undefined])).toThrow('chosen once');
    await expect(submit({ isMasked: true, tokens: [1] }, 2)).rejects.toThrow('2 steps of a sequence');
    chooserOf(program).close(choice);
  });
});

describe('a program', () => {
  it('says what memory it has', () => {
    const { weightBytes, workBytes } = program.memory;
    const matrices = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96) + 2 * 50 * 64;
    expect(weightBytes).toBeGreaterThan(matrices * 4);
    expect(weightBytes).toBeLessThan(matrices * 4 * 1.03 + 20 * 256);
    expect(workBytes).toBeGreaterThan(32 * 64 * 4);
    expect(workBytes).toBeLessThan(2 ** 20);
  });

  it('prints its plan', () => {
    expect(program.printPlan()).toMatch(/^plan synthetic: \d+ steps, \d+ buffers\n {2}rule scale-norm x/);
    expect(program.printPlan()).toMatch(/decode, 128 keys: \d+ dispatches, /);
  });

  it('is disposed of once, with what runs on it', async () => {
    const last = await loadPair({ ...MODEL, shape: { ...TINY, layers: 1 } });
    last.found.ensurePages(0, 2);
    const { chooser } = last.found;
    const choice = chooser?.open({ sampling: GREEDY, history: { promptIds: [1, 2], outputIds: [] } });
    const submit = { sequences: [{ tokens: [1, 2], start: 0, pages: [[0, 1]], wanted: 'token', choice }], steps: 1 } as const;
    const under = await chooser?.submit(submit);
    under?.results.catch(() => {});
    const pending = decoderSteps(last.found).run({ sequences: [sequence(5)] });
    // It may end before the device does, which waits for what compiles.
    const outcome = pending.then(() => 'done', (error: Error) => error.message);
    await Promise.all([last.found.dispose(), last.found.dispose()]);
    await last.found.dispose();
    expect(await outcome).toMatch(/^done$|closed|disposed of/);
    await expect(chooser?.submit(submit)).rejects.toThrow('disposed of');
    await expect(decoderSteps(last.found).run({ sequences: [sequence(5)] })).rejects.toThrow('disposed of');
    expect(() => last.found.ensurePages(0, 9)).toThrow('disposed of');
    expect(() => chooser?.open({ sampling: GREEDY, history: { promptIds: [], outputIds: [] } })).toThrow('disposed of');
  });
});
