/** One small program, and what the engine counts on: pages, memory, its own sampling, errors, its end. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import type { DecodeRequest, Program } from '../../src/graph/executor.ts';
import { CapacityError, InputError } from '../../src/tensor/errors.ts';
import { TINY } from '../synthetic-graph.ts';
import { compareRuns, loadPair, sequence, setClock, TEST_PROFILES } from './executor-check.ts';
import type { CheckedModel, CheckedPair } from './executor-check.ts';
import { GREEDY } from '../greedy.ts';

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

function decodeRequest(tokens: readonly number[], limit: number, changes: Partial<DecodeRequest> = {}): DecodeRequest {
  const pages = [3, 9, 0, 14, 5, 2, 11, 30, 6, 17, 8];
  return {
    tokens,
    start: 0,
    reserve: (end) => ({ pages: [pages.slice(0, Math.ceil(end / 8))] }),
    sampling: GREEDY,
    history: { promptIds: tokens, outputIds: [] },
    limit,
    ...changes,
  };
}

async function allTokens(request: DecodeRequest) {
  const run = program.decode?.(request);
  const submits: number[][] = [];
  for (let next = await run?.next(); next !== undefined && next.length > 0; next = await run?.next()) submits.push([...next]);
  return { tokens: submits.flat(), submits: submits.map(({ length }) => length) };
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
    await vi.waitFor(() => expect(done).toHaveLength(2));
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

describe('decode', () => {
  const prompt = Array.from({ length: 13 }, (_, i) => (11 * i + 2) % 50);

  it('gives the greedy tokens of the reference, one step a submit or many', async () => {
    program.ensurePages(0, 40);
    const wanted = await greedyTokens(prompt, 64);
    setClock('racing');
    expect(await allTokens(decodeRequest(prompt, 64))).toEqual({ tokens: wanted, submits: wanted.map(() => 1) });
    setClock('still');
    const many = await allTokens(decodeRequest(prompt, 64));
    expect(many.tokens).toEqual(wanted);
    // The first token comes alone and at once; two submits are under way before it has been seen, and what they took is known later.
    expect(many.submits.slice(0, 6)).toEqual([1, 1, 1, 2, 4, 8]);
    expect(Math.max(...many.submits)).toBe(16);
  });

  it('of one prompt token, and up to a limit of one', async () => {
    const wanted = await greedyTokens([7], 3);
    expect(await allTokens(decodeRequest([7], 3))).toMatchObject({ tokens: wanted });
    expect(await allTokens(decodeRequest([7], 1))).toEqual({ tokens: wanted.slice(0, 1), submits: [1] });
  });

  it('draws the same whatever a submit holds, with every setting', async () => {
    const sampling = {
      temperature: 1.1,
      topK: 20,
      topP: 0.95,
      minP: 0.01,
      repetitionPenalty: 1.1,
      presencePenalty: 0.3,
      frequencyPenalty: 0.2,
      seed: 2 ** 40 + 5,
    };
    setClock('racing');
    const single = await allTokens(decodeRequest(prompt, 64, { sampling }));
    expect(Math.max(...single.submits)).toBe(1);
    setClock('still');
    const many = await allTokens(decodeRequest(prompt, 64, { sampling }));
    expect(many.tokens).toEqual(single.tokens);
    expect(Math.max(...many.submits)).toBe(16);
    expect((await allTokens(decodeRequest(prompt, 64, { sampling: { ...sampling, seed: 6 } }))).tokens).not.toEqual(single.tokens);
    expect(new Set(single.tokens).size).toBeGreaterThan(10);
  });

  it('goes on from what another run left, with its history', async () => {
    const sampling = { ...GREEDY, temperature: 1, presencePenalty: 1, seed: 9 };
    const whole = (await allTokens(decodeRequest(prompt, 30, { sampling }))).tokens;
    const start = prompt.length + 19;
    const rest = await allTokens(
      decodeRequest([whole[19] as number], 10, { sampling, start, history: { promptIds: prompt, outputIds: whole.slice(0, 20) } }),
    );
    expect(rest.tokens).toEqual(whole.slice(20));
  });

  it('leaves the state of all of its tokens but the last', async () => {
    const { tokens } = await allTokens(decodeRequest(prompt, 12));
    const pages = [3, 9, 0, 14];
    const start = prompt.length + 11;
    const after = await decoderSteps(program).run({ sequences: [{ tokens: tokens.slice(-1), start, pages: [pages], outputs: [0] }] });
    const next = after.logits.indexOf(Math.max(...after.logits));
    expect(next).toBe((await greedyTokens(prompt, 13))[12]);
  });

  it('ends when a later call takes its place', async () => {
    const first = program.decode?.(decodeRequest(prompt, 40));
    await first?.next();
    const second = await allTokens(decodeRequest(prompt, 5));
    expect(second.tokens).toEqual(await greedyTokens(prompt, 5));
    await expect(first?.next()).rejects.toThrow('was closed, or another one began');
    first?.close();
    const third = program.decode?.(decodeRequest(prompt, 40));
    await third?.next();
    await compareRuns(pair, [{ sequences: [sequence(4)] }]);
    await expect(third?.next()).rejects.toThrow('was closed');
  });

  it('asks for pages as it goes, before it needs them', async () => {
    const asked: number[] = [];
    const reserve = (end: number) => {
      asked.push(end);
      return { pages: [[1, 2, 3, 4, 5].slice(0, Math.ceil(end / 8))] };
    };
    await allTokens(decodeRequest(prompt, 20, { reserve }));
    expect(asked[0]).toBe(13);
    // The last token's state is not needed.
    expect(asked.at(-1)).toBe(13 + 19);
    expect(asked).toEqual(asked.toSorted((a, b) => a - b));
  });

  it('rejects with what reserve throws, and tokens that there are not', async () => {
    const run = program.decode?.(
      decodeRequest(prompt, 20, {
        reserve: (end) => {
          if (end > 16) throw new CapacityError('no page left');
          return { pages: [[1, 2]] };
        },
      }),
    );
    const found: number[] = [];
    await expect((async () => { for (;;) found.push(...((await run?.next()) ?? [])); })()).rejects.toThrow('no page left');
    expect(found).toEqual((await greedyTokens(prompt, 20)).slice(0, found.length));
    expect(() => program.decode?.(decodeRequest([99], 3))).toThrow(InputError);
    expect(() => program.decode?.(decodeRequest([], 3))).toThrow('expected 1 to 32 tokens, found 0');
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
    const run = last.found.decode?.({ ...decodeRequest([1, 2], 30), reserve: () => ({ pages: [[0, 1]] }) });
    await run?.next();
    const pending = decoderSteps(last.found).run({ sequences: [sequence(5)] });
    // It may end before the device does, which waits for what compiles.
    const outcome = pending.then(() => 'done', (error: Error) => error.message);
    await Promise.all([last.found.dispose(), last.found.dispose()]);
    await last.found.dispose();
    expect(await outcome).toMatch(/^done$|closed|disposed of/);
    await expect(run?.next()).rejects.toThrow('disposed of');
    await expect(decoderSteps(last.found).run({ sequences: [sequence(5)] })).rejects.toThrow('disposed of');
    expect(() => last.found.ensurePages(0, 9)).toThrow('disposed of');
    expect(() => last.found.decode?.(decodeRequest([1], 3))).toThrow('disposed of');
  });
});
