/** Groups of a plan's step of one row, over buffers that are numbers: what a program has on a device, without one. */
import { sizesOf } from '../../src/graph/dims.ts';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { modeOf } from '../../src/gpu/plan/kernel-use.ts';
import type { AttentionMode, BufferRef } from '../../src/gpu/plan/kernel-use.ts';
import type { ModelPlan } from '../../src/gpu/plan/model-plan.ts';
import { createActivations } from '../../src/gpu/program/activations.ts';
import type { BoundUse } from '../../src/gpu/program/bound-plan.ts';
import { planGroups } from '../../src/gpu/program/shared-groups.ts';
import type { SharedGroup } from '../../src/gpu/program/shared-groups.ts';
import { createValueArena } from '../../src/gpu/program/value-arena.ts';
import { allocateWeights } from '../../src/gpu/weights/allocate-weights.ts';
import type { MatrixRequest } from '../../src/gpu/weights/weight-request.ts';
import { bytesOfElements } from '../../src/tensor/tensor-type.ts';

export interface GroupsOptions {
  /** Of the device; default what the profile counts on. */
  readonly storageBuffers?: number;
  readonly bindingBytes?: number;
  /** Of each state's buffer. */
  readonly stateBytes?: number;
}

/** Those of the step, by how it attends to keys. */
export async function groupsOfPlan(
  plan: ModelPlan, { storageBuffers, bindingBytes, stateBytes = 2 ** 20 }: GroupsOptions = {},
): Promise<(attention: AttentionMode) => readonly SharedGroup[]> {
  const { decoder, options: { profile } } = plan;
  if (decoder === undefined) throw new Error('a plan without a decoder');
  const { graph, one } = decoder;
  const limits = {
    storageBuffers: storageBuffers ?? profile.storageBuffers,
    bindingBytes: bindingBytes ?? profile.maxBufferBindingBytes, bufferBytes: 2 ** 40,
  };
  const gpu = {
    name: 'numbers', limits, createBuffer: ({ size }: { size: number }) => ({ size: Math.ceil(size / 16) * 16 }),
    guard: async (_doing: string, work: () => unknown) => work(),
  } as unknown as GpuDevice;
  const resolve = await resolverOf(plan, gpu, stateBytes);
  const counts = { sizes: Object.fromEntries(Object.keys(decoder.limits).map((dim) => [dim, 1])), tiles: 0, singles: 1 };
  const all = { ...counts, sizes: sizesOf(graph.derivedDims, counts.sizes) };
  const usesOf = (attention: AttentionMode) => one.plan.steps.flatMap((step) => one.usesOf(step, modeOf(all, attention)))
    .map((use): BoundUse => ({
      use, workgroups: use.workgroups(all), resources: use.kernel.bindings.map(({ name }) => resolve(use.buffers[name] as BufferRef)),
    })).filter(({ workgroups }) => workgroups[0] > 0);
  const held = new Set([...graph.inputs.values(), ...graph.outputs.values()].map(({ id }) => id));
  const arena = createValueArena(gpu, [...usesOf('whole'), ...usesOf('split')], held);
  return (attention) => planGroups(usesOf(attention), arena.placeOf, limits);
}

async function resolverOf({ decoder, weights }: ModelPlan, gpu: GpuDevice, stateBytes: number) {
  const { graph, one, limits, logits } = decoder as NonNullable<ModelPlan['decoder']>;
  const matrices = [...weights.matrices.values()].map(({ rows, cols, type, arrangement, key }) => {
    const parts = arrangement === 'interleaved' ? 2 : 1;
    const source = { id: key, origin: key, shape: [rows / parts, cols], type, sizeBytes: bytesOfElements(type, (rows / parts) * cols) };
    return { key, rows, cols, type, arrangement, sources: Array.from({ length: parts }, () => source) } as unknown as MatrixRequest;
  });
  const vectors = [...weights.vectors.values()].map(({ key, parts }) =>
    ({ key, parts: parts.map(({ length }) => ({ length, source: undefined })) }));
  const loaded = await allocateWeights(gpu, { matrices, vectors });
  const sizes = sizesOf(graph.derivedDims, Object.fromEntries(Object.keys(limits).map((dim) => [dim, 1])));
  const own = new Map([[logits.id, { size: 2 ** 20 } as GPUBuffer]]);
  const activations = createActivations({ gpu, plan: one.plan, sizes, shared: own });
  const others = new Map<string, GPUBufferBinding>();
  return (ref: BufferRef): GPUBufferBinding => {
    if (ref.kind === 'value') return activations.bindingOf(ref.value, ref.part);
    if (ref.kind === 'vector') {
      const { sizeBytes, ...place } = loaded.vectors.get(ref.key) as { buffer: GPUBuffer; offset: number; sizeBytes: number };
      return { ...place, size: sizeBytes };
    }
    if (ref.kind === 'plane') {
      const { buffer, planes } = loaded.matrices.get(ref.matrix) as NonNullable<ReturnType<typeof loaded.matrices.get>>;
      const { offset, sizeBytes } = planes.find(({ name }) => name === ref.plane) as (typeof planes)[number];
      return { buffer, offset, size: sizeBytes };
    }
    const key = JSON.stringify(ref);
    const size = ref.kind === 'state' ? stateBytes : 4096;
    const made = others.get(key) ?? { buffer: { size } as GPUBuffer };
    others.set(key, made);
    return made;
  };
}
