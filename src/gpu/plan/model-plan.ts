/** Everything that a device profile makes of a graph before there is a device: both plans, their kernels, the sampler, the sizes. */
import type { KvLayout } from '../../graph/executor.ts';
import { outputOf } from '../../graph/graph.ts';
import type { Graph } from '../../graph/graph.ts';
import { STEP_LOGITS } from '../../graph/step-batch.ts';
import { widthOf } from '../../graph/value.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { Kernel } from '../kernel.ts';
import { repackKernel } from '../kernels/repack/repack-kernel.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { samplerKernels } from '../sampling/sampler-kinds.ts';
import type { SamplerShape } from '../sampling/sampler-kinds.ts';
import { tileRowsOf } from '../ops/attention.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuStep } from '../ops/index.ts';
import type { TypeOf, UseOptions } from './gpu-op-rules.ts';
import type { KernelUse, StepMode } from './kernel-use.ts';
import { formOf, kernelUses, modesOf } from './kernel-uses.ts';
import { planForGpu } from './lower.ts';
import type { GpuPlan } from './lower.ts';
import type { PlannedMatrix, PlannedVector, PlannedWeights } from './planned-weights.ts';

export interface ModelPlanOptions {
  readonly graph: Graph;
  readonly typeOf: TypeOf;
  readonly profile: DeviceProfile;
  readonly kv: KvLayout;
  readonly maxRows: number;
  /** Fusion rules to leave out, by name. */
  readonly withoutRules?: readonly string[] | undefined;
}

/** A plan and the kernels of each of its steps, in all modes in which it may run. */
export interface PlannedSteps {
  readonly plan: GpuPlan;
  usesOf(step: GpuStep, mode: StepMode): readonly KernelUse[];
  /** Each kernel once. */
  readonly kernels: readonly Kernel[];
}

export interface ModelPlan {
  /** One row whose logits are wanted: decode. */
  readonly one: PlannedSteps;
  /** Any rows: prefill, and decode of several sequences. */
  readonly many: PlannedSteps;
  /** Keeps every tap of the graph. */
  readonly tapped: () => PlannedSteps;
  readonly weights: PlannedWeights;
  readonly sampler: SamplerShape;
  readonly samplerKernels: readonly Kernel[];
  /** What turns the file's weights into planes. */
  readonly repackKernels: readonly Kernel[];
  /** Most rows whose logits one step computes. */
  readonly maxOutRows: number;
  readonly maxRows: number;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
  readonly options: ModelPlanOptions;
}

/** The sampler's last kernel is one workgroup, so a large one. */
const MOST_SAMPLER_INVOCATIONS = 1024;

export function vocabOf(graph: Graph): number {
  return widthOf(outputOf(graph, 'logits'));
}

function planSteps(plan: GpuPlan, options: UseOptions): PlannedSteps {
  const uses = new Map<GpuStep, Map<string, readonly KernelUse[]>>(plan.steps.map((step) => [step, new Map()]));
  const kernels = new Map<string, Kernel>();
  for (const mode of modesOf(options.single ? 'one' : 'many')) {
    for (const [step, ofStep] of uses) {
      const form = String(formOf(step, mode));
      if (ofStep.has(form)) continue;
      const made = kernelUses(step, mode, options);
      ofStep.set(form, made);
      for (const { kernel } of made) kernels.set(kernel.key, kernel);
    }
  }
  const usesOf = (step: GpuStep, mode: StepMode) => {
    const form = formOf(step, mode);
    if (form === undefined) return [];
    const made = uses.get(step)?.get(String(form));
    if (made === undefined) throw new Error(`gpu plan: step ${step.label} was not planned for ${form}`);
    return made;
  };
  return { plan, usesOf, kernels: [...kernels.values()] };
}

/** @throws CapacityError for a graph that the kernels have no form for */
function checkGraph({ graph }: ModelPlanOptions): void {
  for (const { keyDim, valueDim } of graph.states) {
    if (keyDim % 4 !== 0) throw new CapacityError(`The GPU's attention takes heads of a multiple of 4 values; ${graph.name} has ${keyDim}. Use the CPU.`);
    if (keyDim !== valueDim) throw new CapacityError(`The GPU's attention takes keys and values of equal width; ${graph.name} has ${keyDim} and ${valueDim}. Use the CPU.`);
  }
}

export function planModel(options: ModelPlanOptions): ModelPlan {
  checkGraph(options);
  const { graph, typeOf, profile, kv, withoutRules } = options;
  const activations = profile.activations === 'int8' ? 'int8' : 'float';
  const planned = (rows: 'one' | 'many', taps?: ReturnType<typeof tapsOf>) =>
    planSteps(planForGpu(graph, { typeOf, activations, rows, taps, withoutRules }), { profile, typeOf, single: rows === 'one', kv });
  const one = planned('one');
  const many = planned('many');
  const weights = weightsOfSteps([...one.plan.steps, ...many.plan.steps], typeOf);
  const types = new Set([...weights.matrices.values()].map(({ type }) => type));
  const vocab = vocabOf(graph);
  const sampler = { vocab, invocations: Math.min(MOST_SAMPLER_INVOCATIONS, profile.invocations) };
  return {
    one, many, options, sampler, weights,
    tapped: () => planned('many', tapsOf(graph)),
    repackKernels: [...types].map((type) => repackKernel({ format: packedFormatOf(type) })),
    samplerKernels: samplerKernels(sampler),
    maxRows: options.maxRows,
    tileRows: tileRowsOf(many.plan.steps, { profile, kv }),
    maxOutRows: Math.max(1, Math.min(options.maxRows, Math.floor(STEP_LOGITS / vocab))),
  };
}

/** Every matrix and vector that the steps read, once. */
function weightsOfSteps(steps: readonly GpuStep[], typeOf: TypeOf): PlannedWeights {
  const matrices = new Map<string, PlannedMatrix>();
  const vectors = new Map<string, PlannedVector>();
  for (const { op } of steps) {
    const rules = gpuRulesOf(op);
    for (const matrix of rules.matrices?.(op, typeOf) ?? []) matrices.set(matrix.key, matrix);
    for (const vector of rules.vectors?.(op) ?? []) if (vector !== undefined) vectors.set(vector.key, vector);
  }
  return { matrices, vectors };
}

/** Every kernel that loading and running a model may take, each once. */
export function kernelsOfModel({ one, many, tapped, samplerKernels: samplers, repackKernels }: ModelPlan): readonly Kernel[] {
  const all = [...repackKernels, ...one.kernels, ...many.kernels, ...tapped().kernels, ...samplers];
  return [...new Map(all.map((kernel) => [kernel.key, kernel])).values()];
}

function tapsOf(graph: Graph) {
  return [...graph.taps.values()];
}
