import { expect, it } from 'vitest';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipeline, Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';
import type { GridCounts, KernelUse, StepMode } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';
import { bindPlan, encodeDispatches } from './bound-plan.ts';
import type { Dispatch } from './bound-plan.ts';

const BUFFERS = { weights: { kind: 'plane' }, few: { kind: 'partials' }, more: { kind: 'state', state: 0 } };

/** Kernels of up to 16 rows, and of 16 and more over a state, in the list of one mode; each compiles when the test says so. */
function planOfTwo() {
  const compiled = new Map<string, Pipeline>();
  const compile = (kernel: Kernel) => compiled.set(kernel.key, { kernel, pipeline: kernel.key, layout: kernel.key } as unknown as Pipeline);
  const kernelOf = (key: string) => ({ key, label: key, bindings: [{ name: 'weights' }, { name: key }] }) as unknown as Kernel;
  const [few, more] = [kernelOf('few'), kernelOf('more')];
  const useOf = (kernel: Kernel, isRun: (rows: number) => boolean) =>
    ({
      kernel, buffers: BUFFERS, workgroups: ({ sizes: { rows = 0 } }: GridCounts) => [isRun(rows) ? 1 : 0, 1, 1],
    }) as unknown as KernelUse;
  const uses = [useOf(few, (rows) => rows <= 16), useOf(more, (rows) => rows >= 16)];
  const pipelines: Pipelines = {
    async get(kernel) {
      compile(kernel);
      return compiled.get(kernel.key) as Pipeline;
    },
    ready: ({ key }) => compiled.get(key),
    get readyCount() {
      return compiled.size;
    },
  };
  /** Labels of the bind groups that were made. */
  const groups: string[] = [];
  const createBindGroup = ({ label }: { label: string }) => ({ number: groups.push(label) });
  const gpu = { device: { createBindGroup } } as unknown as GpuDevice;
  const steps = { plan: { steps: [{}] }, kernels: [few, more], usesOf: () => uses } as unknown as PlannedSteps;
  const plan = bindPlan(steps, { gpu, pipelines, resolve: () => ({}) as GPUBufferBinding });
  return { plan, few, compile, groups };
}

const MODE: StepMode = { rows: { rows: 'many' }, attention: 'whole' };
const counts = (rows: number) => ({ sizes: { rows }, tiles: 0 });

it('a step has the dispatches of its own size', async () => {
  const { plan } = planOfTwo();
  for (const [rows, label] of [[4, 'few'], [20, 'more'], [4, 'few']] as const) {
    await plan.prepare(MODE, counts(rows));
    expect(plan.dispatches(MODE, counts(rows)).map((dispatch) => [dispatch.label, dispatch.workgroups])).toEqual([[label, [1, 1, 1]]]);
  }
});

it('steps of one size share a list', async () => {
  const { plan } = planOfTwo();
  await plan.prepare(MODE, counts(4));
  expect(plan.dispatches(MODE, counts(4))).toBe(plan.dispatches(MODE, { ...counts(4) }));
});

it('what a step binds is told for each of its kernels, in the order of its bindings', () => {
  const { plan } = planOfTwo();
  const bound = plan.bindings(MODE, { sizes: { rows: 16 }, tiles: 0 });
  expect(bound.map(({ use, workgroups, resources }) => [use.kernel.label, workgroups, resources.length])).toEqual([
    ['few', [1, 1, 1], 2], ['more', [1, 1, 1], 2],
  ]);
});

it('neither a pipeline nor a group that is set already is set again', () => {
  const calls: string[] = [];
  const pass = new Proxy({}, { get: (_, name) => (...values: unknown[]) => calls.push(`${String(name)} ${values.join(' ')}`) });
  const dispatchOf = (pipeline: string, group: string) => ({ label: '', pipeline, group, workgroups: [3, 1, 1] }) as unknown as Dispatch;
  encodeDispatches(pass as GPUComputePassEncoder, [dispatchOf('p', 'g'), dispatchOf('p', 'h'), dispatchOf('q', 'h')]);
  expect(calls).toEqual([
    'setPipeline p', 'setBindGroup 0 g', 'dispatchWorkgroups 3', 'setBindGroup 0 h', 'dispatchWorkgroups 3', 'setPipeline q',
    'dispatchWorkgroups 3',
  ]);
});

it('when the memory of states is new, only what refers to it is bound again', async () => {
  const { plan, groups } = planOfTwo();
  const both = { sizes: { rows: 16 }, tiles: 0 };
  await plan.prepare(MODE, both);
  const before = plan.dispatches(MODE, both);
  expect(groups).toEqual(['few', 'more']);
  plan.rebindStates();
  const after = plan.dispatches(MODE, both);
  expect(groups).toEqual(['few', 'more', 'more']);
  expect(after.map(({ group }, i) => group === before[i]?.group)).toEqual([true, false]);
});

it('what a step runs is compiled before it, and no more', async () => {
  const { plan, few, compile } = planOfTwo();
  compile(few);
  await plan.prepare(MODE, counts(4));
  expect(plan.isCompiled).toBe(false);
  expect(() => plan.dispatches(MODE, counts(20))).toThrow('more was not compiled');
  await plan.prepare(MODE, counts(20));
  expect(plan.isCompiled).toBe(true);
  expect(plan.dispatches(MODE, counts(20))).toHaveLength(1);
});
