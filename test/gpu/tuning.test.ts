/** Tuning on the software adapter: kernels are really timed, a stored choice changes what a program runs and not what it computes. */
import { expect, it } from 'vitest';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import type { GpuTuning } from '../../src/gpu/tuning/background-tuning.ts';
import { planModel } from '../../src/gpu/plan/model-plan.ts';
import { standInWeights } from '../../src/gpu/tuning/stand-in-weights.ts';
import { createProfileTimer } from '../../src/gpu/tuning/time-profiles.ts';
import { tunablesOf, withKnob } from '../../src/gpu/tuning/tunables.ts';
import type { Program } from '../../src/graph/executor.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { GREEDY } from '../greedy.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

const profile = { ...TEST_PROFILES.int8, stepsPerSubmit: 4 };
const request = () => syntheticRequest({
  graph: syntheticGraph({ ...TINY, qkNorm: true }), typeOf: () => 'q4_0', kv: { type: 'f16', pageTokens: 64, maxPages: 4 },
});

async function openDevice(): Promise<GpuDevice> {
  const { adapter, problem } = await findAdapter('software');
  if (adapter === undefined) throw new Error(problem);
  return openGpuDevice(adapter);
}

async function load(tuning?: GpuTuning): Promise<Program> {
  return (await softwareExecutor({ profile, tuning })).load(request());
}

/** So many greedy tokens behind a first one. */
async function tokensOf(program: Program, steps: number): Promise<readonly number[]> {
  const { chooser } = program;
  if (chooser === undefined) throw new Error('no chooser');
  program.ensurePages(0, 2);
  const choice = chooser.open({ sampling: GREEDY, history: { promptIds: [], outputIds: [] } });
  const rows = { tokens: [3], start: 0, pages: [[0, 1]], slots: undefined, wanted: 'token', choice } as const;
  const { results } = await chooser.submit({ sequences: [rows], steps });
  const [first] = await results;
  return first!.tokens;
}

it('a knob is timed where kernels depend on it, each value by itself', async () => {
  const gpu = await openDevice();
  const { model, kv, sizes, weights } = request();
  const plan = planModel({ model, typeOf: (id) => (id.includes('norm') ? 'f32' : weights.get(id)!.type), kv, sizes, profile });
  const standIns = await standInWeights(gpu, plan.weights);
  let pieces = 0;
  const time = createProfileTimer({
    gpu, plan: { ...plan, decoder: plan.decoder! }, weights: standIns, mayWork: async () => void pieces++,
  });
  const [ofProducts, ofAttention] = tunablesOf(profile);
  const times = await time([profile, withKnob(profile, ofProducts!, 32), withKnob(profile, ofProducts!, 128)], ofProducts!);
  expect(times).toHaveLength(3);
  for (const microseconds of times!) expect(microseconds).toBeGreaterThan(0);
  expect(pieces).toBe(18);
  expect(await time([profile, profile], ofAttention!)).toBeUndefined();
  standIns.destroy();
  gpu.destroy();
});

it('what was found for the class is obeyed, and the tokens are the same', async () => {
  const knobs = [{ knob: 'gemvInt8.flatInvocations', outcome: 'taken', from: 64, to: 128 }] as const;
  const asked: string[] = [];
  const tuning: GpuTuning = {
    of(shape) {
      asked.push(shape);
      return { time: '', model: 'tiny', deviceMs: 1, isWhole: true, knobs };
    },
  };
  const programs = [await load(), await load(tuning)] as const;
  const [tokens, tuned] = [await tokensOf(programs[0], 4), await tokensOf(programs[1], 4)];
  expect(tuned).toEqual(tokens);
  expect(asked).toEqual(['narrow']);
  const plans = programs.map((program) => program.printPlan());
  expect(plans[1]).not.toBe(plans[0]);
  expect(programs.map(({ isTuned }) => isTuned)).toEqual([false, true]);
  for (const program of programs) await program.dispose();
}, 120_000);
