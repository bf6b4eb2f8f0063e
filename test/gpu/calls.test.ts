/**
 * Calls of WebGPU that a decoded token takes: they are what the host of a fast GPU is busy with (docs/experiments.md), so more of them have
 * to be seen here first. Dawn's null backend binds too few buffers for these kernels, and its calls are no others.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { ChoosingRows, Program } from '../../src/graph/executor.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { TEST_PROFILES } from './executor-check.ts';

const STEPS = 8;
const GREEDY = {
  temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1,
} as const;
/** By class, those that a step may take; what is made of a device stays. */
const COUNTED = {
  GPUComputePassEncoder: ['setPipeline', 'setBindGroup', 'dispatchWorkgroups'],
  GPUCommandEncoder: ['beginComputePass', 'copyBufferToBuffer'],
  GPUQueue: ['submit', 'writeBuffer'],
  GPUBuffer: ['mapAsync'],
  GPUDevice: ['createBuffer', 'createBindGroup', 'createCommandEncoder'],
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

/** Calls by name, of `work`. */
async function callsOf(work: () => Promise<void>): Promise<Record<string, number>> {
  const spies = Object.entries(COUNTED).flatMap(([name, methods]) => {
    const { prototype } = (globalThis as unknown as Record<string, { readonly prototype: Record<string, () => void> }>)[name]!;
    return methods.map((method) => [method, vi.spyOn(prototype, method)] as const);
  });
  await work();
  const counts = spies.map(([method, spy]) => [method, spy.mock.calls.length] as const);
  vi.restoreAllMocks();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Calls of a submit of answers that go on, `steps` tokens each, once another one like it has put all in place. */
async function callsOfSubmit(answers: number, { steps, isMasked }: { readonly steps: number; readonly isMasked: boolean }) {
  const chooser = program.chooser!;
  const choices = Array.from({ length: answers }, () => chooser.open({ sampling: GREEDY, history: { promptIds: [], outputIds: [] } }));
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

it('of one answer with a format, by token', async () => {
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
