/** Steps that the threads go through by themselves, beside the same ones made one by one. */
import { afterAll, describe, expect, test } from 'vitest';
import { GREEDY } from '../../test/greedy.ts';
import { ensureAllPages, inEveryGroup } from '../../test/state-places.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../../test/synthetic-graph.ts';
import type { SyntheticShape } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import type { ChosenTokens, Program, TokenChooser } from '../graph/executor.ts';
import { DECODER } from '../graph/model-graphs.ts';
import { createThreadHost } from '../node/thread-host.ts';
import { readKernelModules } from '../node/wasm-modules.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { createCpuExecutor } from './cpu-executor.ts';
import { createMemory, instantiateKernels } from './kernel-module.ts';
import { createTokenChooser } from './token-chooser.ts';
import type { StepsOptions } from './token-chooser.ts';
import type { KernelExports } from './kernel-module.ts';

/** Of each of two sequences, in an order of their own. */
const PAGES = 80;
const programs: Program[] = [];
afterAll(() => Promise.all(programs.map((program) => program.dispose())));

async function load(threads: number, shape: SyntheticShape, scaleOf?: (id: string) => number) {
  const executor = await createCpuExecutor({ threads, modules: await readKernelModules(), threadHost: createThreadHost() });
  const typeOf = (id: string) => (id === 'embedding' || id === 'output' ? 'f32' : 'q8_0');
  const program = await executor.load(
    syntheticRequest({ graph: syntheticGraph(shape), typeOf, kv: { type: 'f16', pageTokens: 8 }, maxRows: 40, scaleOf }),
  );
  programs.push(program);
  ensureAllPages(program, 3 * PAGES);
  if (program.chooser === undefined) throw new Error('the program chooses no tokens');
  return { program, chooser: program.chooser };
}

const promptOf = (length: number, seed: number) => Array.from({ length }, (_, i) => (7 * i * i + 3 + seed) % 50);
const pagesOf = (sequence: number) => inEveryGroup(Array.from({ length: PAGES }, (_, i) => PAGES * sequence + ((7 * i) % PAGES)));
const openOn = (chooser: TokenChooser, endIds: readonly number[] = []) =>
  chooser.open({ sampling: GREEDY, history: { promptIds: [], outputIds: [] }, endIds });

/** Prompt and answer, step by step on the host, with the logits after the last token. */
async function oneByOne(program: Program, prompt: readonly number[], pages: readonly (readonly number[])[], count: number) {
  const tokens: number[] = [];
  let logits: Float32Array = new Float32Array();
  for (let start = 0, ids = prompt; tokens.length < count; ) {
    const part = ids.slice(0, 40);
    ({ logits } = await decoderSteps(program).run({ sequences: [{ tokens: part, start, pages, outputs: [part.length - 1] }] }));
    start += part.length;
    ids = ids.slice(40);
    if (ids.length > 0) continue;
    tokens.push(logits.indexOf(Math.max(...logits)));
    ids = tokens.slice(-1);
  }
  return { tokens, logits: logits.slice() };
}

interface LikeliestExports extends KernelExports {
  likeliest(x: number, count: number): number;
}

interface Asked {
  readonly prompt: readonly number[];
  readonly pages: readonly (readonly number[])[];
  readonly steps: readonly number[];
}

/** The same by submits of so many steps, two of which are under way at a time. */
async function bySubmits(chooser: TokenChooser, { prompt, pages, steps }: Asked) {
  const choice = openOn(chooser);
  const waiting: Promise<readonly ChosenTokens[]>[] = [];
  const rows = { pages, wanted: 'token', choice } as const;
  let start = 0;
  for (; prompt.length - start > 40; start += 40) {
    const part = { ...rows, tokens: prompt.slice(start, start + 40), start, wanted: 'state' } as const;
    await (await chooser.submit({ sequences: [part], steps: 1 })).results;
  }
  waiting.push((await chooser.submit({ sequences: [{ ...rows, tokens: prompt.slice(start), start }], steps: 1 })).results);
  start = prompt.length;
  for (const count of steps) {
    waiting.push((await chooser.submit({ sequences: [{ ...rows, tokens: [], start }], steps: count })).results);
    start += count;
  }
  const tokens = (await Promise.all(waiting)).flatMap(([result]) => result!.tokens);
  chooser.close(choice);
  return { tokens, start };
}

describe('tokens that the threads choose', () => {
  test.each([
    ['one thread', 1, TINY, 13],
    ['two threads, windows', 2, { ...TINY, windows: [9, undefined] }, 13],
    ['keys that become as many as are split over threads', 3, { ...TINY, kvHeads: 1 }, 500],
    ['rows that see each other both ways', 2, { ...TINY, causal: false }, 30],
  ] as const)('are those of single steps: %s', async (_, threads, shape, length) => {
    const { program, chooser } = await load(threads, shape);
    const prompt = promptOf(length, threads);
    const steps = [1, 2, 4, 8, 32, 32, 21];
    const wanted = await oneByOne(program, prompt, pagesOf(0), 101);
    const found = await bySubmits(chooser, { prompt, pages: pagesOf(1), steps });
    expect(found.tokens).toEqual(wanted.tokens);
    // What lies in the pages is the same to the bit.
    const next = { tokens: found.tokens.slice(-1), start: found.start, outputs: [0] };
    const after = async (pages: readonly (readonly number[])[]) =>
      (await decoderSteps(program).run({ sequences: [{ ...next, pages }] })).logits.slice();
    expect(await after(pagesOf(1))).toEqual(await after(pagesOf(0)));
  });

  test('are those of several sequences, each its own, beside logits and prompts that are only read', async () => {
    const { program, chooser } = await load(2, TINY);
    const prompts = [promptOf(5, 1), promptOf(17, 2), promptOf(9, 3)];
    const wanted: { tokens: number[]; logits: Float32Array }[] = [];
    for (const [i, prompt] of prompts.entries()) wanted.push(await oneByOne(program, prompt, pagesOf(i), 22));
    const choices = prompts.map(() => openOn(chooser));
    const place = (i: number) => ({ pages: pagesOf(i), choice: choices[i], wanted: 'token' as const });
    const first = await chooser.submit({
      sequences: [
        { ...place(0), tokens: prompts[0]!, start: 0 }, { ...place(2), tokens: prompts[2]!.slice(0, 8), start: 0, wanted: 'state' },
        { ...place(1), tokens: prompts[1]!, start: 0 },
      ],
      steps: 1,
    });
    const second = await chooser.submit({
      sequences: [{ ...place(2), tokens: prompts[2]!.slice(8), start: 8, wanted: 'logits' }, { ...place(0), tokens: [], start: 5 }],
      steps: 1,
    });
    const [, ofPrompt] = [await first.results, await second.results];
    const { logits } = await oneByOne(program, prompts[2]!, pagesOf(2), 1);
    expect(ofPrompt[0]!.logits).toEqual(logits);
    const third = await chooser.submit({ sequences: [{ ...place(2), tokens: prompts[2]!.slice(8), start: 8 }], steps: 1 });
    const rest = await chooser.submit({
      sequences: [{ ...place(1), tokens: [], start: 17 }, { ...place(2), tokens: [], start: 9 }, { ...place(0), tokens: [], start: 6 }],
      steps: 20,
    });
    const [one, two, zero] = await rest.results as [ChosenTokens, ChosenTokens, ChosenTokens];
    const tokensOf = async (submitted: typeof first, i: number) => (await submitted.results)[i]!.tokens;
    expect([...(await tokensOf(first, 0)), ...(await tokensOf(second, 1)), ...zero.tokens]).toEqual(wanted[0]!.tokens);
    expect([...(await tokensOf(first, 2)), ...one.tokens]).toEqual(wanted[1]!.tokens.slice(0, 21));
    expect([...(await tokensOf(third, 0)), ...two.tokens]).toEqual(wanted[2]!.tokens.slice(0, 21));
  });

  test('end with the step that runs once nobody waits for them', async () => {
    const { chooser } = await load(2, { ...TINY, dim: 512, ffnDim: 2048, layers: 6 });
    const choice = openOn(chooser);
    const rows = { pages: pagesOf(0), wanted: 'token', choice } as const;
    await (await chooser.submit({ sequences: [{ ...rows, tokens: [1, 2, 3], start: 0 }], steps: 1 })).results;
    const running = await chooser.submit({ sequences: [{ ...rows, tokens: [], start: 3 }], steps: 32 });
    const waiting = await chooser.submit({ sequences: [{ ...rows, tokens: [], start: 35 }], steps: 32 });
    chooser.close(choice);
    expect((await running.results)[0]!.tokens.length).toBeLessThan(32);
    expect((await waiting.results)[0]!.tokens).toEqual([]);
    // The next ones have no trace of it.
    const next = openOn(chooser);
    const { results } = await chooser.submit({ sequences: [{ ...rows, tokens: [4], start: 3, choice: next }], steps: 32 });
    expect((await results)[0]!.tokens).toHaveLength(32);
  });

  test('end with the end of the last row that wants them, and a row that ended has no more', async () => {
    const { program, chooser } = await load(2, TINY);
    const prompts = [promptOf(5, 1), promptOf(17, 2)];
    const wanted: (readonly number[])[] = [];
    for (const [i, prompt] of prompts.entries()) wanted.push((await oneByOne(program, prompt, pagesOf(i), 33)).tokens);
    /** The end of each, up to which it has no other of the kind, the first token excepted. */
    const ends = [wanted[0]!.slice(1).indexOf(wanted[0]![9]!) + 1, wanted[1]!.slice(1).indexOf(wanted[1]![20]!) + 1];
    const endIds = (i: number) => [-5, wanted[i]![ends[i]!]!];
    const submit = async (which: readonly number[], behind: number) => {
      const choices = which.map((i) => openOn(chooser, endIds(i)));
      const rowsOf = (at: (i: number) => object, steps: number) => chooser.submit({
        sequences: which.map((i, row) => ({ tokens: [], start: 0, pages: pagesOf(i), wanted: 'token', choice: choices[row], ...at(i) })),
        steps,
      });
      const all = [
        await rowsOf((i) => ({ tokens: prompts[i] }), 1), await rowsOf((i) => ({ start: prompts[i]!.length }), 32),
        await rowsOf((i) => ({ start: prompts[i]!.length + 32 }), behind),
      ];
      const results = await Promise.all(all.map((each) => each.results));
      for (const choice of choices) chooser.close(choice);
      return which.map((_, row) => results.map((each) => each[row]!.tokens));
    };
    const upToEnd = (i: number) => wanted[i]!.slice(1, ends[i]! + 1);
    // What lies behind the end in the pages is what lay there before, as after single steps.
    const run = (tokens: readonly number[], start: number, pages: readonly (readonly number[])[]) =>
      decoderSteps(program).run({ sequences: [{ tokens, start, pages, outputs: [tokens.length - 1] }] });
    for (const place of [0, 2]) await run([...prompts[0]!, ...promptOf(35, 9)], 0, pagesOf(place));
    expect(await submit([0], 32)).toEqual([[[wanted[0]![0]], upToEnd(0), []]]);
    await oneByOne(program, prompts[0]!, pagesOf(2), ends[0]! + 1);
    const ofSingleSteps = (await run([1], 40, pagesOf(2))).logits.slice();
    expect((await run([1], 40, pagesOf(0))).logits).toEqual(ofSingleSteps);
    expect(await submit([1, 0], 5)).toEqual([[[wanted[1]![0]], upToEnd(1), []], [[wanted[0]![0]], upToEnd(0), []]]);
  });

  test('are left out of the steps where none follows any more, and of rows whose logits are wanted', async () => {
    const asked: StepsOptions[] = [];
    const given = [[7, 9, 8, -1], [4, 9]];
    const chooser = createTokenChooser({
      names: DECODER, mostRows: 8, mostOutRows: 8, vocab: 10, tokenLimit: 10, checkOpen() {}, checkPlace() {}, stopSteps() {},
      async runSteps(_, options) {
        asked.push(options);
        const tokens = given.shift()!;
        return { steps: tokens.length / options.ends.length, tokens: Int32Array.from(tokens), logits: new Float32Array(20) };
      },
    });
    const [first, second] = [openOn(chooser, [8]), openOn(chooser, [5])];
    const rows = { start: 3, pages: [[1]], tokens: [1], wanted: 'token' } as const;
    const { results } = await chooser.submit({ sequences: [{ ...rows, choice: first }, { ...rows, choice: second }], steps: 9 });
    // Tokens before scores of no use are good ones.
    expect(await results).toMatchObject([{ tokens: [7, 8], error: undefined }, { tokens: [9], error: expect.any(FormatError) }]);
    const third = openOn(chooser);
    const mixed = await chooser.submit({ sequences: [{ ...rows, wanted: 'logits' }, { ...rows, choice: third }], steps: 1 });
    expect(await mixed.results).toMatchObject([{ tokens: [], error: undefined }, { tokens: [9], error: undefined }]);
    expect(asked.map(({ ends }) => ends)).toEqual([[[8], [5]], [undefined, []]]);
  });

  test('are an error of their own sequence where no logit is of use', async () => {
    const { chooser } = await load(2, TINY, (id) => (id === 'output' || id === 'norm' ? 1e20 : 1));
    const choice = openOn(chooser);
    const rows = { tokens: [1, 2], start: 0, pages: pagesOf(0), wanted: 'token', choice } as const;
    const { results } = await chooser.submit({ sequences: [rows], steps: 1 });
    const [found] = await results;
    expect(found!.error).toBeInstanceOf(FormatError);
    expect(found!.error?.message).toMatch('no usable scores');
  });

  test('are refused for settings, tokens, steps and places that there are not', async () => {
    const { chooser } = await load(2, TINY);
    const open = (changes: object) => chooser.open({ sampling: { ...GREEDY, ...changes }, history: { promptIds: [], outputIds: [] } });
    for (const changes of [{ temperature: 1 }, { presencePenalty: 1 }, { logitBias: new Map([[1, 2]]) }])
      expect(() => open(changes)).toThrow('the likeliest token only');
    const choice = open({ topK: 4 });
    const rows = { tokens: [1], start: 0, pages: pagesOf(0), wanted: 'token', choice } as const;
    const submit = (changes: object, steps = 1) => chooser.submit({ sequences: [{ ...rows, ...changes }], steps });
    await expect(submit({ tokens: [99] })).rejects.toThrow(InputError);
    await expect(submit({ tokens: new Array(41).fill(1) })).rejects.toThrow('expected up to 40 rows, found 41');
    await expect(submit({ tokens: [1, 2] }, 2)).rejects.toThrow('2 steps of a sequence with 2 new tokens');
    await expect(submit({}, 33)).rejects.toThrow('expected 1 to 32 steps');
    await expect(submit({ choice: undefined })).rejects.toThrow('has no choice');
    await expect(submit({ pages: [[1]] }, 9)).rejects.toThrow('positions up to 9 need 2 pages');
    await expect(submit({ isMasked: true })).rejects.toThrow('in place of a mask');
  });
});

test('the likeliest token is the first of the greatest logits, and none where one is not finite', async () => {
  const memory = createMemory();
  const { plain } = await readKernelModules();
  const kernels = instantiateKernels(new WebAssembly.Module(plain), memory) as LikeliestExports;
  const found = (values: readonly number[]) => {
    new Float32Array(memory.buffer, 131072, values.length).set(values);
    return kernels.likeliest(131072, values.length);
  };
  for (let count = 1; count < 40; count++) {
    const values = Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * i + count) * 10));
    expect(found(values)).toBe(values.indexOf(Math.max(...values)));
    for (const at of new Set([0, count >> 1, count - 1])) {
      expect(found(values.with(at, Number.NaN))).toBe(-1);
      expect(found(values.with(at, Infinity))).toBe(-1);
      expect(found(values.with(at, -Infinity))).toBe(count === 1 ? -1 : values.indexOf(Math.max(...values.filter((_, i) => i !== at))));
    }
    expect(found(new Array(count).fill(-7))).toBe(0);
    expect(found(new Array(count).fill(-Infinity))).toBe(-1);
  }
});
