/** A plan with its pipelines, and bind groups as they are needed: what an encoder walks through. */
import type { RunPart } from '../../graph/executor.ts';
import { stepsOfPart } from '../../graph/run-check.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipeline, Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel, Workgroups } from '../kernel.ts';
import type { BufferRef, GridCounts, KernelUse } from '../plan/kernel-use.ts';
import type { StepMode } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';

export type BufferResolver = (ref: BufferRef) => GPUBufferBinding;

/** What is encoded of a kernel, whatever the step. */
interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

/** A dispatch of a step, which has workgroups. */
export interface Dispatch extends Bound {
  readonly label: string;
  readonly workgroups: Workgroups;
  /** It reads what the dispatch before it left in memory that all graphs share. */
  readonly goesOn?: boolean;
}

export interface BoundUse {
  readonly use: KernelUse;
  readonly workgroups: Workgroups;
  readonly resources: readonly GPUBufferBinding[];
}

export interface BoundPlan {
  /** The dispatches of a step of this mode, in order. @throws Error where {@link prepare} was not asked to compile them */
  dispatches(mode: StepMode, counts: GridCounts): readonly Dispatch[];
  /** What such a step binds, in the order of each kernel's bindings: for who binds it in another way. @param resolve default the plan's */
  bindings(mode: StepMode, counts: GridCounts, resolve?: BufferResolver): readonly BoundUse[];
  /** Whether all that the plan may ever run is compiled. */
  readonly isCompiled: boolean;
  /** Compiles what a step runs. @throws as `Pipelines.get` */
  prepare(mode: StepMode, counts: GridCounts): Promise<void>;
  /** To be called when the memory of states, or of rotary tables, is new: what refers to that is bound again. */
  rebindStates(): void;
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

function resourcesOf({ kernel, buffers }: KernelUse, resolve: BufferResolver): readonly GPUBufferBinding[] {
  return kernel.bindings.map(({ name }) => {
    const ref = buffers[name];
    if (ref === undefined) throw new Error(`gpu program: nothing is bound to ${name} of ${kernel.label}`);
    return resolve(ref);
  });
}

/** @throws Error for a kernel that is not compiled */
export function bindUse(use: KernelUse, { gpu, pipelines, resolve }: BindOptions): Bound {
  const { kernel } = use;
  const compiled = pipelines.ready(kernel);
  if (compiled === undefined) throw new Error(`gpu program: ${kernel.label} was not compiled`);
  const entries = resourcesOf(use, resolve).map((resource, binding) => ({ binding, resource }));
  return {
    pipeline: compiled.pipeline,
    group: gpu.device.createBindGroup({ label: kernel.label, layout: compiled.layout, entries }),
  };
}

/** Whether steps of one mode have the same workgroups. */
function isSameGrid(a: GridCounts, b: GridCounts): boolean {
  if (a.tiles !== b.tiles || a.singles !== b.singles) return false;
  if (a.sizes === b.sizes) return true;
  const names = Object.keys(a.sizes);
  return names.length === Object.keys(b.sizes).length && names.every((name) => a.sizes[name] === b.sizes[name]);
}

/** Whether it reads what the dispatch before it left in memory that all graphs share. */
function readsScratch({ kernel, buffers }: KernelUse): boolean {
  return kernel.bindings.some(({ name, access }) => access === 'read' && ['halves', 'partials'].includes(buffers[name]?.kind ?? ''));
}

/** Those of a part of a run, cut where nothing is left in memory that runs between two parts may write. */
export function dispatchesOfPart(part: RunPart, all: readonly Dispatch[]): readonly Dispatch[] {
  const [first, end] = stepsOfPart(part, all.length).map((at) => {
    let own = at;
    while (own < all.length && all[own]?.goesOn === true) own++;
    return own;
  });
  return all.slice(first, end);
}

function refersToStates({ kernel, buffers }: KernelUse): boolean {
  return kernel.bindings.some(({ name }) => ['state', 'rope'].includes(buffers[name]?.kind ?? ''));
}

/** Equal for modes whose dispatches are the same. */
function keyOf({ rows, attention }: StepMode): string {
  let key: string = attention;
  for (const dim in rows) key += ` ${rows[dim]}`;
  return key;
}

/**
 * What a step runs. A mode has kernels for any number of rows, of which a step takes few (of 16 rows of Qwen3-4B 291 of 1,630): those are
 * found once for all steps of one size.
 */
interface BoundStep {
  readonly counts: GridCounts;
  readonly uses: readonly { readonly use: KernelUse; readonly workgroups: Workgroups }[];
  /** Undefined before it is asked for. */
  dispatches: readonly Dispatch[] | undefined;
}

export function bindPlan({ plan, kernels, usesOf }: PlannedSteps, options: BindOptions): BoundPlan {
  const { pipelines } = options;
  const bound = new Map<KernelUse, Bound>();
  const modes = new Map<string, readonly KernelUse[]>();
  /** The last of each mode. */
  const steps = new Map<string, BoundStep>();
  const uncompiled = new Set(kernels);
  const boundOf = (use: KernelUse): Bound => {
    const made = bound.get(use) ?? bindUse(use, options);
    bound.set(use, made);
    return made;
  };
  const stepOf = (mode: StepMode, counts: GridCounts): BoundStep => {
    const key = keyOf(mode);
    const present = steps.get(key);
    if (present !== undefined && isSameGrid(present.counts, counts)) return present;
    const all = modes.get(key) ?? plan.steps.flatMap((step) => usesOf(step, mode));
    modes.set(key, all);
    const uses = all.map((use) => ({ use, workgroups: use.workgroups(counts) })).filter(({ workgroups }) => workgroups[0] > 0);
    const made: BoundStep = { counts, uses, dispatches: undefined };
    steps.set(key, made);
    return made;
  };
  return {
    dispatches(mode, counts) {
      const step = stepOf(mode, counts);
      return (step.dispatches ??= step.uses.map(({ use, workgroups }) => (
        { label: use.kernel.label, workgroups, ...boundOf(use), goesOn: readsScratch(use) })));
    },
    bindings: (mode, counts, resolve = options.resolve) =>
      stepOf(mode, counts).uses.map(({ use, workgroups }) => ({ use, workgroups, resources: resourcesOf(use, resolve) })),
    get isCompiled() {
      for (const kernel of uncompiled) {
        if (pipelines.ready(kernel) === undefined) return false;
        uncompiled.delete(kernel);
      }
      return true;
    },
    async prepare(mode, counts) {
      const missing = stepOf(mode, counts).uses.filter(({ use: { kernel } }) => pipelines.ready(kernel) === undefined);
      if (missing.length > 0) await compileKernels(pipelines, missing.map(({ use: { kernel } }) => kernel));
    },
    rebindStates() {
      for (const use of bound.keys()) if (refersToStates(use)) bound.delete(use);
      for (const step of steps.values()) step.dispatches = undefined;
    },
  };
}

/** Encodes dispatches in order. */
export function encodeDispatches(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]): void {
  const encode = dispatchEncoder(pass);
  for (const dispatch of dispatches) encode(dispatch);
}

/**
 * Encodes a dispatch after another. A pipeline, or a group, that is set already is not set again: a call costs up to a microsecond. Each
 * argument costs too, so those that would say 1 are left out.
 */
export function dispatchEncoder(pass: GPUComputePassEncoder): (dispatch: Dispatch) => void {
  let last: GPUComputePipeline | undefined;
  let lastGroup: GPUBindGroup | undefined;
  return ({ pipeline, group, workgroups: [x, y, z] }) => {
    if (pipeline !== last) pass.setPipeline(pipeline);
    last = pipeline;
    if (group !== lastGroup) pass.setBindGroup(0, group);
    lastGroup = group;
    if (y === 1 && z === 1) pass.dispatchWorkgroups(x);
    else pass.dispatchWorkgroups(x, y, z);
  };
}
