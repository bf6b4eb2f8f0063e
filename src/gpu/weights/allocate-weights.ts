/**
 * Memory for all weights of a plan, before the first byte is read, so that a model that does not fit fails at once. Many weights lie in one
 * buffer: Dawn tracks every buffer of a dispatch and checks each of a submit, which was an eighth of what encoding a token cost
 * (docs/experiments.md).
 */
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { BINDING_ALIGNMENT, INTERLEAVE_ROWS, layOutMatrix, packedFormatOf } from '../packed-layout.ts';
import type { PackedMatrix } from '../packed-layout.ts';
import type { LoadedMatrix, LoadedWeights, MatrixRequest, VectorRequest } from './weight-request.ts';

export interface WeightRequests {
  readonly matrices: readonly MatrixRequest[];
  readonly vectors: readonly VectorRequest[];
}

/** Bytes of a vector's buffer. */
function vectorBytes({ parts }: VectorRequest): number {
  return Math.ceil(parts.reduce((sum, { length }) => sum + length, 0) / 4) * 16;
}

/** Bytes of a buffer of several weights, at most: a device that has no such piece left in one may have it in several. */
const SHARED_BYTES = 256 * 1024 * 1024;

/** Where something of a plan's weights lies. */
interface Place {
  readonly buffer: GPUBuffer;
  /** Bytes. */
  readonly offset: number;
}

interface Sized {
  readonly key: string;
  readonly sizeBytes: number;
}

/** Places of weights in order, as many to a buffer as may share one; a larger one has a buffer of its own. */
function takePlaces(
  weights: readonly Sized[], { most, take }: { readonly most: number; take(label: string, size: number): GPUBuffer },
): Place[] {
  const places: Place[] = [];
  for (let first = 0; first < weights.length; ) {
    const offsets: number[] = [];
    let end = 0;
    for (const { sizeBytes: size } of weights.slice(first)) {
      const offset = Math.ceil(end / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
      if (offsets.length > 0 && offset + size > most) break;
      offsets.push(offset);
      end = offset + size;
    }
    const last = first + offsets.length - 1;
    const [firstKey, lastKey] = [weights[first]?.key, weights[last]?.key];
    const buffer = take(first === last ? `${firstKey}` : `${firstKey} to ${lastKey}`, end);
    for (const offset of offsets) places.push({ buffer, offset });
    first = last + 1;
  }
  return places;
}

/** @throws CapacityError where the device has no room for them, or cannot bind one of them; it then has none of them */
export async function allocateWeights(
  gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'limits' | 'name'>,
  requests: WeightRequests,
): Promise<LoadedWeights> {
  for (const request of requests.matrices) checkMatrix(request, gpu);
  const packed = requests.matrices.map(({ key, type, rows, cols }) => ({ key, ...layOutMatrix(packedFormatOf(type), rows, cols) }));
  const lengths = requests.vectors.map((vector) => ({ key: vector.key, sizeBytes: vectorBytes(vector) }));
  const expectedBytes = [...packed, ...lengths].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const buffers: GPUBuffer[] = [];
  const destroy = () => {
    for (const buffer of buffers) buffer.destroy();
  };
  const take = (label: string, size: number) => {
    const buffer = gpu.createBuffer({ label, size, usage: STORAGE_USAGE });
    buffers.push(buffer);
    return buffer;
  };
  const options = { most: Math.min(SHARED_BYTES, gpu.limits.bufferBytes), take };
  try {
    const places = await gpu.guard(`Allocating ${Math.ceil(expectedBytes / 1e6)} MB for weights`, () => ({
      matrices: takePlaces(packed, options), vectors: takePlaces(lengths, options),
    }));
    return {
      matrices: new Map(packed.map(({ key, ...matrix }, i) => [key, placedMatrix(matrix, places.matrices[i] as Place)])),
      vectors: new Map(lengths.map(({ key, sizeBytes }, i) => [key, { ...(places.vectors[i] as Place), sizeBytes }])),
      sizeBytes: buffers.reduce((sum, { size }) => sum + size, 0),
      destroy,
    };
  } catch (error) {
    destroy();
    if (!(error instanceof CapacityError)) throw error;
    throw new CapacityError(error.message, { cause: error, availableBytes: await bytesGiven(gpu, expectedBytes) });
  }
}

/** How much of what it refused at once a device gives in pieces, which are freed again: WebGPU has no other word on its memory. */
async function bytesGiven(gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'limits'>, wanted: number): Promise<number> {
  const size = Math.min(SHARED_BYTES, gpu.limits.bufferBytes);
  const pieces: GPUBuffer[] = [];
  try {
    while (pieces.length * size < wanted)
      await gpu.guard('Finding out how much memory there is', () => {
        pieces.push(gpu.createBuffer({ label: 'probe', size, usage: STORAGE_USAGE }));
      });
    return pieces.length * size;
  } catch {
    return Math.max(0, pieces.length - 1) * size;
  } finally {
    for (const piece of pieces) piece.destroy();
  }
}

function placedMatrix({ planes, sizeBytes }: PackedMatrix, { buffer, offset }: Place): LoadedMatrix {
  return { buffer, sizeBytes, planes: planes.map((plane) => ({ ...plane, offset: offset + plane.offset })) };
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
