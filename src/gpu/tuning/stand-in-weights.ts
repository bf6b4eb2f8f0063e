/** Memory in place of a model's weights, for timing kernels of its shapes without it: places that follow each other and begin again. */
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { BINDING_ALIGNMENT, layOutMatrix, packedFormatOf } from '../packed-layout.ts';
import type { PlannedWeights } from '../plan/planned-weights.ts';
import type { LoadedWeights } from '../weights/weight-request.ts';

/** Several times the largest caches that GPUs have (50 MB), so that a layer's weights are not there when it comes again. */
const MOST_BYTES = 512 * 2 ** 20;

/** @throws CapacityError where the device has no room for them */
export async function standInWeights(gpu: GpuDevice, { matrices, vectors }: PlannedWeights): Promise<LoadedWeights> {
  const laidOut = [...matrices.values()].map(({ key, type, rows, cols }) => ({ key, ...layOutMatrix(packedFormatOf(type), rows, cols) }));
  const lengths = [...vectors.values()].map(({ key, parts }) => ({
    key, sizeBytes: Math.ceil(parts.reduce((sum, { length }) => sum + length, 0) / 4) * 16,
  }));
  const all = [...laidOut, ...lengths];
  const padded = (size: number) => Math.ceil(size / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
  const total = all.reduce((sum, { sizeBytes }) => sum + padded(sizeBytes), 0);
  const largest = Math.max(...all.map(({ sizeBytes }) => padded(sizeBytes)));
  const size = Math.min(total, Math.max(largest, Math.min(MOST_BYTES, gpu.limits.bufferBytes)));
  const buffer = await gpu.guard('Allocating memory in place of weights', () =>
    gpu.createBuffer({ label: 'in place of weights', size, usage: STORAGE_USAGE }));
  let end = 0;
  const place = (sizeBytes: number) => {
    const offset = end + sizeBytes > size ? 0 : end;
    end = offset + padded(sizeBytes);
    return offset;
  };
  return {
    matrices: new Map(laidOut.map(({ key, planes, sizeBytes }) => {
      const offset = place(sizeBytes);
      return [key, { buffer, sizeBytes, planes: planes.map((plane) => ({ ...plane, offset: offset + plane.offset })) }];
    })),
    vectors: new Map(lengths.map(({ key, sizeBytes }) => [key, { buffer, offset: place(sizeBytes), sizeBytes }])),
    sizeBytes: size,
    destroy: () => buffer.destroy(),
  };
}
