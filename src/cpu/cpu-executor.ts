/**
 * The CPU executor: WebAssembly SIMD kernels on worker threads over one shared memory. It reads no files, picks no thread
 * count and knows no platform: `node/` and `browser/` hand it the modules and a way to start workers.
 */
import type { Executor, Program, ProgramRequest } from '../graph/executor.ts';
import type { FusionRule } from '../graph/plan.ts';
import { CONTROL } from './control-layout.ts';
import type { CpuValue } from './cpu-value.ts';
import type { CpuOp } from './ops/index.ts';
import { createCpuProgram } from './cpu-program.ts';
import { mostPages, mostSlots } from '../graph/state-sizes.ts';
import type { KernelModule } from './kernel-module.ts';
import type { KernelBytes, ThreadHost } from './thread-host.ts';
import { compileKernels, createMemory, instantiateKernels } from './kernel-module.ts';
import type { PageLayout } from './kv-pages.ts';
import { layOutProgram } from './layout-program.ts';
import type { ProgramLayout } from './layout-program.ts';
import { loadWeights } from './load-weights.ts';
import { ADDRESS_LIMIT, checkCapacity, growTo } from './memory.ts';
import { Threads } from './threads.ts';

export interface CpuExecutorOptions {
  /** Compute threads, at least 1: workers, one of which the calling thread stands in for in short steps. */
  readonly threads: number;
  readonly modules: KernelBytes;
  readonly threadHost: ThreadHost;
  /** Leaves relaxed SIMD aside. Default false. */
  readonly forcePlain?: boolean | undefined;
  /** What plans fuse. Default: all rules. Fewer give the same results, slower: for tests and experiments. */
  readonly rules?: readonly FusionRule<CpuOp, CpuValue>[] | undefined;
}

/** Looks at a barrier's word this often before a thread sleeps: about 50 us, twice what waking another thread takes. */
const SPINS = 100_000;

export async function createCpuExecutor(options: CpuExecutorOptions): Promise<Executor> {
  const { threads } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= 256))
    throw new RangeError(`threads must be from 1 to 256, found ${threads}`);
  if (threads > 1 && options.threadHost.spawn === undefined)
    throw new RangeError(`threads must be 1 where the host has no workers, found ${threads}`);
  const kernels = await compileKernels(options.modules, options.forcePlain);
  const simd = kernels.kind === 'relaxed' ? 'relaxed SIMD' : 'SIMD';
  return {
    kind: 'cpu',
    description: `cpu (${threads} thread${threads === 1 ? '' : 's'}, ${simd})`,
    load: (request) => loadProgram(request, kernels, options),
  };
}

async function loadProgram(
  request: ProgramRequest,
  { module }: KernelModule,
  { threads: count, threadHost, rules }: CpuExecutorOptions,
): Promise<Program> {
  request.signal?.throwIfAborted();
  const memory = createMemory();
  const kernels = instantiateKernels(module, memory);
  const layout = layOutProgram({ request, kernels, rules, threads: count });
  const { kvBegin, weightBytes, pages } = layout;
  checkCapacity({
    fixedBytes: kvBegin,
    weightBytes,
    pageTokens: pages.pageTokens,
    maxPages: request.kv.maxPages,
    kvBytesOf: (maxPages) => stateBytes(request, pages, maxPages),
  });
  const snapshots = snapshotsThatFit(request, pages, kvBegin);
  growTo(memory, kvBegin);
  writeControl(memory, layout, count);
  const threads = new Threads({ host: threadHost, count, module, memory, control: layout.control, kernels });
  try {
    // Threads start while the first weights are read.
    await loadWeights({ request, layout, memory, kernels, threads });
    request.signal?.throwIfAborted();
  } catch (error) {
    await threads.dispose();
    throw error;
  }
  const onDisposed = async () => threadHost.reclaim?.();
  const slots = mostSlots(request.model, snapshots, request.kv);
  return createCpuProgram({ request, layout, memory, threads, threadCount: count, mostSlots: slots, onDisposed });
}

/** Bytes of pages and slots of one longest sequence, snapshots excepted: what there may be beside it is no reason to refuse a model. */
function stateBytes({ model, kv, sizes }: ProgramRequest, { pageBytes, slotBytes }: PageLayout, maxPages: number): number {
  const counts = mostPages(model, { ...kv, maxPages, sequences: 1 }, Math.max(...Object.values(sizes)));
  return pageBytes.reduce((sum, bytes, group) => sum + bytes * (counts[group] as number), 0) + slotBytes * mostSlots(model, 0);
}

/** Snapshots take what the rest leaves: they are no reason to refuse a model, nor a page later. */
function snapshotsThatFit(request: ProgramRequest, pages: PageLayout, kvBegin: number): number {
  const { snapshots = 0, kv } = request;
  if (snapshots === 0) return 0;
  return Math.min(snapshots, Math.floor((ADDRESS_LIMIT - kvBegin - stateBytes(request, pages, kv.maxPages)) / pages.slotBytes));
}

function writeControl(memory: WebAssembly.Memory, layout: ProgramLayout, threads: number): void {
  const words = new Uint32Array(memory.buffer, layout.control, 512 / 4);
  words[CONTROL.threads / 4] = threads;
  words[CONTROL.scratch / 4] = layout.scratch;
  words[CONTROL.scratchBytes / 4] = layout.scratchBytes;
  words[CONTROL.spins / 4] = SPINS;
  for (const { address, words: program } of [...layout.graphs.values()].flatMap(({ base, tapped }) => (tapped ? [base, tapped] : [base]))) {
    new Uint32Array(memory.buffer, address, program.length).set(program);
  }
}
