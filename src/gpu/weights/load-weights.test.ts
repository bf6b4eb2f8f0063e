import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeCases } from '../../../test/gpu/type-cases.ts';
import { testGpu } from '../../../test/gpu-harness.ts';
import { interleaveRows, packMatrix } from '../../../test/gpu/pack-matrix.ts';
import { randomWeights, randomSource } from '../../tensor/codec/random-weights.ts';
import type { WeightSource } from '../../graph/executor.ts';
import { CapacityError, FormatError } from '../../tensor/errors.ts';
import type { ProgressEvent } from '../../tensor/progress.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { openGpuDevice } from '../device/gpu-device.ts';
import type { GpuBufferOptions, GpuDevice } from '../device/gpu-device.ts';
import { createPipelines } from '../device/pipeline-cache.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { PlaneName } from '../packed-layout.ts';
import { loadWeights, STAGING } from './load-weights.ts';
import type { LoadWeightsOptions } from './load-weights.ts';
import type { LoadedMatrix, LoadedVector, MatrixRequest, VectorRequest } from './weight-request.ts';
import { bytesOf } from '../../../test/gpu/bytes-of.ts';

let gpu: GpuDevice;
let pipelines: Pipelines;
beforeAll(async () => {
  gpu = await openGpuDevice((await testGpu().requestAdapter()) as GPUAdapter);
  pipelines = createPipelines(gpu);
});
afterAll(() => gpu.destroy());

interface TestSource extends WeightSource {
  readonly bytes: Uint8Array;
  /** Bytes of each read. */
  readonly reads: number[];
}

const random = randomSource(17);

function sourceOf(type: WeightType, shape: readonly number[], id = 'w'): TestSource {
  const [rows, cols] = shape.length === 2 ? (shape as [number, number]) : [1, shape[0] as number];
  const bytes = randomWeights(type, rows, cols, random);
  const reads: number[] = [];
  return {
    id,
    type,
    shape,
    sizeBytes: bytes.length,
    origin: `${id} in a test`,
    bytes,
    reads,
    async read(byteOffset, into) {
      reads.push(into.length);
      await new Promise((resolve) => setTimeout(resolve, 1));
      into.set(bytes.subarray(byteOffset, byteOffset + into.length));
    },
  };
}

function matrixOf(key: string, sources: readonly TestSource[], arrangement: MatrixRequest['arrangement'] = 'rows'): MatrixRequest {
  const [{ type, shape }] = sources as [TestSource];
  return {
    key,
    type,
    rows: sources.reduce((sum, source) => sum + (source.shape[0] as number), 0),
    cols: shape[1] as number,
    arrangement,
    sources,
  };
}

async function planesOf(matrix: LoadedMatrix | undefined): Promise<Partial<Record<PlaneName, Uint8Array>>> {
  const { buffer, planes } = matrix as LoadedMatrix;
  const bytes = await bytesOf(gpu, buffer);
  return Object.fromEntries(planes.map(({ name, offset, sizeBytes }) => [name, bytes.slice(offset, offset + sizeBytes)]));
}

async function valuesOf(vector: LoadedVector | undefined): Promise<readonly number[]> {
  const { buffer, offset, sizeBytes } = vector as LoadedVector;
  return [...new Float32Array((await bytesOf(gpu, buffer)).slice(offset, offset + sizeBytes).buffer)];
}

/** The device, with its buffers counted. */
function countingGpu() {
  const alive = new Map<GPUBuffer, GpuBufferOptions>();
  const made: GpuBufferOptions[] = [];
  const createBuffer = (options: GpuBufferOptions) => {
    const buffer = gpu.createBuffer(options);
    made.push(options);
    alive.set(buffer, options);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      alive.delete(buffer);
      destroy();
    };
    return buffer;
  };
  const view: LoadWeightsOptions['gpu'] = {
    createBuffer,
    guard: (doing, work) => gpu.guard(doing, work),
    pending: (operation) => gpu.pending(operation),
    throwIfLost: () => gpu.throwIfLost(),
    device: gpu.device, queue: gpu.queue, limits: gpu.limits, name: gpu.name,
  };
  return { view, alive, made };
}

const load = (options: Partial<LoadWeightsOptions>) => loadWeights({ gpu, pipelines, matrices: [], vectors: [], ...options });
const concat = (sources: readonly TestSource[]) => Uint8Array.from(sources.flatMap(({ bytes }) => [...bytes]));

describe('loading matrices', () => {
  for (const { type, options } of typeCases()) {
    it(`${type}: odd rows, both arrangements, pieces of a few rows`, options, async () => {
      const cols = isQuantized(type) ? 3 * TENSOR_TYPES[type].blockSize : 261;
      const joined = [sourceOf(type, [37, cols]), sourceOf(type, [5, cols]), sourceOf(type, [11, cols])];
      const woven = [sourceOf(type, [48, cols]), sourceOf(type, [48, cols])];
      const rowBytes = bytesOfElements(type, cols);
      const weights = await load({
        matrices: [matrixOf('qkv', joined), matrixOf('gateUp', woven, 'interleaved')],
        staging: { slots: 2, slotBytes: 7 * rowBytes + 3 },
      });
      expect(await planesOf(weights.matrices.get('qkv'))).toEqual(packMatrix(type, 53, cols, concat(joined)));
      expect(await planesOf(weights.matrices.get('gateUp'))).toEqual(
        packMatrix(
          type,
          96,
          cols,
          interleaveRows(
            woven.map(({ bytes }) => bytes),
            48,
          ),
        ),
      );
      expect(weights.sizeBytes).toBe([...weights.matrices.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
      expect(joined[0]!.reads).toEqual([7, 7, 7, 7, 7, 2].map((rows) => rows * rowBytes));
      expect(joined[1]!.reads).toEqual([5 * rowBytes]);
      weights.destroy();
      weights.destroy();
    });
  }

  it('matrices, and vectors, share buffers of up to the most that one may have', async () => {
    const sources = Array.from({ length: 3 }, () => sourceOf('q8_0', [16, 512]));
    const gains = [sourceOf('f32', [7]), sourceOf('f32', [9])];
    const { view, made } = countingGpu();
    const one = (await load({ matrices: [matrixOf('m', [sourceOf('q8_0', [16, 512])])] })).sizeBytes;
    const weights = await load({
      gpu: { ...view, limits: { ...gpu.limits, bufferBytes: 2 * one } },
      matrices: sources.map((source, i) => matrixOf(`m${i}`, [source])),
      vectors: gains.map((source, i) => ({ key: `g${i}`, parts: [{ source, length: source.shape[0] as number }] })),
    });
    expect(made.filter(({ label }) => /^[mg]\d/.test(label)).map(({ label }) => label)).toEqual(['m0 to m1', 'm2', 'g0 to g1']);
    for (const [i, { bytes }] of sources.entries())
      expect(await planesOf(weights.matrices.get(`m${i}`))).toEqual(packMatrix('q8_0', 16, 512, bytes));
    for (const [i, { bytes }] of gains.entries()) {
      const values = await valuesOf(weights.vectors.get(`g${i}`));
      expect(values.slice(0, bytes.length / 4)).toEqual(packedValues('f32', bytes));
    }
    expect(weights.sizeBytes).toBe(made.filter(({ label }) => /^[mg]\d/.test(label)).reduce((sum, { size }) => sum + size, 0));
    weights.destroy();
  });

  it('a row longer than a slot', async () => {
    const source = sourceOf('q8_0', [3, 640]);
    const weights = await load({ matrices: [matrixOf('m', [source])], staging: { slots: 3, slotBytes: 64 } });
    expect(await planesOf(weights.matrices.get('m'))).toEqual(packMatrix('q8_0', 3, 640, source.bytes));
    weights.destroy();
  });

  it('takes the default staging, cut to what passes through it', async () => {
    const { view, made } = countingGpu();
    const source = sourceOf('q4_0', [64, 256]);
    const weights = await load({ gpu: view, matrices: [matrixOf('m', [source])] });
    const staging = made.filter(({ label }) => label.startsWith('staging'));
    expect(staging.map(({ size }) => size)).toEqual(Array.from({ length: STAGING.slots }, () => source.sizeBytes));
    weights.destroy();
  });
});

describe('loading vectors', () => {
  it.each(['f32', 'f16', 'bf16'] as const)('%s values as f32, zeros where a part has none', async (type) => {
    const [q, v] = [sourceOf(type, [5]), sourceOf(type, [6])];
    const vectors: VectorRequest[] = [
      {
        key: 'bias',
        parts: [
          { source: q, length: 5 },
          { source: undefined, length: 3 },
          { source: v, length: 6 },
        ],
      },
    ];
    const weights = await load({ vectors });
    const [asQ, asV] = [packedValues(type, q.bytes), packedValues(type, v.bytes)];
    expect(await valuesOf(weights.vectors.get('bias'))).toEqual([...asQ, 0, 0, 0, ...asV, 0, 0]);
    expect(weights.sizeBytes).toBe(64);
    weights.destroy();
  });
});

/** f32 values, straight from the definition of the formats. */
function packedValues(type: 'f32' | 'f16' | 'bf16', bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer);
  if (type === 'f32') return [...new Float32Array(bytes.buffer)];
  return Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    if (type === 'bf16') return new Float32Array(Uint32Array.of(bits << 16).buffer)[0] as number;
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    const size = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -size : size;
  });
}

describe('loading reports and refuses', () => {
  it('progress up to the bytes of the files', async () => {
    const events: ProgressEvent[] = [];
    const sources = [sourceOf('q4_k', [9, 512]), sourceOf('q6_k', [4, 256])];
    const gain = sourceOf('f32', [7]);
    const weights = await load({
      matrices: sources.map((source, i) => matrixOf(`m${i}`, [source])),
      vectors: [{ key: 'gain', parts: [{ source: gain, length: 7 }] }],
      onProgress: (event) => events.push(event),
      staging: { slots: 2, slotBytes: 600 },
    });
    const total = sources[0]!.sizeBytes + sources[1]!.sizeBytes + gain.sizeBytes;
    expect(events[0]).toEqual({ phase: 'load', loaded: 0, total });
    expect(events.at(-1)).toEqual({ phase: 'load', loaded: total, total });
    // The start, the vector, and pieces of two rows: five and two.
    expect(events).toHaveLength(9);
    expect(events.every((event, i) => i === 0 || event.loaded > events[i - 1]!.loaded)).toBe(true);
    weights.destroy();
  });

  it.each([
    ['f32', [20, 33], 4 * (33 * 13 + 5), [0, 0, 0xc0, 0x7f], 'at row 13, column 5'],
    ['q6_k', [20, 512], 210 * 23 + 208, [0, 0x7c], 'in the q6_k block at row 11, columns 256 to 511'],
  ] as const)('NaN or infinity in %s is named, and everything freed', async (type, shape, at, bits, where) => {
    const { view, alive } = countingGpu();
    const broken = sourceOf(type, shape, 'blk.3.ffn_up.weight');
    broken.bytes.set(bits, at);
    const request = matrixOf('m', [sourceOf(type, shape), broken, sourceOf(type, shape)]);
    const error: unknown = await load({ gpu: view, matrices: [request], staging: { slots: 3, slotBytes: 3000 } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toEqual(
      new FormatError(
        `blk.3.ffn_up.weight in a test: expected finite weights, found NaN or infinity ${where}. The file is damaged: get it again.`,
      ),
    );
    expect(error).toBeInstanceOf(FormatError);
    expect([...alive.values()]).toEqual([]);
  });

  it('NaN in a vector is named', async () => {
    const gain = sourceOf('f32', [40]);
    gain.bytes.set([0, 0, 0x80, 0xff], 4 * 31);
    await expect(load({ vectors: [{ key: 'g', parts: [{ source: gain, length: 40 }] }] })).rejects.toThrow(
      'found NaN or infinity at row 0, column 31',
    );
  });

  it('an abort stops between pieces and frees everything', async () => {
    const { view, alive } = countingGpu();
    const controller = new AbortController();
    const sources = Array.from({ length: 30 }, () => sourceOf('q8_0', [32, 64]));
    const onProgress = ({ loaded, total }: ProgressEvent) => {
      if (loaded > total / 3) controller.abort(new Error('enough'));
    };
    await expect(
      load({
        gpu: view,
        matrices: [matrixOf('m', sources)],
        onProgress,
        signal: controller.signal,
        staging: { slots: 2, slotBytes: 680 },
      }),
    ).rejects.toThrow('enough');
    expect([...alive.values()]).toEqual([]);
    const read = sources.reduce((sum, source) => sum + source.reads.reduce((a, b) => a + b, 0), 0);
    expect(read).toBeLessThan((sources.length * sources[0]!.sizeBytes) / 2);
    await expect(load({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(gpu.isLost).toBe(false);
  });

  it('a source that fails frees everything once other reads have ended', async () => {
    const { view, alive } = countingGpu();
    const sources = [sourceOf('f16', [8, 8]), sourceOf('f16', [8, 8]), sourceOf('f16', [8, 8])];
    let ended = 0;
    const slow = (source: TestSource): TestSource => ({
      ...source,
      async read(byteOffset, into) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        into.set(source.bytes.subarray(byteOffset, byteOffset + into.length));
        ended++;
      },
    });
    const failing = { ...sources[1]!, read: () => Promise.reject(new FormatError('cut short')) };
    const request = matrixOf('m', [slow(sources[0]!), failing, slow(sources[2]!)]);
    await expect(load({ gpu: view, matrices: [request] })).rejects.toThrow('cut short');
    expect(ended).toBe(2);
    expect([...alive.values()]).toEqual([]);
  });

  it('what the device has no room for, before a byte is read', async () => {
    const small = { ...gpu.limits, bindingBytes: 4096 };
    const source = sourceOf('f32', [32, 33], 'token_embd.weight');
    const { view, alive } = countingGpu();
    const error: unknown = await load({ gpu: { ...view, limits: small }, matrices: [matrixOf('m', [source])] }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(CapacityError);
    expect(String(error)).toMatch(/token_embd\.weight in a test: 4608 bytes of values must be seen by one kernel; .* at most 4096/);
    const full: LoadWeightsOptions['gpu'] = {
      ...view,
      // One for each.
      limits: { ...gpu.limits, bufferBytes: 4608 },
      createBuffer: (options) => (options.label === 'b' ? gpu.createBuffer({ ...options, size: 2 ** 50 }) : view.createBuffer(options)),
    };
    await expect(load({ gpu: full, matrices: [matrixOf('a', [source]), matrixOf('b', [source])] })).rejects.toThrow(CapacityError);
    expect([...alive.values()]).toEqual([]);
    expect(source.reads).toEqual([]);
  });

  it.each(['while it reads', 'between reads'])('a device that is lost %s', async (when) => {
    const own = await openGpuDevice((await testGpu().requestAdapter()) as GPUAdapter);
    const sources = Array.from({ length: 8 }, () => sourceOf('q4_0', [16, 64]));
    let reads = 0;
    let end = () => {};
    const fifth = new Promise<void>((resolve) => (end = resolve));
    const losing = sources.map((source): TestSource => ({
      ...source,
      async read(byteOffset, into, options) {
        const lose = ++reads === 5;
        // Those behind it are not sooner at their end.
        if (reads > 5) await fifth;
        if (lose && when === 'while it reads') own.fail(new CapacityError('unplugged'));
        await source.read(byteOffset, into, options);
        if (!lose) return;
        own.fail(new CapacityError('unplugged'));
        end();
      },
    }));
    await expect(
      loadWeights({ gpu: own, pipelines: createPipelines(own), matrices: [matrixOf('m', losing)], vectors: [] }),
    ).rejects.toThrow('unplugged');
    expect(reads).toBeLessThan(8);
  });
});
