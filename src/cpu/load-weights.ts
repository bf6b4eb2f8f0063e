/** Streams weights into memory, as their file holds them, while the threads look at what has arrived. */
import type { ProgramRequest, WeightSource } from '../graph/executor.ts';
import { notFinite } from '../graph/not-finite.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { elementsOf, TENSOR_TYPES } from '../tensor/tensor-type.ts';
import type { KernelExports } from './kernel-module.ts';
import type { ProgramLayout } from './layout-program.ts';
import { createRecordWriter } from './record-writer.ts';
import type { Threads } from './threads.ts';
import { weightCode } from './kernel-module.ts';

/** Tensors that are read at the same time: one copies while another waits for the disk. */
const READERS = 2;
/** Code of the op that looks for NaN and infinity in weights; no plan holds it. `assembly/program.ts` has the same number. */
const CHECK_CODE = 11;
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
      const address = layout.weights.get(ref.id)?.address as number;
      await source.read(0, new Uint8Array(memory.buffer, address, source.sizeBytes), { signal: combined });
      checker.add(source, address);
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

interface Arrived {
  readonly source: WeightSource;
  readonly address: number;
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
    add(source: WeightSource, address: number) {
      arrived.push({ source, address });
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
  batch.forEach(({ source, address }, i) => {
    const { blockBytes } = TENSOR_TYPES[source.type];
    records.ints(CHECK_CODE, 28, 0, weightCode(source.type), address, source.sizeBytes / blockBytes, layout.checks + i * 4);
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
