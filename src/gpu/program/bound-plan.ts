/** A plan with its pipelines, and bind groups as they are needed: what an encoder walks through. */
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipeline, Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import type { BufferRef, GridCounts, KernelUse } from '../plan/kernel-use.ts';
import type { StepMode } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';

export type BufferResolver = (ref: BufferRef) => GPUBufferBinding;

/** What is encoded of a dispatch. */
interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

export interface Dispatch {
  readonly label: string;
  /** Undefined where the kernel has not been compiled. */
  readonly bound: Bound | undefined;
  readonly workgroups: (counts: GridCounts) => Workgroups;
}

interface PlannedDispatch extends Dispatch {
  readonly kernel: Kernel;
}

export interface BoundPlan {
  /** The dispatches of a step of this mode. Those with workgroups are bound once {@link prepare} is done. */
  dispatches(mode: StepMode): readonly Dispatch[];
  /** Whether all that the plan may ever run is compiled. */
  readonly isCompiled: boolean;
  /** Compiles what a step runs; undefined where all of it is compiled. @throws as `Pipelines.get` */
  prepare(mode: StepMode, counts: GridCounts): Promise<void> | undefined;
  /** To be called when buffers that it refers to are new. */
  invalidate(): void;
}

/** Compiled kernels by key. */
export type PipelineMap = ReadonlyMap<string, Pipeline>;

/** Compiles kernels, all at the same time. @param onProgress is told how many are done, of how many */
export async function compileKernels(
  pipelines: Pipelines, kernels: readonly Kernel[], onProgress?: (done: number, total: number) => void,
): Promise<PipelineMap> {
  const distinct = new Map(kernels.map((kernel) => [kernel.key, kernel]));
  let done = 0;
  onProgress?.(done, distinct.size);
  const compiling = [...distinct].map(async ([key, kernel]) => {
    const pipeline = await pipelines.get(kernel);
    onProgress?.(++done, distinct.size);
    return [key, pipeline] as const;
  });
  return new Map(await Promise.all(compiling));
}

export interface BindOptions {
  readonly gpu: GpuDevice;
  readonly pipelines: Pipelines;
  readonly resolve: BufferResolver;
}

/** Undefined where the kernel has not been compiled. */
function bindUse({ kernel, buffers }: KernelUse, { gpu, pipelines, resolve }: BindOptions): Bound | undefined {
  const compiled = pipelines.ready(kernel);
  if (compiled === undefined) return undefined;
  const entries = kernel.bindings.map(({ name }, binding) => {
    const ref = buffers[name];
    if (ref === undefined) throw new Error(`gpu program: nothing is bound to ${name} of ${kernel.label}`);
    return { binding, resource: resolve(ref) };
  });
  return {
    pipeline: compiled.pipeline,
    group: gpu.device.createBindGroup({ label: kernel.label, layout: compiled.layout, entries }),
  };
}

/** Keeps the last answer: decode asks again for every token, and its steps are all of one size. */
function remembered(workgroups: Dispatch['workgroups']): Dispatch['workgroups'] {
  let last: { readonly counts: GridCounts; readonly answer: Workgroups } | undefined;
  return (counts) => {
    const { sizes, tiles, singles } = last?.counts ?? {};
    if (last === undefined || sizes !== counts.sizes || tiles !== counts.tiles || singles !== counts.singles)
      last = { counts, answer: workgroups(counts) };
    return last.answer;
  };
}

/** Equal for modes whose dispatches are the same. */
function keyOf({ rows, attention }: StepMode): string {
  let key: string = attention;
  for (const dim in rows) key += ` ${rows[dim]}`;
  return key;
}

export function bindPlan({ plan, kernels, usesOf }: PlannedSteps, options: BindOptions): BoundPlan {
  const { pipelines } = options;
  const bound = new Map<KernelUse, PlannedDispatch>();
  /** With how many kernels were compiled when a list was made that lacks some: they may be there now. */
  const lists = new Map<string, { readonly list: readonly PlannedDispatch[]; readonly lackingAt: number | undefined }>();
  const uncompiled = new Set(kernels);
  const dispatchOf = (use: KernelUse): PlannedDispatch => {
    const present = bound.get(use);
    if (present?.bound !== undefined) return present;
    const dispatch = { kernel: use.kernel, label: use.kernel.label, bound: bindUse(use, options), workgroups: remembered(use.workgroups) };
    bound.set(use, dispatch);
    return dispatch;
  };
  const dispatches = (mode: StepMode): readonly PlannedDispatch[] => {
    const key = keyOf(mode);
    const present = lists.get(key);
    const { readyCount } = pipelines;
    if (present !== undefined && (present.lackingAt === undefined || present.lackingAt === readyCount)) return present.list;
    const list = plan.steps.flatMap((step) => usesOf(step, mode)).map(dispatchOf);
    lists.set(key, { list, lackingAt: list.every((each) => each.bound !== undefined) ? undefined : readyCount });
    return list;
  };
  return {
    dispatches,
    get isCompiled() {
      for (const kernel of uncompiled) {
        if (pipelines.ready(kernel) === undefined) return false;
        uncompiled.delete(kernel);
      }
      return true;
    },
    prepare(mode, counts) {
      const missing = dispatches(mode).filter((each) => each.bound === undefined && each.workgroups(counts)[0] > 0);
      return missing.length === 0 ? undefined : compileKernels(pipelines, missing.map(({ kernel }) => kernel)).then(() => {});
    },
    invalidate() {
      bound.clear();
      lists.clear();
    },
  };
}

/** Encodes dispatches in order. */
export function encodeDispatches(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[], counts: GridCounts): void {
  const encode = dispatchEncoder(pass);
  for (const dispatch of dispatches) encode(dispatch, counts);
}

/**
 * Encodes a dispatch after another; false for one that has nothing to do. A pipeline that is set already is not set again: a call costs
 * nearly a microsecond. Each argument costs too, so those that would say 1 are left out.
 */
export function dispatchEncoder(pass: GPUComputePassEncoder): (dispatch: Dispatch, counts: GridCounts) => boolean {
  let last: GPUComputePipeline | undefined;
  return ({ label, bound, workgroups }, counts) => {
    const [x, y, z] = workgroups(counts);
    if (x === 0) return false;
    if (bound === undefined) throw new Error(`gpu program: ${label} was not compiled`);
    const { pipeline, group } = bound;
    if (pipeline !== last) pass.setPipeline(pipeline);
    last = pipeline;
    pass.setBindGroup(0, group);
    if (y === 1 && z === 1) pass.dispatchWorkgroups(x);
    else pass.dispatchWorkgroups(x, y, z);
    return true;
  };
}
