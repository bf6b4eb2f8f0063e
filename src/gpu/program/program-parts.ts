/** What a loaded program is made of: its plans, what they are bound to, and the buffers behind that. */
import { sizesOf } from '../../graph/dims.ts';
import type { DimSizes } from '../../graph/dims.ts';
import type { ProgramRequest } from '../../graph/executor.ts';
import type { Graph } from '../../graph/graph.ts';
import { sequenceDim } from '../../graph/run-check.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import { modeOf } from '../plan/kernel-use.ts';
import type { AttentionMode, BufferRef } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';
import type { LoadedWeights } from '../weights/weight-request.ts';
import { createActivations } from './activations.ts';
import type { Activations } from './activations.ts';
import { bindPlan } from './bound-plan.ts';
import type { BoundPlan, BufferResolver } from './bound-plan.ts';
import { createSharedSteps, SHARED_MODES } from './shared-steps.ts';
import type { SharedSteps } from './shared-steps.ts';
import { SequenceInputs } from './sequence-inputs.ts';
import type { StateMemory } from './state-memory.ts';

export interface LogitsBuffer {
  /** f32 [most outRows, vocab]. */
  readonly buffer: GPUBuffer;
  /** The graph whose value lies there, and the value's id. */
  readonly graph: string;
  readonly valueId: number;
}

/** What all plans of a program share. */
export interface ProgramBase {
  readonly gpu: GpuDevice;
  readonly request: ProgramRequest;
  readonly pipelines: Pipelines;
  readonly weights: LoadedWeights;
  readonly state: StateMemory;
  /** Where all plans of the decoder write its logits, which the sampler reads. */
  readonly logits: LogitsBuffer | undefined;
  readonly partials: GPUBuffer;
  /** x of a product as halves; undefined where no plan has kernels for that. */
  readonly halves: GPUBuffer | undefined;
}

/** A plan with everything that it needs to run steps up to its limits. */
export interface RunnablePlan {
  readonly graph: Graph;
  readonly bound: BoundPlan;
  readonly inputs: SequenceInputs;
  readonly activations: Activations;
  /** Most of each dim that a run gives. */
  readonly limits: DimSizes;
  /** Of a row that goes on with its answer: the same dispatches in fewer groups; undefined: there are none. */
  readonly shared: SharedSteps | undefined;
  destroy(): void;
}

export interface PlannedRows {
  readonly graph: Graph;
  readonly steps: PlannedSteps;
  readonly limits: DimSizes;
  readonly tileRows: number;
  /** Whether dispatches share bind groups, of a plan of one row. */
  readonly sharesGroups?: boolean;
}

/** Where a reference leads, for one plan of a program. */
export function resolverOf(
  base: Pick<ProgramBase, 'weights' | 'state' | 'partials' | 'halves'>, activations: Activations, inputs: SequenceInputs,
): BufferResolver {
  const { weights, state, partials, halves } = base;
  return (ref: BufferRef): GPUBufferBinding => {
    switch (ref.kind) {
      case 'value':
        return activations.bindingOf(ref.value, ref.part);
      case 'plane': {
        const matrix = weights.matrices.get(ref.matrix);
        const plane = matrix?.planes.find(({ name }) => name === ref.plane);
        if (matrix === undefined || plane === undefined) throw new Error(`gpu program: no plane ${ref.plane} of ${ref.matrix}`);
        return { buffer: matrix.buffer, offset: plane.offset, size: plane.sizeBytes };
      }
      case 'vector': {
        const vector = weights.vectors.get(ref.key);
        if (vector === undefined) throw new Error(`gpu program: no vector ${ref.key}`);
        return { buffer: vector.buffer, offset: vector.offset, size: vector.sizeBytes };
      }
      case 'state':
        return { buffer: state.state(ref.state) };
      case 'rope':
        return { buffer: state.tables.buffer(ref.table) };
      case 'sequences':
        return { buffer: inputs.buffers[ref.name] };
      case 'pageTable':
        return { buffer: inputs.pageTable(ref.group) };
      case 'size':
        return inputs.uniforms.sizeOf(ref.dim);
      case 'sizes':
        return inputs.uniforms.of(ref.words);
      case 'partials':
        return { buffer: partials };
      case 'halves':
        if (halves === undefined) throw new Error('gpu program: no buffer of halves');
        return { buffer: halves };
      default:
        throw new Error(`gpu program: no buffer for ${JSON.stringify(ref satisfies never)}`);
    }
  };
}

/** Takes the buffers of a plan. Its kernels are compiled as its steps are prepared. */
export async function createRunnablePlan(
  base: ProgramBase, { graph, steps, limits, tileRows, sharesGroups = false }: PlannedRows,
): Promise<RunnablePlan> {
  const { gpu, request, pipelines } = base;
  const dim = sequenceDim(graph);
  const sizes = sizesOf(graph.derivedDims, limits);
  const { logits } = base;
  const own = new Map<number, GPUBuffer>(graph.name === logits?.graph ? [[logits.valueId, logits.buffer]] : []);
  const { activations, inputs } = await gpu.guard('Allocating activations', () => ({
    activations: createActivations({ gpu, plan: steps.plan, sizes, shared: own }),
    inputs: new SequenceInputs({
      gpu,
      sizes,
      rows: dim === undefined ? 0 : (sizes[dim] as number),
      maxPages: request.kv.maxPages,
      groups: base.state.groups.length,
      tileRows,
    }),
  }));
  const resolve = resolverOf(base, activations, inputs);
  const bound = bindPlan(steps, { gpu, pipelines, resolve });
  const shared = sharesGroups ? await sharedStepsOf(base, { graph, bound, sizes, resolve }) : undefined;
  return {
    graph, bound, inputs, activations, limits, shared,
    destroy() {
      shared?.destroy();
      activations.destroy();
      inputs.destroy();
    },
  };
}

/** Undefined where the device has no room for them, or a kernel has no such form: the plain dispatches leave the same. */
async function sharedStepsOf(
  { gpu, pipelines }: ProgramBase,
  { graph, bound, sizes, resolve }: Pick<RunnablePlan, 'graph' | 'bound'> & { readonly sizes: DimSizes; readonly resolve: BufferResolver },
): Promise<SharedSteps | undefined> {
  const counts = { sizes, tiles: 0, singles: 1 };
  const held = new Set([...graph.inputs.values(), ...graph.outputs.values()].map(({ id }) => id));
  const usesOf = (attention: AttentionMode, resolver = resolve) => bound.bindings(modeOf(counts, attention), counts, resolver);
  try {
    const planned = SHARED_MODES.map((attention) => usesOf(attention, withStandIns(resolve)));
    return await gpu.guard('Allocating the values of a token', () => createSharedSteps({ gpu, pipelines, usesOf, planned, held }));
  } catch {
    gpu.throwIfLost();
    return undefined;
  }
}

/** What grows is bound as a whole, so that texts do not depend on it: before it is there, a buffer of no content stands for each. */
function withStandIns(resolve: BufferResolver): BufferResolver {
  const standIns = new Map<string, GPUBufferBinding>();
  return (ref) => {
    if (ref.kind !== 'state' && ref.kind !== 'rope') return resolve(ref);
    const key = ref.kind === 'state' ? `state ${ref.state}` : `rope ${ref.table}`;
    const standIn = standIns.get(key) ?? { buffer: { size: 16 } as GPUBuffer };
    standIns.set(key, standIn);
    return standIn;
  };
}
