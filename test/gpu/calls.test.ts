/**
 * Calls of WebGPU that a decoded token takes: they are what the host of a fast GPU is busy with (docs/experiments.md), so more of them have
 * to be seen here first. Dawn's null backend binds too few buffers for these kernels, and its calls are no others.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { ChoosingRows, Program } from '../../src/graph/executor.ts';
import { SPAN_LENGTH_BITS, TABLE_POP, TABLE_ROWS } from '../../src/tensor/byte-table.ts';
import type { TokenGrammar } from '../../src/tensor/byte-table.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import type { SynthModel } from '../../src/models/synth-shapes.ts';
import { planOfShape } from '../../src/bench/plan-of-shape.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { callsOf } from './calls-of.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { groupsOfPlan } from './groups-of-plan.ts';

const STEPS = 8;
const GREEDY = {
  temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1,
} as const;
let program: Program;

beforeAll(async () => {
  const { adapter, problem } = await findAdapter('software');
  if (adapter === undefined) throw new Error(problem);
  const graph = syntheticGraph({ ...TINY, qkNorm: true });
  const request = syntheticRequest({ graph, typeOf: () => 'q4_0', kv: { type: 'f16', pageTokens: 64, maxPages: 4 } });
  const profile = { ...TEST_PROFILES.int8, stepsPerSubmit: STEPS };
  const open = () => openGpuDevice(adapter);
  program = await createGpuExecutor({ open, name: 'SwiftShader', kind: 'software', profile }).load(request);
  program.ensurePages(0, 8);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await program.dispose();
});

/** A text of any bytes, in a vocabulary whose first tokens are those. */
const ANY_BYTES: TokenGrammar = {
  spans: { vocabSize: TINY.vocab, words: Uint32Array.from({ length: TINY.vocab + 256 }, (_, i) => {
    if (i >= TINY.vocab) return i - TINY.vocab;
    return i < 256 ? (i << SPAN_LENGTH_BITS) | 1 : 0;
  }) },
  table: Uint32Array.of(2, TABLE_ROWS + 2, 0, 0, ...new Array<number>(64).fill(0), 0, TABLE_POP, TABLE_ROWS + 3, 0),
  place: { state: 0, stack: [] },
};

interface SubmitOptions {
  readonly steps: number;
  readonly isMasked: boolean;
  readonly grammar?: TokenGrammar;
}

/** Calls of a submit of answers that go on, `steps` tokens each, once another one like it has put all in place. */
async function callsOfSubmit(answers: number, { steps, isMasked, grammar }: SubmitOptions) {
  const chooser = program.chooser!;
  const opened = { sampling: GREEDY, history: { promptIds: [], outputIds: [] }, grammar };
  const choices = Array.from({ length: answers }, () => chooser.open(opened));
  const rowsFrom = (start: number, tokens: readonly number[]): ChoosingRows[] =>
    choices.map((choice, n) => ({ tokens, start, pages: [[2 * n, 2 * n + 1]], slots: undefined, wanted: 'token', choice, isMasked }));
  const submit = async (start: number, tokens: readonly number[]) => {
    const { results, choose } = await chooser.submit({ sequences: rowsFrom(start, tokens), steps });
    choose?.(choices.map(() => new Uint32Array(Math.ceil(TINY.vocab / 32))));
    await results;
  };
  await submit(0, [3]);
  await submit(steps, []);
  const calls = await callsOf(() => submit(2 * steps, []));
  for (const choice of choices) chooser.close(choice);
  return calls;
}

it('of one answer, by submit of eight tokens', async () => {
  expect(await callsOfSubmit(1, { steps: STEPS, isMasked: false })).toMatchInlineSnapshot(`
    {
      "beginComputePass": 2,
      "copyBufferToBuffer": 1,
      "createCommandEncoder": 2,
      "dispatchWorkgroups": 128,
      "mapAsync": 1,
      "setBindGroup": 128,
      "setPipeline": 128,
      "submit": 2,
    }
  `);
});

it('of four answers, by submit of eight tokens of each', async () => {
  expect(await callsOfSubmit(4, { steps: STEPS, isMasked: false })).toMatchInlineSnapshot(`
    {
      "beginComputePass": 2,
      "copyBufferToBuffer": 1,
      "createCommandEncoder": 2,
      "dispatchWorkgroups": 120,
      "mapAsync": 1,
      "setBindGroup": 120,
      "setPipeline": 120,
      "submit": 2,
    }
  `);
});

it('of one answer whose grammar the device follows, by submit of eight tokens: two dispatches a token more', async () => {
  const free = await callsOfSubmit(1, { steps: STEPS, isMasked: false });
  const bound = await callsOfSubmit(1, { steps: STEPS, isMasked: false, grammar: ANY_BYTES });
  const dispatches = (free['dispatchWorkgroups'] as number) + 2 * STEPS;
  expect(bound).toEqual({ ...free, dispatchWorkgroups: dispatches, setBindGroup: dispatches, setPipeline: dispatches });
});

it('of one answer with a format whose masks the host makes, by token', async () => {
  expect(await callsOfSubmit(1, { steps: 1, isMasked: true })).toMatchInlineSnapshot(`
    {
      "beginComputePass": 2,
      "copyBufferToBuffer": 1,
      "createCommandEncoder": 2,
      "dispatchWorkgroups": 15,
      "mapAsync": 1,
      "setBindGroup": 15,
      "setPipeline": 15,
      "submit": 2,
      "writeBuffer": 1,
    }
  `);
});

/** Dispatches of a token, groups that they share, and pipelines, without the sampler's two dispatches. */
async function sharingOf(model: SynthModel, layers: number) {
  const plan = planOfShape({ model, type: 'q4_0', profile: PROFILES.nvidia, config: { layers } });
  const groupsOf = await groupsOfPlan(plan);
  return (['whole', 'split'] as const).map((attention) => {
    const groups = groupsOf(attention);
    const uses = groups.flatMap((group) => group.uses);
    return { dispatches: uses.length, groups: groups.length, pipelines: new Set(uses.map(({ kernel }) => kernel.key)).size };
  });
}

it('of a token whose layers share bind groups, by keys whole and split', async () => {
  expect(await sharingOf('qwen3-0.6b', 28)).toEqual([
    { dispatches: 142, groups: 30, pipelines: 13 }, { dispatches: 170, groups: 30, pipelines: 15 },
  ]);
  expect(await sharingOf('gemma-3-1b', 26)).toEqual([
    { dispatches: 133, groups: 27, pipelines: 30 }, { dispatches: 159, groups: 27, pipelines: 34 },
  ]);
});
