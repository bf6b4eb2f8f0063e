/**
 * Steps whose kernels would bind more buffers, or take more of a workgroup's memory or invocations, than a device has are cut into steps
 * that fit. What a step needs is read from its kernels, for every way in which it may come.
 */
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { beyondLimits } from '../kernel.ts';
import type { Kernel } from '../kernel.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import type { CutContext, UseOptions } from './gpu-op-rules.ts';
import type { GpuValue } from './gpu-value.ts';
import { attentionModes, ROW_CLASSES } from './kernel-use.ts';

export interface LimitOptions extends Omit<UseOptions, 'single'> {
  /** The first kernel of each key: its text is made once. */
  known(kernel: Kernel): Kernel;
}

/** The device that fused steps must fit. */
export interface DeviceChoices {
  readonly check: LimitCheck;
  readonly options: LimitOptions;
}

/** Says which kernel of a step does not fit, and why. Steps that differ in nothing but names are looked at once. */
export type LimitCheck = (step: GpuStep) => string | undefined;

export function createLimitCheck(options: LimitOptions): LimitCheck {
  const known = new Map<string, string | undefined>();
  /** Kernels of equal keys have one text, which is long in the making. */
  const ofKernels = new Map<string, string | undefined>();
  const problemOf = (kernel: Kernel) => {
    if (!ofKernels.has(kernel.key)) ofKernels.set(kernel.key, beyondLimits(options.known(kernel), options.profile)[0]);
    return ofKernels.get(kernel.key);
  };
  return (step) => {
    const key = signatureOf(step, options.typeOf);
    if (!known.has(key)) known.set(key, firstProblem(step, options, problemOf));
    return known.get(key);
  };
}

/** One row and many alike, so that both plans of a graph read the same matrices. */
function firstProblem(
  step: GpuStep, options: LimitOptions, problemOf: (kernel: Kernel) => string | undefined,
): string | undefined {
  const { uses, form, isOfOneRow } = gpuRulesOf(step.op);
  for (const single of isOfOneRow?.(step.op) ? [true] : [true, false]) {
    for (const rows of single ? (['one'] as const) : form === 'rows' || form === 'both' ? ROW_CLASSES : (['many'] as const)) {
      for (const attention of form === 'attention' || form === 'both' ? attentionModes(options.profile) : (['tiles'] as const)) {
        for (const { kernel } of uses(step, { rows, attention }, { ...options, single })) {
          const problem = problemOf(kernel);
          if (problem !== undefined) return `${kernel.label} ${problem}`;
        }
      }
    }
  }
  return undefined;
}

/** All that the kernels of a step depend on: its op with weights' types for their names, and the shapes of its values. */
function signatureOf({ op, inputs, outputs }: GpuStep, typeOf: TypeOf): string {
  const shapes = [inputs, outputs].map((values) => values.map(({ dtype, shape }) => [dtype, shape]));
  return JSON.stringify([op, shapes], function (this: object, key, value: unknown) {
    if (key === 'index') return undefined;
    if (ArrayBuffer.isView(value)) return value.byteLength;
    if (key !== 'id') return value;
    return 'shape' in this && 'id' in this && (this.shape as readonly unknown[]).length > 1 ? typeOf(value as string) : undefined;
  });
}

/** The cutting as a rule of a plan, after those that fuse. @throws CapacityError naming a step that no cut makes small enough */
export function cutToLimits(check: LimitCheck, choices: Pick<LimitOptions, 'profile' | 'typeOf'>): FusionRule<GpuOp, GpuValue> {
  let nextId = FIRST_FRESH_ID;
  const fresh: CutContext['fresh'] = (shape, label) => ({ id: nextId++, dtype: 'f32', shape, label });
  return {
    name: 'cut-to-limits',
    match(read, context) {
      const step = withMadeInputs(read, context);
      const problem = check(step);
      if (problem === undefined) return undefined;
      const cuts = gpuRulesOf(step.op).cuts?.(step, { ...context, choices, fresh } as CutContext) ?? [];
      const cut = cuts.find(({ by }) => by.every((part) => check(part as GpuStep) === undefined)) ?? cuts[0];
      if (cut === undefined) {
        const device = `the device (profile ${choices.profile.name})`;
        throw new CapacityError(
          `The GPU cannot run ${step.label}: ${problem} that ${device} has, and there is no smaller form. Use the CPU.`,
        );
      }
      return { replaced: cut.replaced.map((each) => (each === step ? read : each)) as GpuStep[], by: cut.by as GpuStep[] };
    },
  };
}

/** Graphs count their values from zero, and int8 forms go below. */
const FIRST_FRESH_ID = 2 ** 40;

/** Rules change the dtype of what a step makes; its readers may still name the value as it was. */
export function withMadeInputs(step: GpuStep, { producerOf }: Pick<FusionContext<GpuOp, GpuValue>, 'producerOf'>): GpuStep {
  const made = (value: GpuValue) => producerOf(value)?.outputs.find(({ id }) => id === value.id) ?? value;
  return { ...step, inputs: step.inputs.map(made) };
}
