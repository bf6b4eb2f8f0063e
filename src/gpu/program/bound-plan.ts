/** A plan with its pipelines, and bind groups as they are needed: what an encoder walks through. */
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipeline, Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import type { BufferRef, GridCounts, KernelUse } from '../plan/kernel-use.ts';
import type { StepMode } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';

export type BufferResolver = (ref: BufferRef) => GPUBufferBinding;

/** A dispatch that is ready to be encoded. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: (counts: GridCounts) => Workgroups;
}

export interface BoundPlan {
  /** The dispatches of a step of this mode. */
  dispatches(mode: StepMode): readonly Dispatch[];
  /** To be called when buffers that it refers to are new. */
  invalidate(): void;
}

/** Compiled kernels by key. */
export type PipelineMap = ReadonlyMap<string, Pipeline>;

/** Compiles kernels, all at the same time. */
export async function compileKernels(pipelines: Pipelines, kernels: readonly Kernel[]): Promise<PipelineMap> {
  return new Map(await Promise.all(kernels.map(async (kernel) => [kernel.key, await pipelines.get(kernel)] as const)));
}

export interface BindOptions {
  readonly gpu: GpuDevice;
  readonly pipelines: PipelineMap;
  readonly resolve: BufferResolver;
}

function bindUse(
  { kernel, buffers }: Pick<KernelUse, 'kernel' | 'buffers'>,
  { gpu, pipelines, resolve }: BindOptions,
): Pick<Dispatch, 'pipeline' | 'group' | 'label'> {
  const compiled = pipelines.get(kernel.key);
  if (compiled === undefined) throw new Error(`gpu program: ${kernel.label} was not compiled`);
  const entries = kernel.bindings.map(({ name }, binding) => {
    const ref = buffers[name];
    if (ref === undefined) throw new Error(`gpu program: nothing is bound to ${name} of ${kernel.label}`);
    return { binding, resource: resolve(ref) };
  });
  const group = gpu.device.createBindGroup({ label: kernel.label, layout: compiled.layout, entries });
  return { pipeline: compiled.pipeline, group, label: kernel.label };
}

/** Keeps the last answer: decode asks again for every token, and its steps are all of one size. */
function remembered(workgroups: Dispatch['workgroups']): Dispatch['workgroups'] {
  let last: { readonly counts: GridCounts; readonly answer: Workgroups } | undefined;
  return (counts) => {
    if (last?.counts.sizes !== counts.sizes || last.counts.tiles !== counts.tiles) last = { counts, answer: workgroups(counts) };
    return last.answer;
  };
}

/** Equal for modes whose dispatches are the same. */
function keyOf({ rows, attention }: StepMode): string {
  let key: string = attention;
  for (const dim in rows) key += ` ${rows[dim]}`;
  return key;
}

export function bindPlan({ plan, usesOf }: PlannedSteps, options: BindOptions): BoundPlan {
  const bound = new Map<KernelUse, Dispatch>();
  const lists = new Map<string, readonly Dispatch[]>();
  const dispatchOf = (use: KernelUse): Dispatch => {
    const present = bound.get(use);
    if (present !== undefined) return present;
    const dispatch = { ...bindUse(use, options), workgroups: remembered(use.workgroups) };
    bound.set(use, dispatch);
    return dispatch;
  };
  return {
    dispatches(mode) {
      const key = keyOf(mode);
      const present = lists.get(key);
      if (present !== undefined) return present;
      const list = plan.steps.flatMap((step) => usesOf(step, mode).map(dispatchOf));
      lists.set(key, list);
      return list;
    },
    invalidate() {
      bound.clear();
      lists.clear();
    },
  };
}

/**
 * Encodes dispatches in order. A pipeline that is set already is not set again: a call costs nearly a microsecond. Each argument costs too,
 * so those that would say 1 are left out.
 */
export function encodeDispatches(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], counts: GridCounts): void {
  let last: GPUComputePipeline | undefined;
  for (const { pipeline, group, workgroups } of dispatches) {
    const [x, y, z] = workgroups(counts);
    if (x === 0) continue;
    if (pipeline !== last) pass.setPipeline(pipeline);
    last = pipeline;
    pass.setBindGroup(0, group);
    if (y === 1 && z === 1) pass.dispatchWorkgroups(x);
    else pass.dispatchWorkgroups(x, y, z);
  }
}
