/** Steps of one row whose dispatches share bind groups (shared-groups.ts): their buffer of values, their kernels, and both bound. */
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';
import type { AttentionMode } from '../plan/kernel-use.ts';
import type { BoundUse, Dispatch } from './bound-plan.ts';
import { bindGroups, planGroups } from './shared-groups.ts';
import type { SharedGroup } from './shared-groups.ts';
import { createValueArena } from './value-arena.ts';

export interface SharedSteps {
  readonly sizeBytes: number;
  /** Of all of its steps, each once. */
  readonly kernels: readonly Kernel[];
  /** A step's, in order; undefined while a kernel of it is not compiled: the plain dispatches leave the same. */
  dispatches(attention: AttentionMode): readonly Dispatch[] | undefined;
  /** As `BoundPlan.rebindStates`. */
  rebindStates(): void;
  destroy(): void;
}

export interface SharedStepsOptions {
  readonly gpu: Pick<GpuDevice, 'device' | 'limits' | 'createBuffer'>;
  readonly pipelines: Pick<Pipelines, 'ready'>;
  /** What a step binds by itself, as buffers are now. */
  readonly usesOf: (attention: AttentionMode) => readonly BoundUse[];
  /** The same of each of {@link SHARED_MODES} before there are states: other buffers may stand for theirs. */
  readonly planned: readonly (readonly BoundUse[])[];
  /** Ids of values that the host or the sampler write or read. */
  readonly held: ReadonlySet<number>;
}

interface Step {
  readonly groups: readonly SharedGroup[];
  readonly uncompiled: Set<Kernel>;
  bound: readonly Dispatch[] | undefined;
}

/**
 * Texts of a model, each of which compiles beside work. Layers that differ have many, as do those whose weights lie in several orders:
 * Qwen3-0.6B takes 26 (q4_0) and 43 (q4_k_m), Gemma 4 E2B would take 190, a mixture of Qwen3.5 358.
 */
const MOST_TEXTS = 64;

/** How a row's keys may be attended to. */
export const SHARED_MODES: readonly AttentionMode[] = ['whole', 'split'];

const kernelsOf = (groups: readonly SharedGroup[]) => groups.flatMap(({ uses }) => uses.map(({ kernel }) => kernel));

/**
 * Undefined where texts would be too many.
 * @throws CapacityError where there is no memory; Error for a step that has no such form
 */
export function createSharedSteps({ gpu, pipelines, usesOf, planned, held }: SharedStepsOptions): SharedSteps | undefined {
  const arena = createValueArena(gpu, planned.flat(), held);
  const planGroupsOf = (uses: readonly BoundUse[]) => planGroups(uses, arena.placeOf, gpu.limits);
  const steps = new Map<AttentionMode, Step>();
  const stepOf = (attention: AttentionMode): Step => {
    const present = steps.get(attention);
    if (present !== undefined) return present;
    const groups = planGroupsOf(usesOf(attention));
    const made = { groups, uncompiled: new Set(kernelsOf(groups)), bound: undefined };
    steps.set(attention, made);
    return made;
  };
  const kernels = new Map(planned.flatMap((uses) => kernelsOf(planGroupsOf(uses))).map((kernel) => [kernel.key, kernel]));
  if (kernels.size > MOST_TEXTS) {
    arena.buffer.destroy();
    return undefined;
  }
  return {
    sizeBytes: arena.buffer.size,
    kernels: [...kernels.values()],
    dispatches(attention) {
      if (!SHARED_MODES.includes(attention)) return undefined;
      const step = stepOf(attention);
      for (const kernel of step.uncompiled) {
        if (pipelines.ready(kernel) === undefined) return undefined;
        step.uncompiled.delete(kernel);
      }
      return (step.bound ??= bindGroups(step.groups, { gpu, pipelines }));
    },
    rebindStates() {
      steps.clear();
    },
    destroy() {
      arena.buffer.destroy();
    },
  };
}
