/** The pace of the decode loop, over a device that is only a clock. */
import { afterEach, expect, it, vi } from 'vitest';
import { createDecodeRun } from './decode-loop.ts';
import type { DecodeProgram } from './decode-loop.ts';
import type { DecodeRequest } from '../../graph/executor.ts';
import { GREEDY } from '../../../test/greedy.ts';

afterEach(() => void vi.restoreAllMocks());

interface Simulated {
  readonly program: DecodeProgram;
  /** When the results of each submit came, in milliseconds. */
  readonly arrivals: number[];
  /** Most submits that were under way at a time. */
  readonly deepest: () => number;
}

/** A device that takes `prefillMs` for the first token and `stepMs` for each further one, one submit after the other. */
function simulate({ prefillMs, stepMs, stepsPerSubmit = 16 }: { prefillMs: number; stepMs: number; stepsPerSubmit?: number }): Simulated {
  let now = 0;
  let free = 0;
  let steps = 0;
  let [underWay, deepest] = [0, 0];
  const arrivals: number[] = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const pass = { end() {} };
  const gpu = { device: { createCommandEncoder: () => ({ beginComputePass: () => pass, finish: () => ({}) }) }, queue: { submit() {} } };
  const copy = () => ({
    async read() {
      free = Math.max(free, now) + (arrivals.length + underWay === 0 ? prefillMs : steps * stepMs);
      steps = 0;
      const done = free;
      deepest = Math.max(deepest, ++underWay);
      // Others go on while this one runs.
      await new Promise((resolve) => setTimeout(resolve, 1));
      now = Math.max(now, done);
      underWay--;
      arrivals.push(done);
      return [];
    },
  });
  const program = {
    gpu,
    stepsPerSubmit,
    one: { inputs: { write() {}, writePlace() {} }, bound: { dispatches: () => (steps++, []) } },
    sampler: {
      begin() {},
      dispatches: () => [],
      results: [],
      tokensOf: (_: unknown, count: number) => Array.from({ length: count }, () => 7),
    },
    readBack: { copy },
    placeUpTo: () => ({ pages: [[0]] }),
    ready: async () => {},
    checkOpen() {},
    modeOf: () => ({}),
    oneRow: { rows: 1, outRows: 1 },
    placeAt() {},
    encodeFirst: () => ({ sizes: { rows: 1, outRows: 1 }, tiles: 0, keys: 1 }),
  } as unknown as DecodeProgram;
  return { program, arrivals, deepest: () => deepest };
}

const request: DecodeRequest = {
  tokens: [1, 2, 3], start: 0, reserve: () => ({ pages: [[0]] }), limit: 200, history: { promptIds: [1, 2, 3], outputIds: [] },
  sampling: GREEDY,
};

async function sizesOf(program: DecodeProgram): Promise<number[]> {
  const run = createDecodeRun(program, request);
  const sizes: number[] = [];
  for (let tokens = await run.next(); tokens.length > 0; tokens = await run.next()) sizes.push(tokens.length);
  return sizes;
}

it.each([
  [0.05, 16],
  [0.7, 16],
  [2, 6],
  [5, 2],
  [11, 1],
  [30, 1],
])('with steps of %f ms, submits hold %i, twenty come a second and the first token alone', async (stepMs, size) => {
  const simulated = simulate({ prefillMs: 400, stepMs });
  const sizes = await sizesOf(simulated.program);
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(request.limit);
  // A prefill of any length says nothing about steps.
  expect(sizes.slice(0, 3)).toEqual([1, 1, 1]);
  expect(Math.max(...sizes)).toBe(size);
  expect(sizes.slice(9, -1).every((each) => each === size)).toBe(true);
  expect(simulated.deepest()).toBe(2);
  expect(simulated.arrivals[0]).toBe(400);
  const gaps = simulated.arrivals.slice(1).map((at, i) => at - (simulated.arrivals[i] as number));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(50);
});

it('never holds more than the profile lets it', async () => {
  expect(Math.max(...(await sizesOf(simulate({ prefillMs: 1, stepMs: 0.01, stepsPerSubmit: 4 }).program)))).toBe(4);
});

it('is closed at once, with no more handed on', async () => {
  const simulated = simulate({ prefillMs: 1, stepMs: 1 });
  const reserve = vi.fn(simulated.program.placeUpTo);
  const run = createDecodeRun({ ...simulated.program, placeUpTo: reserve }, request);
  await run.next();
  const asked = reserve.mock.calls.length;
  run.close();
  run.close();
  await expect(run.next()).rejects.toThrow('was closed');
  expect(reserve).toHaveBeenCalledTimes(asked);
});
