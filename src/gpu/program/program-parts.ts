/** What a loaded program is made of: its plans, what they are bound to, and the buffers behind that. */
import type { ProgramRequest } from '../../graph/executor.ts';
import { outputOf } from '../../graph/graph.ts';
import type { Value } from '../../graph/value.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { BufferRef, InputName } from '../plan/kernel-use.ts';
import type { PlannedSteps } from '../plan/model-plan.ts';
import type { LoadedWeights } from '../weights/weight-request.ts';
import { createActivations } from './activations.ts';
import type { Activations } from './activations.ts';
import { bindPlan, compileKernels } from './bound-plan.ts';
import type { BoundPlan, BufferResolver } from './bound-plan.ts';
import type { KvCache } from './kv-cache.ts';
import { createStepInputs } from './step-inputs.ts';
import type { StepInputs } from './step-inputs.ts';

/** What all plans of a program share. */
export interface ProgramBase {
  readonly gpu: GpuDevice;
  readonly request: ProgramRequest;
  readonly pipelines: Pipelines;
  readonly weights: LoadedWeights;
  readonly kv: KvCache;
  /** f32 [maxOutRows, vocab]. */
  readonly logits: GPUBuffer;
  readonly partials: GPUBuffer;
  readonly maxOutRows: number;
  /** Query rows of a tile of prefill attention. */
  readonly tileRows: number;
}

/** A plan with everything that it needs to run steps of up to `rows` rows. */
export interface RunnablePlan {
  readonly bound: BoundPlan;
  readonly inputs: StepInputs;
  readonly activations: Activations;
  readonly rows: number;
  destroy(): void;
}

export interface PlannedRows {
  readonly steps: PlannedSteps;
  readonly rows: number;
  readonly outRows: number;
}

/** Where a reference leads, for one plan of a program. */
function resolverOf(base: ProgramBase, activations: Activations, inputs: Readonly<Record<InputName, GPUBuffer>>): BufferResolver {
  const { weights, kv, partials } = base;
  return (ref: BufferRef): GPUBufferBinding => {
    switch (ref.kind) {
      case 'value':
        return { buffer: activations.bufferOf(ref.value, ref.part) };
      case 'plane': {
        const matrix = weights.matrices.get(ref.matrix);
        const plane = matrix?.planes.find(({ name }) => name === ref.plane);
        if (matrix === undefined || plane === undefined) throw new Error(`gpu program: no plane ${ref.plane} of ${ref.matrix}`);
        return { buffer: matrix.buffer, offset: plane.offset, size: plane.sizeBytes };
      }
      case 'vector': {
        const vector = weights.vectors.get(ref.key);
        if (vector === undefined) throw new Error(`gpu program: no vector ${ref.key}`);
        return { buffer: vector.buffer };
      }
      case 'kv':
        return { buffer: kv.state(ref.state) };
      case 'rope':
        return { buffer: kv.table(ref.table) };
      case 'input':
        return { buffer: inputs[ref.name] };
      case 'partials':
        return { buffer: partials };
      default:
        throw new Error(`gpu program: no buffer for ${JSON.stringify(ref satisfies never)}`);
    }
  };
}

/** Compiles what a plan may run, and takes its buffers. */
export async function createRunnablePlan(base: ProgramBase, { steps, rows, outRows }: PlannedRows): Promise<RunnablePlan> {
  const { gpu, request, pipelines, tileRows } = base;
  const compiled = await compileKernels(pipelines, steps.kernels);
  const shared = new Map<Value['id'], GPUBuffer>([[outputOf(request.graph, 'logits').id, base.logits]]);
  const { activations, inputs } = await gpu.guard('Allocating activations', () => ({
    activations: createActivations({ gpu, plan: steps.plan, rows, outRows, shared }),
    inputs: createStepInputs({ gpu, rows, outRows, maxPages: request.kv.maxPages, tileRows }),
  }));
  const bound = bindPlan(steps, { gpu, pipelines: compiled, resolve: resolverOf(base, activations, inputs.buffers) });
  return {
    bound, inputs, activations, rows,
    destroy() {
      activations.destroy();
      inputs.destroy();
    },
  };
}
