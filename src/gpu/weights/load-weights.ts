/**
 * Streams weights from their files to the GPU: reads piece after piece into staging memory, several at a time, while the GPU repacks
 * what came before. The host holds the staging ring, and what a source that reorders rows needs for one read in each slot.
 */
import type { WeightSource } from '../../graph/executor.ts';
import { notFinite } from '../../graph/not-finite.ts';
import { decodeRows } from '../../tensor/codec/decode-rows.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { bytesOfElements } from '../../tensor/tensor-type.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import type { Pipelines } from '../device/pipeline-cache.ts';
import { INTERLEAVE_ROWS } from '../packed-layout.ts';
import { allocateWeights } from './allocate-weights.ts';
import type { WeightRequests } from './allocate-weights.ts';
import { createRepacker } from './repacker.ts';
import type { Repacker } from './repacker.ts';
import { createStaging } from './staging.ts';
import type { StagingOptions, StagingSlot } from './staging.ts';
import type { LoadedWeights, MatrixRequest, VectorArrangement, VectorRequest } from './weight-request.ts';

export interface LoadWeightsOptions extends WeightRequests {
  readonly gpu: Pick<GpuDevice, 'createBuffer' | 'guard' | 'pending' | 'device' | 'queue' | 'limits' | 'name' | 'throwIfLost'>;
  readonly pipelines: Pipelines;
  readonly signal?: AbortSignal | undefined;
  /** Phase `load`, in bytes of the files. */
  readonly onProgress?: OnProgress | undefined;
  /** Default {@link STAGING}. A slot grows to the longest row where that is more. */
  readonly staging?: StagingOptions | undefined;
}

/** Enough to have reads wait in line at the disk while the GPU empties a slot. */
export const STAGING: StagingOptions = { slots: 3, slotBytes: 32 * 1024 * 1024 };

/** A tensor, where it goes, and what it is called by the repacker. */
interface MatrixTensor {
  readonly matrix: MatrixRequest;
  readonly source: WeightSource;
  readonly part: number;
  readonly parts: number;
  readonly rowOffset: number;
  readonly number: number;
}

interface Loading {
  readonly options: LoadWeightsOptions;
  readonly weights: LoadedWeights;
  readonly repacker: Repacker;
  readonly slotBytes: number;
  readonly signal: AbortSignal;
  /** Counts bytes that were read and handed on. */
  report(bytes: number): void;
}

/** Something to be read, through a slot that is its own for the time. */
type Job = (slot: StagingSlot, loading: Loading) => Promise<void>;

/**
 * @throws FormatError naming the tensor that holds NaN or infinity; CapacityError where there is no room; what a source rejects with;
 * the signal's reason on abort; the device's error where that is lost. Nothing is left on the GPU then.
 */
export async function loadWeights(options: LoadWeightsOptions): Promise<LoadedWeights> {
  const { gpu, pipelines, matrices, signal } = options;
  signal?.throwIfAborted();
  const tensors = matrices.flatMap(tensorsOf).map((tensor, number): MatrixTensor => ({ ...tensor, number }));
  const { slots, slotBytes } = fitStaging(options.staging ?? STAGING, tensors);
  const freeLater: { destroy(): void }[] = [];
  const keep = <Owner extends { destroy(): void }>(owner: Owner): Owner => {
    freeLater.push(owner);
    return owner;
  };
  const weights = await allocateWeights(gpu, options);
  try {
    const types = new Set(matrices.map(({ type }) => type));
    const repacker = keep(await createRepacker({ gpu, pipelines, types, pieceBytes: slotBytes, tensors: Math.max(1, tensors.length) }));
    const staging = keep(await createStaging(gpu, { slots, slotBytes }));
    const jobs = [...options.vectors.map(vectorJob), ...tensors.flatMap((tensor) => tensorJobs(tensor, slotBytes))];
    await runJobs(jobs, { slots: staging.slots, loading: { options, weights, repacker, slotBytes } });
    signal?.throwIfAborted();
    const found = await repacker.findNotFinite();
    if (found !== undefined) throw notFinite((tensors[found.tensor] as MatrixTensor).source, found.block);
    return weights;
  } catch (error) {
    weights.destroy();
    // What fails first on a lost device is chance; the loss is what is to be told.
    gpu.throwIfLost();
    throw error;
  } finally {
    freeLater.forEach((owner) => owner.destroy());
  }
}

function tensorsOf(matrix: MatrixRequest): Omit<MatrixTensor, 'number'>[] {
  const { sources, arrangement } = matrix;
  let rowOffset = 0;
  if (arrangement === 'interleaved') {
    return sources.map((source, n) => {
      const tensor = { matrix, source, part: n % 2, parts: 2, rowOffset };
      if (n % 2 === 1) rowOffset += 2 * (source.shape[0] as number);
      return tensor;
    });
  }
  return sources.map((source) => {
    const tensor = { matrix, source, part: 0, parts: 1, rowOffset };
    rowOffset += source.shape[0] as number;
    return tensor;
  });
}

/** Slots no larger than what will pass through them, and no smaller than a row. */
function fitStaging({ slots, slotBytes }: StagingOptions, tensors: readonly MatrixTensor[]): StagingOptions {
  const rowBytes = tensors.map(({ matrix }) => bytesOfElements(matrix.type, matrix.cols));
  const largest = tensors.map(({ source }, i) => Math.min(source.sizeBytes, Math.max(slotBytes, rowBytes[i] as number)));
  return { slots, slotBytes: Math.ceil(Math.max(16, ...largest) / 16) * 16 };
}

interface RunJobsOptions {
  readonly slots: readonly StagingSlot[];
  readonly loading: Pick<Loading, 'options' | 'weights' | 'repacker' | 'slotBytes'>;
}

/** One job at a time in each slot. Rejects with the first error once no job is running. */
async function runJobs(jobs: readonly Job[], { slots, loading }: RunJobsOptions): Promise<void> {
  const { matrices, vectors, signal, onProgress } = loading.options;
  const sources = [...matrices.flatMap((matrix) => matrix.sources), ...vectors.flatMap(({ parts }) => parts.map(({ source }) => source))];
  const total = sources.reduce((sum, source) => sum + (source?.sizeBytes ?? 0), 0);
  const stop = new AbortController();
  const combined = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let loaded = 0;
  const report = (bytes: number) => onProgress?.({ phase: 'load', loaded: (loaded += bytes), total });
  report(0);
  let next = 0;
  const worker = async (slot: StagingSlot) => {
    for (let job = jobs[next++]; job !== undefined; job = jobs[next++]) {
      combined.throwIfAborted();
      await job(slot, { ...loading, signal: combined, report });
    }
  };
  // Staging memory is freed next, and a read that still runs would write to it.
  const workers = slots.map((slot) => worker(slot).catch((error: unknown) => stop.abort(error)));
  await Promise.all(workers);
  combined.throwIfAborted();
}

function tensorJobs(tensor: MatrixTensor, slotBytes: number): Job[] {
  return piecesOf(tensor, slotBytes).map((piece): Job => async (slot, loading) => {
    const memory = await slot.map();
    await tensor.source.read(piece.byteOffset, memory.subarray(0, piece.sizeBytes), { signal: loading.signal });
    handOn(tensor, piece, { slot, loading });
  });
}

interface Passage {
  readonly slot: StagingSlot;
  readonly loading: Loading;
}

interface TensorPiece {
  readonly firstRow: number;
  readonly rows: number;
  readonly byteOffset: number;
  readonly sizeBytes: number;
}

function piecesOf({ matrix, source }: MatrixTensor, slotBytes: number): TensorPiece[] {
  const rowBytes = bytesOfElements(matrix.type, matrix.cols);
  const [allRows = 0] = source.shape;
  const most = Math.floor(slotBytes / rowBytes);
  const pieces: TensorPiece[] = [];
  for (let firstRow = 0; firstRow < allRows; firstRow += most) {
    const rows = Math.min(most, allRows - firstRow);
    pieces.push({ firstRow, rows, byteOffset: firstRow * rowBytes, sizeBytes: rows * rowBytes });
  }
  return pieces;
}

function handOn(
  { matrix, part, parts, rowOffset, number }: MatrixTensor,
  { firstRow, rows, sizeBytes }: TensorPiece,
  { slot, loading }: Passage,
): void {
  loading.signal.throwIfAborted();
  slot.buffer.unmap();
  const to = loading.weights.matrices.get(matrix.key);
  if (to === undefined) throw new Error(`matrix ${matrix.key} has no buffer`);
  const piece = { cols: matrix.cols, rows, firstRow, rowOffset, part, parts, errorSlot: number };
  loading.repacker.repack({ matrix: to, type: matrix.type, piece, staged: slot.buffer, sizeBytes });
  loading.report(sizeBytes);
}

function vectorJob({ key, parts, arrangement }: VectorRequest): Job {
  return async (_, { options, weights, signal, report }) => {
    const read: Float32Array[] = [];
    for (const { source, length, fill = 0 } of parts) {
      const values = new Float32Array(length).fill(fill);
      read.push(values);
      if (source === undefined) continue;
      const bytes = new Uint8Array(source.sizeBytes);
      await source.read(0, bytes, { signal });
      decodeRows(source.type, bytes, values);
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) throw notFinite(source, bad);
      report(source.sizeBytes);
    }
    const to = weights.vectors.get(key);
    if (to === undefined) throw new Error(`vector ${key} has no buffer`);
    options.gpu.queue.writeBuffer(to.buffer, to.offset, arranged(read, arrangement));
  };
}

function arranged(read: readonly Float32Array[], arrangement: VectorArrangement | undefined): Float32Array<ArrayBuffer> {
  if (arrangement === 'interleaved') return interleaved(read);
  const all = concatenate(read);
  return arrangement === 'gates' ? byGates(all) : all;
}

/** Four matrices [n, n], one after another, as [columns, rows, 4]. */
function byGates(matrices: Float32Array): Float32Array<ArrayBuffer> {
  const n = Math.sqrt(matrices.length / 4);
  const all = new Float32Array(matrices.length);
  for (let gate = 0, from = 0; gate < 4; gate++)
    for (let row = 0; row < n; row++)
      for (let column = 0; column < n; column++, from++) all[(column * n + row) * 4 + gate] = matrices[from]!;
  return all;
}

/** Values of two vectors of one length as the rows of their matrices lie. */
function interleaved(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.forEach((part, n) => {
    for (let at = 0; at < part.length; at += INTERLEAVE_ROWS)
      all.set(part.subarray(at, at + INTERLEAVE_ROWS), parts.length * at + n * INTERLEAVE_ROWS);
  });
  return all;
}

function concatenate(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
