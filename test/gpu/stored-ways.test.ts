import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { createPipelines } from '../../src/gpu/device/pipeline-cache.ts';
import type { Pipelines } from '../../src/gpu/device/pipeline-cache.ts';
import { loadWeights } from '../../src/gpu/weights/load-weights.ts';
import type { MatrixRequest, VectorRequest } from '../../src/gpu/weights/weight-request.ts';
import type { WeightSource } from '../../src/graph/executor.ts';
import { llama } from '../../src/models/llama.ts';
import { openDecoder } from '../../src/models/open-decoder.ts';
import { permuteHeads, tensor } from '../../src/models/weight-expression.ts';
import { GATHER_BYTES, weightReader } from '../../src/models/weight-reader.ts';
import type { TensorEntry } from '../../src/tensor/checkpoint.ts';
import { ENCODED_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import { bytesOfElements } from '../../src/tensor/tensor-type.ts';
import { testGpu } from '../gpu-harness.ts';
import { memoryCheckpoint } from '../memory-checkpoint.ts';
import type { MemoryCheckpoint } from '../memory-checkpoint.ts';
import { checkStoredWays, storedWays, woven } from '../stored-ways.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';
import { bytesOf } from './bytes-of.ts';

let gpu: GpuDevice;
let pipelines: Pipelines;
beforeAll(async () => {
  gpu = await openGpuDevice((await testGpu().requestAdapter()) as GPUAdapter);
  pipelines = createPipelines(gpu);
});
afterAll(() => gpu.destroy());

const matrixOf = (source: WeightSource): MatrixRequest => {
  const [rows, cols] = source.shape as [number, number];
  return { key: source.id, type: source.type, rows, cols, arrangement: 'rows', sources: [source] };
};

/** Digests of what lies on the GPU, by weight. */
async function loaded(stored: MemoryCheckpoint, slotBytes: number): Promise<Map<string, string>> {
  const { weights } = await openDecoder(memoryCheckpoint(stored), { architectures: [llama, woven] });
  const sources = [...weights.values()];
  const vectors = sources
    .filter(({ shape }) => shape.length === 1)
    .map((source): VectorRequest => ({ key: source.id, parts: [{ source, length: source.shape[0] as number }] }));
  const matrices = sources.filter(({ shape }) => shape.length === 2).map(matrixOf);
  const all = await loadWeights({ gpu, pipelines, matrices, vectors, staging: { slots: 2, slotBytes } });
  const found = new Map<string, string>();
  const ranges = [
    ...[...all.matrices].map(([id, { buffer, planes }]) => ({ id, buffer, parts: planes })),
    ...[...all.vectors].map(([id, { buffer, ...part }]) => ({ id, buffer, parts: [part] })),
  ];
  for (const { id, buffer, parts } of ranges) {
    const bytes = await bytesOf(gpu, buffer);
    const digest = createHash('sha256');
    for (const { offset, sizeBytes } of parts) digest.update(bytes.subarray(offset, offset + sizeBytes));
    found.set(id, digest.digest('hex'));
  }
  all.destroy();
  return found;
}

describe('weights stored in other ways', () => {
  it.each(ENCODED_TYPES)('are the same bytes on the GPU, %s', async (type) => {
    const { plain, folder, gguf } = storedWays(type);
    // Pieces of a few rows, which begin and end inside heads.
    const slotBytes = 11 * bytesOfElements(type, 512);
    const wanted = await loaded(plain, slotBytes);
    expect(new Set(wanted.values()).size).toBe(20);
    expect(await loaded(folder, slotBytes)).toEqual(wanted);
    expect(await loaded(gguf, slotBytes)).toEqual(wanted);
  });

  it('give the same logits', async () => {
    await checkStoredWays(await softwareExecutor({ profile: TEST_PROFILES.float }), 'f16');
  }, 300_000);

  it('take a bounded piece of memory beside the staging ring, however large the tensor', async () => {
    const shape = [3072, 4096];
    const sizeBytes = bytesOfElements('q8_0', 3072 * 4096);
    const staging = { slots: 3, slotBytes: 1_000_000 };
    let [held, most, read] = [0, 0, 0];
    const entry: TensorEntry = {
      name: 'q', type: 'q8_0', shape, sizeBytes, fileName: 'counted', fileOffset: 0,
      async read(_byteOffset, into) {
        held += into.buffer.byteLength;
        read += into.length;
        most = Math.max(most, held);
        await new Promise((resolve) => setTimeout(resolve, 1));
        into.fill(0);
        held -= into.buffer.byteLength;
      },
    };
    const checkpoint = { ...memoryCheckpoint({ format: 'gguf', architecture: 'test', tensors: {} }), tensors: new Map([['q', entry]]) };
    const source = weightReader(checkpoint)('q', permuteHeads(tensor('q', shape), 32, 'halves'));
    const weights = await loadWeights({ gpu, pipelines, matrices: [matrixOf(source)], vectors: [], staging });
    weights.destroy();
    expect(most).toBeLessThanOrEqual(staging.slots * GATHER_BYTES);
    expect(most).toBeLessThan(sizeBytes / 4);
    expect(read / sizeBytes).toBeLessThan(2);
  });
});
