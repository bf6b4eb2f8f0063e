/** Buffers for all weights of a plan, before the first byte is read, so that a model that does not fit fails at once. */
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { INTERLEAVE_ROWS, layOutMatrix, packedFormatOf } from '../packed-layout.ts';
import type { LoadedMatrix, LoadedVector, LoadedWeights, MatrixRequest, VectorRequest } from './weight-request.ts';

export interface WeightRequests {
  readonly matrices: readonly MatrixRequest[];
  readonly vectors: readonly VectorRequest[];
}

/** Bytes of a vector's buffer. */
function vectorBytes({ parts }: VectorRequest): number {
  return Math.ceil(parts.reduce((sum, { length }) => sum + length, 0) / 4) * 16;
}

/** Bytes that the weights take on the GPU. */
export function weightBytes({ matrices, vectors }: WeightRequests): number {
  let sum = 0;
  for (const { type, rows, cols } of matrices) sum += layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes;
  for (const vector of vectors) sum += vectorBytes(vector);
  return sum;
}

/** @throws CapacityError where the device has no room for them, or cannot bind one of them; it then has none of them */
export async function allocateWeights(
  gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'limits' | 'name'>,
  requests: WeightRequests,
): Promise<LoadedWeights> {
  for (const request of requests.matrices) checkMatrix(request, gpu);
  const matrices = new Map<string, LoadedMatrix>();
  const vectors = new Map<string, LoadedVector>();
  const destroy = () => {
    for (const { buffer } of [...matrices.values(), ...vectors.values()]) buffer.destroy();
  };
  const sizeBytes = weightBytes(requests);
  try {
    await gpu.guard(`Allocating ${Math.ceil(sizeBytes / 1e6)} MB for weights`, () => {
      for (const { key, type, rows, cols } of requests.matrices) {
        const layout = layOutMatrix(packedFormatOf(type), rows, cols);
        matrices.set(key, { ...layout, buffer: gpu.createBuffer({ label: key, size: layout.sizeBytes, usage: STORAGE_USAGE }) });
      }
      for (const vector of requests.vectors) {
        const size = vectorBytes(vector);
        vectors.set(vector.key, { sizeBytes: size, buffer: gpu.createBuffer({ label: vector.key, size, usage: STORAGE_USAGE }) });
      }
    });
  } catch (error) {
    destroy();
    throw error;
  }
  return { matrices, vectors, sizeBytes, destroy };
}

function checkMatrix(
  { key, type, rows, cols, arrangement, sources }: MatrixRequest,
  { limits, name }: Pick<GpuDevice, 'limits' | 'name'>,
): void {
  let found = 0;
  for (const [n, { id, shape, sizeBytes, type: sourceType }] of sources.entries()) {
    const [own = 0, width] = shape;
    if (sourceType !== type || width !== cols || sizeBytes !== bytesOfElements(type, own * cols))
      throw new Error(`matrix ${key}: ${id} is ${sourceType} [${shape.join(', ')}], not ${type} rows of ${cols}`);
    if (arrangement === 'interleaved' && (own !== sources[n ^ 1]?.shape[0] || own % INTERLEAVE_ROWS !== 0))
      throw new Error(`matrix ${key}: ${own} rows of ${id} cannot be interleaved`);
    found += own;
  }
  if (found !== rows) throw new Error(`matrix ${key}: its sources have ${found} rows, not ${rows}`);
  for (const plane of layOutMatrix(packedFormatOf(type), rows, cols).planes) {
    if (plane.sizeBytes <= limits.bindingBytes) continue;
    const origin = sources.map((source) => source.origin).join(' and ');
    throw new CapacityError(
      `${origin}: ${plane.sizeBytes} bytes of ${plane.name} must be seen by one kernel; ${name} lets it see at most ` +
        `${limits.bindingBytes}. Use a smaller model, or a file with smaller types.`,
    );
  }
}
