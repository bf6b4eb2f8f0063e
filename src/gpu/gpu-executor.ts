/**
 * The GPU executor: plans a graph by a device profile, streams its weights to the device and compiles its kernels meanwhile. It picks no
 * adapter: `node/` and `browser/` hand it a way to open one. Each program has a device of its own, so that a lost one can be loaded again.
 */
import type { Executor, Program, ProgramRequest } from '../graph/executor.ts';
import { decoderOf } from '../graph/model-graphs.ts';
import { countOf, sequenceDim } from '../graph/run-check.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { untilAborted } from '../tensor/until-aborted.ts';
import { createPipelines } from './device/pipeline-cache.ts';
import type { Pipelines } from './device/pipeline-cache.ts';
import type { GpuDevice } from './device/gpu-device.ts';
import { STORAGE_USAGE } from './device/gpu-device.ts';
import { areMatrixUnitsRight } from './device/probe-matrix-units.ts';
import { partialsBytes } from './ops/attention.ts';
import { deltaRecordsBytes } from './ops/delta-rule-chunks.ts';
import { sharesGroups } from './plan/group-choice.ts';
import { kernelsByNeed, planModel } from './plan/model-plan.ts';
import type { DecoderPlan, ModelPlan } from './plan/model-plan.ts';
import { printModelPlan } from './plan/plan-report.ts';
import type { DeviceProfile } from './profile/device-profile.ts';
import { withoutMatrixUnits } from './profile/profile-for.ts';
import { compileKernels } from './program/bound-plan.ts';
import type { PipelineMap } from './program/bound-plan.ts';
import { IdleCompiling } from './program/idle-compiling.ts';
import { GpuProgram, SPLIT_ROWS } from './program/gpu-program.ts';
import type { RunnableDecoder, RunnableGraph } from './program/gpu-program.ts';
import { createStateMemory } from './program/state-memory.ts';
import { createRunnablePlan } from './program/program-parts.ts';
import type { ProgramBase, RunnablePlan } from './program/program-parts.ts';
import { createTokenSampler } from './program/create-token-sampler.ts';
import { tuneInBackground, tuningOfModel } from './tuning/background-tuning.ts';
import type { GpuTuning, TimerHooks, TuningSearch } from './tuning/background-tuning.ts';
import { createIdleGate } from './tuning/idle-gate.ts';
import type { GpuUse, IdleGate } from './tuning/idle-gate.ts';
import { createProfileTimer } from './tuning/time-profiles.ts';
import { asMatrix, rowsOfSource } from './weights/rows-of-source.ts';
import { loadWeights } from './weights/load-weights.ts';
import type { LoadedWeights, MatrixRequest, VectorRequest } from './weights/weight-request.ts';

export interface GpuExecutorOptions {
  /** Opens a new device; called once for each program. */
  readonly open: () => Promise<GpuDevice>;
  /** Of the device, for banners. */
  readonly name: string;
  readonly kind: 'gpu' | 'software';
  readonly profile: DeviceProfile;
  /** Fusion rules to leave out, by name: the same results, slower. For tests and experiments. */
  readonly withoutRules?: readonly string[] | undefined;
  /** What tuning found on this adapter; absent: the profile as it is. */
  readonly tuning?: GpuTuning | undefined;
  /** That of the GPU, where other executors have programs on it too. Default: one of this executor's programs. */
  readonly gate?: IdleGate | undefined;
}

export function createGpuExecutor(options: GpuExecutorOptions): Executor {
  const { kind, name, profile, gate = createIdleGate() } = options;
  return {
    kind,
    description: `${kind} (${name}, profile ${profile.name})`,
    prefillRows: profile.prefillRows,
    chunkMultiplyAdds: profile.chunkMultiplyAdds,
    load: (request) => loadProgram(request, { ...options, gate }),
  };
}

/** Whether what a profile counts on computes rightly on this device. */
async function areUnitsRight(gpu: GpuDevice, { subgroupMatrix }: DeviceProfile): Promise<boolean> {
  return subgroupMatrix === undefined || (await areMatrixUnitsRight(gpu, subgroupMatrix));
}

/**
 * What no device could run is refused before one is opened. Matrix units are tried while kernels that take them compile and weights load;
 * where they are wrong, the model is planned and loaded again without them.
 */
async function loadProgram(
  request: ProgramRequest, { profile: usual, open, withoutRules, tuning, gate }: GpuExecutorOptions & { readonly gate: IdleGate },
): Promise<Program> {
  const { model, kv, sizes, signal } = request;
  signal?.throwIfAborted();
  const { profile, search } = tuningOfModel(model, usual, tuning);
  const typeOf = (id: string) => sourceOf(request, id).type;
  const isTuned = profile !== usual;
  const planFor = (each: DeviceProfile) => planModel({ model, typeOf, kv, sizes, profile: each, withoutRules });
  const plan = planFor(profile);
  const use = gate.enter();
  const gpu = await open().catch((error: unknown) => {
    use.leave();
    throw error;
  });
  // Also of a program that nobody disposes of.
  gpu.onLost(() => use.leave());
  const wrong = new AbortController();
  try {
    const areRight = areUnitsRight(gpu, profile);
    areRight.then((isRight) => isRight || wrong.abort(), () => {});
    const both = signal === undefined ? wrong.signal : AbortSignal.any([signal, wrong.signal]);
    try {
      return await buildProgram(gpu, { request: { ...request, signal: both }, model: plan, areRight, search, isTuned, use });
    } catch (error) {
      signal?.throwIfAborted();
      if (await areRight) throw error;
    }
    return await buildProgram(gpu, {
      request, model: planFor(withoutMatrixUnits(profile)), areRight: undefined, search, isTuned, use,
    });
  } catch (error) {
    gpu.destroy();
    throw error;
  }
}

function requestsOf(
  { weights }: ModelPlan,
  request: ProgramRequest,
): { readonly matrices: readonly MatrixRequest[]; readonly vectors: readonly VectorRequest[] } {
  return {
    matrices: [...weights.matrices.values()].map(({ weights: refs, firstRow, ...matrix }) => {
      const sources = refs.map(({ id }) => asMatrix(sourceOf(request, id)));
      if (firstRow === undefined) return { ...matrix, sources };
      return { ...matrix, sources: sources.map((source) => rowsOfSource(source, firstRow, matrix.rows / sources.length)) };
    }),
    vectors: [...weights.vectors.values()].map(({ key, parts, arrangement }) => ({
      key, arrangement,
      parts: parts.map(({ weight, length, fill }) => ({ length, fill, source: weight && sourceOf(request, weight.id) })),
    })),
  };
}

interface BuildOptions {
  readonly request: ProgramRequest;
  readonly model: ModelPlan;
  /** Whether matrix units are, once that is known; undefined: the model takes none. */
  readonly areRight: Promise<boolean> | undefined;
  /** What the program looks for while its GPU rests; undefined: nothing. */
  readonly search: TuningSearch | undefined;
  /** Its profile has what was found before. */
  readonly isTuned: boolean;
  readonly use: GpuUse;
}

async function buildProgram(gpu: GpuDevice, { areRight, ...build }: BuildOptions): Promise<Program> {
  const { model, request } = build;
  const { signal, onProgress } = request;
  const pipelines = createPipelines(gpu);
  const { first, later } = kernelsByNeed(model);
  const idle = new IdleCompiling(pipelines, later);
  try {
    // Kernels compile while weights load: the driver works on other cores, and takes first what weights wait for.
    const compiling = compileKernels(pipelines, first, (loaded, total) => onProgress?.({ phase: 'compile', loaded, total }));
    let areWeightsThere = false;
    compiling.then(() => areWeightsThere || idle.start(), () => {});
    const weights = await loadWeights({ gpu, pipelines, ...requestsOf(model, request), signal, onProgress });
    areWeightsThere = true;
    idle.rest();
    await untilAborted(Promise.all([compiling, areRight]), signal);
    const program = await createProgram(gpu, { ...build, weights, pipelines, idle });
    signal?.throwIfAborted();
    return program;
  } catch (error) {
    void idle.close();
    throw error;
  }
}

interface ProgramBuild extends Omit<BuildOptions, 'areRight'> {
  readonly weights: LoadedWeights;
  readonly pipelines: Pipelines;
  readonly idle: IdleCompiling;
}

/** Looks for better knobs of a decoder while its GPU rests. */
function tuningOf(gpu: GpuDevice, { model, weights, search, use }: Pick<ProgramBuild, 'model' | 'weights' | 'search' | 'use'>) {
  const { decoder } = model;
  if (search === undefined || decoder === undefined) return undefined;
  const { model: { name }, profile } = model.options;
  const createTimer = (hooks: TimerHooks) => createProfileTimer({ gpu, plan: { ...model, decoder }, weights, ...hooks });
  return tuneInBackground({ ...search, model: name, profile, use, createTimer });
}

/**
 * Bytes of weights by the multiply-adds that a device does in a tenth of a second (`chunkMultiplyAdds`) up to which its steps are so short
 * that an answer with a format would wait for masks of the host: 4 GB of an NVIDIA card, 0.9 of Apple's. Of larger models steps are what
 * counts, and the host's way saves those of text that has to follow (docs/decisions.md).
 */
const GRAMMAR_BYTES = 4.5e-4;

async function createProgram(gpu: GpuDevice, { idle, search, isTuned, use, ...build }: ProgramBuild): Promise<Program> {
  const { model, pipelines, weights } = build;
  const base = await createBase(gpu, build);
  const one = model.decoder && (await createOne(base, model.decoder, sharesGroups(model)));
  idle.add(one?.shared?.kernels ?? []);
  const graphs = new Map<string, RunnableGraph>();
  for (const [name, { graph, many, tapped, limits, tapLimits, tileRows }] of model.graphs) {
    const createTapped = () => createRunnablePlan(base, { graph, steps: tapped(), limits: tapLimits, tileRows });
    graphs.set(name, { many: await createRunnablePlan(base, { graph, steps: many, limits, tileRows }), tapLimits, createTapped });
  }
  const samplers = await compileKernels(pipelines, model.decoder?.samplerKernels ?? []);
  const decoder = one && model.decoder && (await createDecoder(base, { one, plan: model.decoder, pipelines: samplers }));
  const { profile } = model.options;
  const { attention } = profile.knobs;
  use.loaded(() => gpu.pending(gpu.queue.onSubmittedWorkDone()));
  return new GpuProgram({
    base, graphs, decoder, idle, isTuned, use,
    tuning: tuningOf(gpu, { model, weights, search, use }),
    splitFrom: attention.splitFrom,
    groupedFrom: profile.subgroupSize === undefined ? Infinity : attention.groupedFrom,
    tileSplits: profile.subgroupMatrix && { rows: attention.tileSplitRows, from: attention.tileSplitFrom },
    stepsPerSubmit: profile.stepsPerSubmit,
    followsGrammars: base.weights.sizeBytes <= profile.chunkMultiplyAdds * GRAMMAR_BYTES,
    printPlan: () => printModelPlan(model),
  });
}

/** What runs the decoder with one row. */
function createOne(base: ProgramBase, { graph, one, limits, tileRows }: DecoderPlan, areShared: boolean): Promise<RunnablePlan> {
  const ofOne = Object.fromEntries(Object.keys(limits).map((dim) => [dim, 1]));
  return createRunnablePlan(base, { graph, steps: one, limits: ofOne, tileRows, sharesGroups: areShared });
}

interface DecoderBuild {
  readonly one: RunnablePlan;
  readonly plan: DecoderPlan;
  readonly pipelines: PipelineMap;
}

async function createDecoder(base: ProgramBase, { one, plan, pipelines }: DecoderBuild): Promise<RunnableDecoder> {
  const { gpu, logits, request, pipelines: compiler } = base;
  const names = decoderOf(request.model);
  const buffer = logits?.buffer;
  if (buffer === undefined) throw new Error(`model ${request.model.name}: no buffer of logits`);
  const sampler = await gpu.guard('Allocating the sampler', () =>
    createTokenSampler({ ...plan.sampler, gpu, pipelines, compiler, logits: buffer }),
  );
  return { names, graph: plan.graph, one, sampler };
}

/** A buffer for what any step has as halves; undefined where no plan makes it so. */
function createHalves(gpu: GpuDevice, { graphs }: ModelPlan): GPUBuffer | undefined {
  const size = Math.max(...[...graphs.values()].map(({ many }) => many.halvesBytes));
  return size === 0 ? undefined : gpu.createBuffer({ label: 'halves', size, usage: STORAGE_USAGE });
}

async function createBase(
  gpu: GpuDevice,
  { request, model, weights, pipelines }: Omit<ProgramBuild, 'idle' | 'search' | 'isTuned' | 'use'>,
): Promise<ProgramBase> {
  const { kv, model: graphs } = request;
  const { decoder, options } = model;
  const storage = (label: string, size: number) => gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
  const rows = Math.max(...Object.values(request.sizes));
  return gpu.guard('Allocating activations', () => ({
    gpu,
    request,
    pipelines,
    weights,
    state: createStateMemory({
      gpu, model: graphs, kv, rows, snapshots: request.snapshots ?? 0,
    }),
    logits: decoder && {
      graph: decoder.graph.name, valueId: decoder.logits.id, buffer: storage('logits', countOf(decoder.logits, decoder.limits) * 4),
    },
    partials: storage(
      'partial results',
      Math.max(...[...model.graphs.values()].flatMap(({ graph, limits, many }) => [
        many.partialBytes,
        partialsBytes(graph, { ...options, rows: SPLIT_ROWS }),
        deltaRecordsBytes(graph, { ...options, rows: limits[sequenceDim(graph) ?? ''] ?? 0 }),
      ])),
    ),
    halves: createHalves(gpu, model),
  }));
}
