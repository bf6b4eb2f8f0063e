/**
 * Times a decoded token by several profiles on a device: only the kernels in which they differ, over all layers, so that each finds its
 * weights in memory and not in a cache. Values and states lie in memory of the timer's own; weights may be a loaded model's, which no
 * kernel writes.
 */
import type { DimSizes } from '../../graph/dims.ts';
import { sizesOf } from '../../graph/dims.ts';
import { inputOf } from '../../graph/graph.ts';
import { tokenGraphNames } from '../../graph/model-graphs.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { createPipelines } from '../device/pipeline-cache.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import { partialsBytes } from '../ops/attention.ts';
import { modeOf } from '../plan/kernel-use.ts';
import type { KernelUse, StepCounts } from '../plan/kernel-use.ts';
import type { DecoderPlan, ModelPlan } from '../plan/model-plan.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { createActivations } from '../program/activations.ts';
import { bindUse, compileKernels, encodeDispatches } from '../program/bound-plan.ts';
import type { BufferResolver, Dispatch } from '../program/bound-plan.ts';
import { resolverOf } from '../program/program-parts.ts';
import { SequenceInputs } from '../program/sequence-inputs.ts';
import { createStateMemory } from '../program/state-memory.ts';
import type { LoadedWeights } from '../weights/weight-request.ts';
import type { TimeProfiles } from './tune-knobs.ts';

export interface TimerOptions {
  readonly gpu: GpuDevice;
  /** Of a model that makes tokens. */
  readonly plan: ModelPlan & { readonly decoder: DecoderPlan };
  readonly weights: LoadedWeights;
  /** Resolves when a piece of work (some {@link PIECE_MS}) may begin. What it rejects with ends the run. */
  readonly mayWork: () => Promise<void>;
  /** Told how long the device worked on a piece. */
  readonly onWork?: ((milliseconds: number) => void) | undefined;
}

/** A call that comes meanwhile waits no longer than for one piece. */
const PIECE_MS = 10;
const MOST_TOKENS = 200;
const ROUNDS = 5;

export function createProfileTimer(options: TimerOptions): TimeProfiles {
  const { gpu, plan: { decoder } } = options;
  const pipelines = createPipelines(gpu);
  return async (profiles, { keys }) => {
    const [first] = profiles as readonly [DeviceProfile, ...DeviceProfile[]];
    const sizes: DimSizes = Object.fromEntries(Object.keys(decoder.limits).map((dim) => [dim, 1]));
    const counts = { sizes, tiles: 0, singles: 1, keys };
    const mode = modeOf(counts, keys >= first.knobs.attention.splitFrom ? 'split' : 'whole');
    const steps = decoder.one.plan.steps;
    const lists = differing(profiles.map((profile) => {
      const usesOf = decoder.one.usesBy(profile);
      return steps.map((step) => usesOf(step, mode));
    }), counts);
    if (lists.every((list) => list.length === 0)) return undefined;
    const memory = await takeMemory(options, counts, profiles);
    try {
      const bound = await Promise.all(lists.map((uses) => bindAll(uses, { gpu, pipelines, resolve: memory.resolve }, counts)));
      return await timeInTurns(bound, options);
    } finally {
      memory.destroy();
    }
  };
}

/** Of each profile the uses of those steps in which not all do the same. */
function differing(all: readonly (readonly (readonly KernelUse[])[])[], counts: StepCounts): readonly (readonly KernelUse[])[] {
  const textOf = (uses: readonly KernelUse[]) => uses.map(({ kernel, workgroups }) => `${kernel.key} ${workgroups(counts).join()}`).join();
  const [first = []] = all;
  const isOther = first.map((uses, i) => all.some((each) => textOf(each[i] ?? []) !== textOf(uses)));
  return all.map((each) => each.filter((_, i) => isOther[i]).flat());
}

interface Memory {
  readonly resolve: BufferResolver;
  destroy(): void;
}

/** Values of one row, and states of so many keys. @throws CapacityError where there is none */
function takeMemory(
  { gpu, plan, weights }: TimerOptions, { sizes, keys }: StepCounts, profiles: readonly DeviceProfile[],
): Promise<Memory> {
  const { decoder, options: { model, kv: given } } = plan;
  const all = sizesOf(decoder.graph.derivedDims, sizes);
  const pages = Math.ceil(keys / given.pageTokens);
  const kv = { ...given, maxPages: pages };
  return gpu.guard('Allocating what kernels are timed on', () => {
    const activations = createActivations({ gpu, plan: decoder.one.plan, sizes: all, shared: new Map() });
    const state = createStateMemory({ gpu, model, kv, rows: 1, snapshots: 0 });
    for (const [arena, count] of [...state.groups.map((group) => [group, pages] as const), [state.slots, 2], [state.tables, keys]] as const)
      arena.grow(count)?.keep();
    const inputs = new SequenceInputs({
      gpu, sizes: all, rows: 1, maxPages: pages, groups: state.groups.length, tileRows: decoder.tileRows,
    });
    const size = Math.max(decoder.one.partialBytes, ...profiles.map((profile) => partialsBytes(decoder.graph, { profile, rows: 1 })));
    const partials = gpu.createBuffer({ label: 'partial results of timing', size, usage: STORAGE_USAGE });
    const numbers = Array.from({ length: pages }, (_, i) => i);
    inputs.write(sizes, [{ start: keys - 1, rows: 1, pages: state.groups.map(() => numbers), slots: { read: 0, write: 1 } }]);
    const names = tokenGraphNames(model);
    if (names !== undefined)
      gpu.queue.writeBuffer(activations.bufferOf(inputOf(decoder.graph, names.positions)), 0, Int32Array.of(keys - 1));
    return {
      resolve: resolverOf({ weights, state, partials, halves: undefined }, activations, inputs),
      destroy() {
        activations.destroy();
        state.destroy();
        inputs.destroy();
        partials.destroy();
      },
    };
  });
}

interface Binding {
  readonly gpu: GpuDevice;
  readonly pipelines: Pipelines;
  readonly resolve: BufferResolver;
}

/** Undefined where the device cannot run one of the kernels. */
async function bindAll(uses: readonly KernelUse[], binding: Binding, counts: StepCounts): Promise<readonly Dispatch[] | undefined> {
  const { gpu, pipelines } = binding;
  try {
    await compileKernels(pipelines, uses.map(({ kernel }) => kernel));
  } catch {
    gpu.throwIfLost();
    return undefined;
  }
  const all = uses.map((use) => ({ label: use.kernel.label, workgroups: use.workgroups(counts), ...bindUse(use, binding) }));
  return all.filter(({ workgroups: [x] }) => x > 0);
}

/** Microseconds of each list; NaN for one that there is not. The order turns from round to round. */
async function timeInTurns(lists: readonly (readonly Dispatch[] | undefined)[], options: TimerOptions): Promise<readonly number[]> {
  const times = lists.map((): number[] => []);
  const tokens = lists.map(() => 1);
  for (let round = -1; round < ROUNDS; round++) {
    for (let turn = 0; turn < lists.length; turn++) {
      const n = (turn + Math.max(0, round)) % lists.length;
      const [list, count] = [lists[n], tokens[n] as number];
      if (list === undefined) continue;
      const ms = await timePiece(list, count, options);
      // Kernels are there and caches are as they will be: how many tokens make a piece.
      if (round < 0) tokens[n] = Math.max(1, Math.min(MOST_TOKENS, Math.round(PIECE_MS / ms)));
      else times[n]?.push((ms * 1000) / count);
    }
  }
  return times.map((each) => (each.length === 0 ? NaN : median(each)));
}

async function timePiece(list: readonly Dispatch[], tokens: number, { gpu, mayWork, onWork }: TimerOptions): Promise<number> {
  await mayWork();
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let token = 0; token < tokens; token++) encodeDispatches(pass, list);
  pass.end();
  const commands = encoder.finish();
  const start = performance.now();
  gpu.queue.submit([commands]);
  await gpu.pending(gpu.queue.onSubmittedWorkDone());
  const milliseconds = performance.now() - start;
  onWork?.(milliseconds);
  return milliseconds;
}

/** Of an odd number of figures. */
function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] as number;
}
