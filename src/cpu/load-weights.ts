/** Streams weights into memory, as their file holds them, while the threads look at what has arrived and pack matrices. */
import type { ProgramRequest, WeightSource } from '../graph/executor.ts';
import { notFinite } from '../graph/not-finite.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { elementsOf, TENSOR_TYPES } from '../tensor/tensor-type.ts';
import type { MatrixAt } from './cpu-op-rules.ts';
import type { KernelExports } from './kernel-module.ts';
import type { ProgramLayout } from './layout-program.ts';
import { createRecordWriter } from './record-writer.ts';
import type { Threads } from './threads.ts';
import { weightCode } from './weight-code.ts';

/** Tensors that are read at the same time: one copies while another waits for the disk. */
const READERS = 2;
/** Codes of the ops that look for NaN and infinity, and that pack too; no plan holds them. `assembly/program.ts` has the same numbers. */
const CHECK_CODE = 11;
const PACK_CODE = 25;
const NOT_FOUND = 0xffffffff;

export interface LoadOptions {
  readonly request: ProgramRequest;
  readonly layout: ProgramLayout;
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  readonly threads: Threads;
}

/** @throws FormatError naming the tensor that holds NaN or infinity; the signal's reason on abort. */
export async function loadWeights(options: LoadOptions): Promise<void> {
  const { request, layout, memory, kernels } = options;
  const { model, signal, onProgress } = request;
  const checker = createChecker(options);
  const stop = new AbortController();
  const combined = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let next = 0;
  let loaded = 0;
  onProgress?.({ phase: 'load', loaded, total: layout.weightBytes });
  const reader = async () => {
    for (let ref = model.weights[next++]; ref !== undefined; ref = model.weights[next++]) {
      combined.throwIfAborted();
      const source = sourceOf(request, ref.id);
      const at = layout.weights.get(ref.id) as MatrixAt;
      await readWeight(source, at, memory, combined);
      checker.add(source, at);
      loaded += source.sizeBytes;
      onProgress?.({ phase: 'load', loaded, total: layout.weightBytes });
    }
  };
  const readers = Array.from({ length: READERS }, reader);
  try {
    await Promise.race([Promise.all(readers), checker.failed]);
    await checker.finish();
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(readers);
    throw error;
  }
  for (const [id, to] of layout.vectors) {
    const { type, shape } = sourceOf(request, id);
    kernels.dequantizeRow(weightCode(type), layout.weights.get(id)?.address as number, to, elementsOf(shape));
  }
}

/** Packed matrices have heads between them. */
async function readWeight(source: WeightSource, at: MatrixAt, memory: WebAssembly.Memory, signal: AbortSignal): Promise<void> {
  const { address, isPacked, matrices, fileBytes, matrixBytes } = at;
  const [parts, partBytes] = isPacked ? [matrices, fileBytes] : [1, source.sizeBytes];
  for (let part = 0; part < parts; part++) {
    await source.read(part * partBytes, new Uint8Array(memory.buffer, address + part * matrixBytes, partBytes), { signal });
  }
}

interface Arrived {
  readonly source: WeightSource;
  readonly at: MatrixAt;
}

/** Runs checks on the threads one batch after another; a batch is what has arrived during the one before. */
function createChecker({ layout, memory, threads }: LoadOptions) {
  let arrived: Arrived[] = [];
  let reject: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, fail) => {
    reject = fail;
  });
  failed.catch(() => {});
  let running = threads.start().catch(reject);
  const drain = async () => {
    while (arrived.length > 0) {
      const batch = arrived;
      arrived = [];
      await checkBatch(batch, { layout, memory, threads });
    }
  };
  return {
    failed,
    add(source: WeightSource, at: MatrixAt) {
      arrived.push({ source, at });
      running = running.then(drain).catch(reject);
    },
    /** Resolves once all that was added is checked. */
    finish: () => Promise.race([running, failed]),
  };
}

async function checkBatch(
  batch: readonly Arrived[],
  { layout, memory, threads }: Pick<LoadOptions, 'layout' | 'memory' | 'threads'>,
): Promise<void> {
  const found = new Uint32Array(memory.buffer, layout.checks, batch.length).fill(NOT_FOUND);
  const records = createRecordWriter();
  batch.forEach(({ source: { type, sizeBytes }, at }, i) => {
    const { blockBytes } = TENSOR_TYPES[type];
    const to = layout.checks + i * 4;
    const { typeCode, address, matrixBytes, matrices, rows, rowBytes } = at;
    if (at.isPacked) records.ints(PACK_CODE, 44, 0, typeCode, address, matrixBytes, matrices, rows, rowBytes, rowBytes / blockBytes, to);
    else records.ints(CHECK_CODE, 28, 0, typeCode, address, sizeBytes / blockBytes, to);
  });
  const program = layout.checks + batch.length * 4;
  const words = records.toWords();
  new Uint32Array(memory.buffer, program, words.length).set(words);
  await threads.run({ program, programEnd: program + words.byteLength, step: 0 });
  batch.forEach(({ source }, i) => {
    const block = found[i] as number;
    if (block !== NOT_FOUND) throw notFinite(source, block);
  });
}
