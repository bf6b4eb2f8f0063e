/**
 * Values of a step in one buffer, in place of one for each slot of its plan: Dawn notes every buffer of a dispatch. A kernel reads and
 * writes it by one binding, as a struct (wgsl/struct-bindings.ts).
 */
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { BINDING_ALIGNMENT } from '../packed-layout.ts';
import type { BoundUse } from './bound-plan.ts';

export interface ValueArena {
  readonly buffer: GPUBuffer;
  /** Where what lies in a buffer of the plan lies here; as it is where it stays there. */
  placeOf(resource: GPUBufferBinding): GPUBufferBinding;
}

/** @param uses of all steps that the arena is for @param held ids of values whose place others know: the host, the sampler */
export function createValueArena(gpu: Pick<GpuDevice, 'createBuffer'>, uses: readonly BoundUse[], held: ReadonlySet<number>): ValueArena {
  const places = new Map<GPUBuffer, Map<number, GPUBufferBinding>>();
  const seen = uses.flatMap(({ use: { kernel, buffers }, resources }) => kernel.bindings.flatMap(({ name }, i) => {
    const ref = buffers[name];
    return ref?.kind === 'value' ? [{ value: ref.value, resource: resources[i] as GPUBufferBinding }] : [];
  }));
  const staying = new Set(seen.filter(({ value: { id } }) => held.has(id)).map(({ resource }) => resource.buffer));
  const ranges: { readonly from: GPUBufferBinding; readonly offset: number; readonly size: number }[] = [];
  let end = 0;
  for (const { resource: { buffer, offset = 0, size = buffer.size - offset } } of seen) {
    const known = ranges.some(({ from }) => from.buffer === buffer && (from.offset ?? 0) === offset);
    if (known || staying.has(buffer)) continue;
    ranges.push({ from: { buffer, offset }, offset: end, size });
    end = Math.ceil((end + size) / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
  }
  const arena = gpu.createBuffer({ label: 'values of a token', size: end, usage: STORAGE_USAGE });
  for (const { from: { buffer, offset: at = 0 }, offset, size } of ranges) {
    const own = places.get(buffer) ?? new Map<number, GPUBufferBinding>();
    places.set(buffer, own.set(at, { buffer: arena, offset, size }));
  }
  return { buffer: arena, placeOf: (resource) => places.get(resource.buffer)?.get(resource.offset ?? 0) ?? resource };
}
