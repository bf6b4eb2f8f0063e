/** Everything that a device profile makes of a model before there is a device: its plans, their kernels, the sampler, the sizes. */
import { sizesOf } from '../../graph/dims.ts';
import type { DimSizes } from '../../graph/dims.ts';
import type { KvLayout } from '../../graph/executor.ts';
import { outputOf } from '../../graph/graph.ts';
import type { Graph } from '../../graph/graph.ts';
import { graphOf, tokenGraphNames } from '../../graph/model-graphs.ts';
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import { sequenceDim } from '../../graph/run-check.ts';
import { largestSizes, tapSizes } from '../../graph/run-sizes.ts';
import { widthOf } from '../../graph/value.ts';
import { pagedStates } from '../../graph/state.ts';
import type { Value } from '../../graph/value.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { Kernel } from '../kernel.ts';
import { repackKernel } from '../kernels/repack/repack-kernel.ts';
import { listedTileRows } from '../ops/attention.ts';
import { gpuRulesOf } from '../ops/index.ts';
import type { GpuStep } from '../ops/index.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { grammarKernels, samplerKernels } from '../sampling/sampler-kinds.ts';
import type { SamplerShape } from '../sampling/sampler-kinds.ts';
import { createLimitCheck } from './device-limits.ts';
import type { LimitOptions } from './device-limits.ts';
import type { UseOptions } from './gpu-op-rules.ts';
import { hasTiles, modeOf } from './kernel-use.ts';
import type { AttentionMode, GridCounts, KernelUse, StepMode } from './kernel-use.ts';
import { formOf, isPossible, kernelUses, modesOf } from './kernel-uses.ts';
import { planForGpu } from './lower.ts';
import type { GpuPlan } from './lower.ts';
import type { MatrixChoices, PlannedMatrix, PlannedVector, PlannedWeights } from './planned-weights.ts';

export interface ModelPlanOptions {
  readonly model: ModelGraphs;
  readonly typeOf: TypeOf;
  readonly profile: DeviceProfile;
  readonly kv: KvLayout;
  /** Largest sizes of dims, as the caller sets them. */
  readonly sizes: DimSizes;
  /** Fusion rules to leave out, by name. */
  readonly withoutRules?: readonly string[] | undefined;
}

/** A plan and the kernels of each of its steps, in all modes in which it may run. */
export interface PlannedSteps {
  readonly plan: GpuPlan;
  usesOf(step: GpuStep, mode: StepMode): readonly KernelUse[];
  /** The kernels that a step would have by a profile with other knobs. */
  usesBy(profile: DeviceProfile): (step: GpuStep, mode: StepMode) => readonly KernelUse[];
  /** Each kernel once. */
  readonly kernels: readonly Kernel[];
  /** Most bytes of partial results of a product. */
  readonly partialBytes: number;
  /** Most bytes of what becomes halves; 0: nothing does. */
  readonly halvesBytes: number;
}

/** The plans of one graph for any sizes. */
export interface GraphPlan {
  readonly graph: Graph;
  readonly many: PlannedSteps;
  /** Keeps every tap of the graph. */
  readonly tapped: () => PlannedSteps;
  /** Largest sizes of the dims that a run gives, and of one that keeps taps. */
  readonly limits: DimSizes;
  readonly tapLimits: DimSizes;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
}

/** The plans of the graph that makes logits, and of what is done with them. */
export interface DecoderPlan extends GraphPlan {
  /** One row whose logits are wanted. */
  readonly one: PlannedSteps;
  /** [outRows, vocab]. */
  readonly logits: Value;
  readonly sampler: SamplerShape;
  readonly samplerKernels: readonly Kernel[];
  /** Of answers with a format. */
  readonly grammarKernels: readonly Kernel[];
}

export interface ModelPlan {
  readonly graphs: ReadonlyMap<string, GraphPlan>;
  /** Undefined for a model that predicts no tokens. */
  readonly decoder: DecoderPlan | undefined;
  readonly weights: PlannedWeights;
  /** What turns the file's weights into planes. */
  readonly repackKernels: readonly Kernel[];
  /** Most rows of a step of the decoder, or of the first graph of a model that has none. */
  readonly maxRows: number;
  readonly options: ModelPlanOptions;
}

/** The sampler's last kernel is one workgroup, so a large one. */
const MOST_SAMPLER_INVOCATIONS = 1024;

interface StepsOptions extends UseOptions {
  /** Most rows of every dim. */
  readonly most: DimSizes;
  /** Whether a sequence has several rows in some run. */
  readonly hasTiles: boolean;
  readonly known: LimitOptions['known'];
}

function planSteps(plan: GpuPlan, options: StepsOptions): PlannedSteps {
  const uses = new Map<GpuStep, Map<string, readonly KernelUse[]>>(plan.steps.map((step) => [step, new Map()]));
  const kernels = new Map<string, Kernel>();
  let most = 0;
  let mostHalves = 0;
  for (const mode of modesOf(options.single ? 'one' : 'many', Object.keys(options.most), options.profile)) {
    if (hasTiles(mode.attention) && !options.hasTiles) continue;
    for (const [step, ofStep] of uses) {
      const form = String(formOf(step, mode));
      if (ofStep.has(form) || !isPossible(step, mode, options.most)) continue;
      const made = kernelUses(step, mode, options);
      ofStep.set(form, made);
      for (const { kernel, partialBytes = 0, halvesBytes } of made) {
        kernels.set(kernel.key, options.known(kernel));
        most = Math.max(most, partialBytes);
        mostHalves = Math.max(mostHalves, halvesBytes?.({ sizes: options.most, tiles: 0 }) ?? 0);
      }
    }
  }
  const usesOf = (step: GpuStep, mode: StepMode) => {
    const form = formOf(step, mode);
    if (form === undefined) return [];
    const made = uses.get(step)?.get(String(form));
    if (made === undefined) throw new Error(`gpu plan: step ${step.label} was not planned for ${form}`);
    return made;
  };
  const usesBy = (profile: DeviceProfile) => (step: GpuStep, mode: StepMode) => kernelUses(step, mode, { ...options, profile });
  return { plan, usesOf, usesBy, kernels: [...kernels.values()], partialBytes: most, halvesBytes: mostHalves };
}

/** @throws CapacityError for states that the kernels have no form for */
function checkStates({ model: { name, states } }: ModelPlanOptions): void {
  for (const { keyDim, valueDim } of pagedStates(states)) {
    for (const dim of [keyDim, valueDim])
      if (dim % 4 !== 0)
        throw new CapacityError(`The GPU's attention takes heads of a multiple of 4 values; ${name} has ${dim}. Use the CPU.`);
  }
}

/** Answers that a step goes on with, whatever the vocabulary: as many as run at a time by default. */
const LEAST_OUT_ROWS = 64;

function firstOfKey(): LimitOptions['known'] {
  const first = new Map<string, Kernel>();
  return (kernel) => {
    const known = first.get(kernel.key) ?? kernel;
    first.set(kernel.key, known);
    return known;
  };
}

interface OpenGraphPlan extends GraphPlan {
  readonly plannedOne: () => PlannedSteps;
}

function planGraph(graph: Graph, options: ModelPlanOptions): OpenGraphPlan {
  const { typeOf, profile, kv, withoutRules, sizes } = options;
  const activations = profile.activations === 'int8' ? 'int8' : 'float';
  const limits = largestSizes(graph, sizes, LEAST_OUT_ROWS);
  const most = sizesOf(graph.derivedDims, limits);
  const tileRows = listedTileRows(graph, { profile, kv });
  const names = tokenGraphNames(options.model);
  const heldInputs = names === undefined ? [] : [names.tokens, names.positions, ...(names.shift === undefined ? [] : [names.shift])]
    .flatMap((name) => graph.inputs.get(name) ?? []);
  const choices = { profile, kv, tileRows, typeOf, known: firstOfKey() };
  const deviceLimits = { check: createLimitCheck(choices), choices };
  const planned = (rows: 'one' | 'many', taps?: readonly Value[]) =>
    planSteps(planForGpu(graph, { typeOf, activations, rows, taps, heldInputs, withoutRules, limits: deviceLimits }), {
      ...choices, most, hasTiles: (most[sequenceDim(graph) ?? ''] ?? 0) > 1, single: rows === 'one',
    });
  const many = planned('many');
  return {
    graph, many, limits,
    tapLimits: tapSizes(graph, limits),
    tapped: () => (graph.taps.size === 0 ? many : planned('many', [...graph.taps.values()])),
    plannedOne: () => planned('one'),
    tileRows,
  };
}

export function planModel(options: ModelPlanOptions): ModelPlan {
  checkStates(options);
  const { model, profile } = options;
  const graphs = new Map([...model.graphs].map(([name, graph]) => [name, planGraph(graph, options)]));
  const planOf = (name: string) => graphOf({ name: model.name, graphs }, name);
  const decoder = model.decoder && planDecoder(planOf(model.decoder.graph), { logits: model.decoder.logits, profile });
  const all = [...(decoder === undefined ? [] : [decoder.one]), ...[...graphs.values()].map(({ many }) => many)];
  const weights = weightsOfSteps(all.flatMap(({ plan }) => plan.steps), options);
  const types = new Set([...weights.matrices.values()].map(({ type }) => type));
  const main = mainGraphOf({ name: model.name, graphs }, model);
  return {
    graphs, decoder, options, weights,
    repackKernels: [...types].map((type) => repackKernel({ format: packedFormatOf(type) })),
    maxRows: main.limits[sequenceDim(main.graph) ?? Object.keys(main.limits)[0] ?? 'rows'] as number,
  };
}

/** The graph that texts go through, or the first of a model that reads none. */
export function mainGraphOf<One>(graphs: { readonly name: string; readonly graphs: ReadonlyMap<string, One> }, model: ModelGraphs): One {
  return graphOf(graphs, tokenGraphNames(model)?.graph ?? ([...graphs.graphs.keys()][0] as string));
}

function planDecoder(
  { plannedOne, ...plan }: OpenGraphPlan,
  { logits, profile }: { readonly logits: string; readonly profile: DeviceProfile },
): DecoderPlan {
  const value = outputOf(plan.graph, logits);
  const sampler = { vocab: widthOf(value), invocations: Math.min(MOST_SAMPLER_INVOCATIONS, profile.invocations) };
  const kernels = { samplerKernels: samplerKernels(sampler), grammarKernels: grammarKernels(sampler) };
  return { ...plan, one: plannedOne(), logits: value, sampler, ...kernels };
}

/** Every matrix and vector that the steps read, once. */
function weightsOfSteps(steps: readonly GpuStep[], choices: MatrixChoices): PlannedWeights {
  const matrices = new Map<string, PlannedMatrix>();
  const vectors = new Map<string, PlannedVector>();
  for (const { op } of steps) {
    const rules = gpuRulesOf(op);
    for (const matrix of rules.matrices?.(op, choices) ?? []) matrices.set(matrix.key, matrix);
    for (const vector of rules.vectors?.(op) ?? []) if (vector !== undefined) vectors.set(vector.key, vector);
  }
  return { matrices, vectors };
}

/** Rows of a prompt whose kernels are compiled before others of many rows: a question in a chat template. */
const FIRST_ROWS = 32;

/** Kernels that loading and a first answer take, and those of other prompts and longer contexts, all each once. */
export function kernelsByNeed(plan: ModelPlan): { readonly first: readonly Kernel[]; readonly later: readonly Kernel[] } {
  const { decoder, graphs, repackKernels } = plan;
  const ofOne = decoder === undefined ? [] : kernelsIn(decoder.one, { sizes: sizesOfOne(decoder.limits), tiles: 0 }, 'whole');
  const text = tokenGraphNames(plan.options.model)?.graph;
  const ofMany = [...graphs].flatMap(([name, { many, graph, limits, tileRows }]) => {
    const dim = sequenceDim(graph);
    const few = dim === undefined ? {} : { [dim]: Math.min(FIRST_ROWS, limits[dim] as number) };
    const given = name === text ? { ...sizesOfOne(limits), ...few } : limits;
    const ofAll = () => kernelsIn(many, { sizes: sizesOf(graph.derivedDims, given), tiles: Math.ceil(FIRST_ROWS / tileRows) }, 'tiles');
    // An encoder's rows follow from its frames: it never goes on row by row.
    if (dim === undefined || limits[dim] === undefined) return ofAll();
    // What follows a prompt goes on row by row.
    const row = name === text && limits[dim] !== 1
      ? [] : kernelsIn(many, { sizes: sizesOf(graph.derivedDims, sizesOfOne(limits)), tiles: 0 }, 'whole');
    return limits[dim] === 1 ? row : [...row, ...ofAll()];
  });
  const first = distinct([...repackKernels, ...ofOne, ...(decoder?.samplerKernels ?? []), ...ofMany]);
  const known = new Set(first.map(({ key }) => key));
  const ofGraphs = [...graphs.values()].flatMap(({ many }) => many.kernels);
  const all = [...(decoder?.one.kernels ?? []), ...ofGraphs, ...(decoder?.grammarKernels ?? [])];
  return { first, later: distinct(all).filter(({ key }) => !known.has(key)) };
}

/** Those that run in a step. */
function kernelsIn({ plan, usesOf }: PlannedSteps, counts: GridCounts, attention: AttentionMode): readonly Kernel[] {
  const mode = modeOf(counts, attention);
  const uses = plan.steps.flatMap((step) => usesOf(step, mode));
  return uses.filter(({ workgroups }) => workgroups(counts)[0] > 0).map(({ kernel }) => kernel);
}

const sizesOfOne = (limits: DimSizes): DimSizes => Object.fromEntries(Object.keys(limits).map((dim) => [dim, 1]));

function distinct(kernels: readonly Kernel[]): readonly Kernel[] {
  return [...new Map(kernels.map((kernel) => [kernel.key, kernel])).values()];
}

/** Every kernel that loading and running a model may take, each once. */
export function kernelsOfModel({ decoder, graphs, repackKernels }: ModelPlan): readonly Kernel[] {
  const ofGraphs = [...graphs.values()].flatMap(({ many, tapped }) => [...many.kernels, ...tapped().kernels]);
  const sampling = [...(decoder?.samplerKernels ?? []), ...(decoder?.grammarKernels ?? [])];
  return distinct([...repackKernels, ...(decoder?.one.kernels ?? []), ...ofGraphs, ...sampling]);
}
