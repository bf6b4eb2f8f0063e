/**
 * The GPU executor: plans a graph by a device profile, streams its weights to the device and compiles its kernels meanwhile. It picks no
 * adapter: `node/` and `browser/` hand it a way to open one. Each program has a device of its own, so that a lost one can be loaded again.
 */
import type { Executor, Program, ProgramRequest } from '../graph/executor.ts';
import { isCausal } from '../graph/graph.ts';
import { createPipelines } from './device/pipeline-cache.ts';
import type { GpuDevice } from './device/gpu-device.ts';
import { STORAGE_USAGE } from './device/gpu-flags.ts';
import { partialsBytes } from './ops/attention.ts';
import { planModel, vocabOf } from './plan/model-plan.ts';
import type { ModelPlan } from './plan/model-plan.ts';
import { printModelPlan } from './plan/plan-report.ts';
import type { DeviceProfile } from './profile/device-profile.ts';
import { compileKernels } from './program/bound-plan.ts';
import { GpuProgram, SPLIT_ROWS } from './program/gpu-program.ts';
import { createKvCache } from './program/kv-cache.ts';
import { createRunnablePlan } from './program/program-parts.ts';
import type { ProgramBase } from './program/program-parts.ts';
import { createTokenSampler } from './program/token-sampler.ts';
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
}

/** Rows of a step that keeps hidden states: its activations are those of all layers. */
const TAP_ROWS = 64;

export function createGpuExecutor(options: GpuExecutorOptions): Executor {
  const { kind, name, profile } = options;
  return {
    kind,
    description: `${kind} (${name}, profile ${profile.name})`,
    prefillRows: profile.prefillRows,
    load: (request) => loadProgram(request, options),
  };
}

async function loadProgram(request: ProgramRequest, options: GpuExecutorOptions): Promise<Program> {
  const { graph, kv, maxRows, signal } = request;
  signal?.throwIfAborted();
  const typeOf = (id: string) => sourceOf(request, id).type;
  const model = planModel({ graph, typeOf, kv, maxRows, profile: options.profile, withoutRules: options.withoutRules });
  const gpu = await options.open();
  try {
    return await buildProgram(gpu, { request, model });
  } catch (error) {
    gpu.destroy();
    throw error;
  }
}

function sourceOf({ graph, weights }: ProgramRequest, id: string) {
  const source = weights.get(id);
  if (source === undefined) throw new Error(`graph ${graph.name}: no source for weight ${id}`);
  return source;
}

function requestsOf({ weights }: ModelPlan, request: ProgramRequest): { readonly matrices: readonly MatrixRequest[]; readonly vectors: readonly VectorRequest[] } {
  return {
    matrices: [...weights.matrices.values()].map(({ weights: refs, ...matrix }) => ({ ...matrix, sources: refs.map(({ id }) => sourceOf(request, id)) })),
    vectors: [...weights.vectors.values()].map(({ key, parts }) => ({ key, parts: parts.map(({ weight, length }) => ({ length, source: weight && sourceOf(request, weight.id) })) })),
  };
}

interface BuildOptions {
  readonly request: ProgramRequest;
  readonly model: ModelPlan;
}

async function buildProgram(gpu: GpuDevice, { request, model }: BuildOptions): Promise<Program> {
  const { signal, onProgress } = request;
  const pipelines = createPipelines(gpu, { onProgress: (loaded, total) => onProgress?.({ phase: 'compile', loaded, total }) });
  // Kernels compile while weights load: the driver works on other cores, and takes first what weights wait for.
  const compiling = Promise.all([model.repackKernels, model.one.kernels, model.many.kernels].map((kernels) => compileKernels(pipelines, kernels)));
  const samplers = compileKernels(pipelines, model.samplerKernels);
  for (const promise of [compiling, samplers]) promise.catch(() => {});
  const weights = await loadWeights({ gpu, pipelines, ...requestsOf(model, request), signal, onProgress });
  await untilAborted(Promise.all([compiling, samplers]), signal);
  const base = await createBase(gpu, { request, model, weights, pipelines });
  const { maxRows, maxOutRows, options } = model;
  const one = await createRunnablePlan(base, { steps: model.one, rows: 1, outRows: 1 });
  const many = await createRunnablePlan(base, { steps: model.many, rows: maxRows, outRows: maxOutRows });
  const tapRows = isCausal(request.graph) ? Math.min(TAP_ROWS, maxRows) : maxRows;
  const pipelinesOfSampler = await samplers;
  const sampler = await gpu.guard('Allocating the sampler', () => createTokenSampler({ ...model.sampler, gpu, pipelines: pipelinesOfSampler, logits: base.logits, inputs: one.inputs.buffers }));
  signal?.throwIfAborted();
  return new GpuProgram({
    base, one, many, sampler,
    createTapped: () => createRunnablePlan(base, { steps: model.tapped(), rows: tapRows, outRows: Math.min(tapRows, maxOutRows) }),
    splitFrom: options.profile.knobs.attention.splitFrom,
    stepsPerSubmit: options.profile.stepsPerSubmit,
    printPlan: () => printModelPlan(model),
  });
}

/** Waits for work that cannot be stopped, but no longer than until the signal aborts. */
function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function createBase(gpu: GpuDevice, { request, model, weights, pipelines }: BuildOptions & Pick<ProgramBase, 'weights' | 'pipelines'> & { weights: LoadedWeights }): Promise<ProgramBase> {
  const { graph, kv } = request;
  const { maxOutRows, options } = model;
  const storage = (label: string, size: number) => gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
  return gpu.guard('Allocating activations', () => ({
    gpu, request, pipelines, weights, maxOutRows,
    kv: createKvCache({ gpu, graph, kv }),
    logits: storage('logits', maxOutRows * vocabOf(graph) * 4),
    partials: storage('partial results of attention', partialsBytes(graph, { ...options, rows: SPLIT_ROWS })),
    tileRows: model.tileRows,
  }));
}
