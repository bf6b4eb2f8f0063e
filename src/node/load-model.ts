/** The composition root for Node: a path or URL, a device, and what a model on it needs. */
import type { CancelSignal } from '../tensor/platform.ts';
import { availableParallelism } from 'node:os';
import { createCpuExecutor } from '../cpu/cpu-executor.ts';
import type { CallLimits } from '../engine/admission.ts';
import type { Model } from '../engine/api.ts';
import { createModel } from '../engine/model.ts';
import { retryNote } from '../files/http-retry.ts';
import type { HttpRetry } from '../files/http-retry.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { Executor } from '../graph/executor.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { PerLayerTable } from '../models/architecture.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { OnProgress, ProgressEvent } from '../tensor/progress.ts';
import type { ImageLimits } from '../engine/images/image-cache.ts';
import { chatFiles } from './chat-files.ts';
import { parseDevice, takesThreads } from './device-choice.ts';
import type { DeviceChoice } from './device-choice.ts';
import { openImageDecoder } from './image-decoder.ts';
import { openGpuExecutor } from './gpu-executor.ts';
import { defaultMemoryBudget } from './memory-budget.ts';
import { locate } from './open-path.ts';
import { createThreadHost } from './thread-host.ts';
import { tuningUse } from './tuning-store.ts';
import type { TuningUse } from './tuning-store.ts';
import { readKernelModules } from './wasm-modules.ts';

export interface LoadModelOptions extends CallLimits {
  /** `auto` takes the fastest there is on this machine; `gpu:1` is the second GPU that `ingot doctor` lists. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** Most tokens of prompt and answer together. Default: the model's own, at most 8,192. */
  readonly contextLength?: number | undefined;
  /**
   * Compute threads of the CPU device, which `auto` may take; refused beside any other device. Default: as many as the machine has for this
   * process.
   */
  readonly threads?: number | undefined;
  /**
   * As {@link ModelOptions.kvType}: `f16`, `q8`, `q4` or `f32` for keys and values, or `q8/q4` for each. Default: f16 for quantised models,
   * f32 for float ones.
   */
  readonly kvType?: KvChoice | undefined;
  /** As {@link ModelOptions.snapshotBytes}: most bytes of snapshots of hybrids' states; 0 keeps none. Default 512 MB. */
  readonly snapshotBytes?: number | undefined;
  /**
   * As {@link ModelOptions.memoryBudget}: most bytes of weights and states together. Default: min(70% of the machine's memory, all but
   * 8 GB), or half of it where that is more; on a GPU with memory of its own as much as it gives.
   */
  readonly memoryBudget?: number | undefined;
  /** As {@link ModelOptions.spareMemory}: how much more it may take, as it is now. Default: as `memoryBudget` leaves. */
  readonly spareMemory?: (() => number) | undefined;
  /** As {@link CreateModelOptions.perLayerTable}: `host` reads the table of Gemma 4's small models from the file. Default `device`. */
  readonly perLayerTable?: PerLayerTable | undefined;
  /** As {@link CreateModelOptions.mostPatches}: most patches of a picture, of a model that sees. */
  readonly mostPatches?: number | undefined;
  /** Of a model that sees: limits of images in conversations, and how many of them are kept. */
  readonly images?: ImageLimits | undefined;
  /** The file of a GGUF model's tower and projector (llama.cpp's mmproj). Default: the one beside the model, where there is one. */
  readonly mmproj?: string | undefined;
  /** As {@link CreateModelOptions.quantize}: weights of floats become blocks while they are loaded. Default: as they are. */
  readonly quantize?: QuantizeType | undefined;
  /** As {@link ModelOptions.onHint}. Default: `process.emitWarning`, which `--no-warnings` and `NODE_NO_WARNINGS` silence. */
  readonly onHint?: ((hint: string) => void) | undefined;
  /**
   * Of a GPU, which `auto` may take: `stored` obeys what `ingot doctor --tune`, or an earlier program, found to be faster on this adapter;
   * `background` also looks for what was not found yet while all models of the GPU rest after this one's first work, up to 10 s of the
   * device, but not on `software`; `off` does neither. Refused beside a device that it is not for. Default: what the environment's
   * INGOT_TUNING says, else `background`.
   */
  readonly tuning?: TuningUse | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const LOAD_NAMES: NamesOf<LoadModelOptions> = {
  device: true, contextLength: true, threads: true, kvType: true, snapshotBytes: true, perLayerTable: true, quantize: true,
  mostPatches: true, images: true, mmproj: true, memoryBudget: true, spareMemory: true, maxConcurrent: true, queueLimit: true,
  queueTimeoutMs: true, tuning: true, onHint: true, signal: true, onProgress: true,
};

const MOST_THREADS = 256;

function resolveThreads(threads: number | undefined): number {
  checkInteger('threads', threads, { min: 1, max: MOST_THREADS });
  return threads ?? Math.min(availableParallelism(), MOST_THREADS);
}

/** What a device would not obey. `auto` may take any: what is for one of those it has is no mistake. */
function refuseIdleOptions({ device, threads, tuning }: ExecutorOptions): void {
  if (threads !== undefined && !takesThreads(device))
    throw new InputError(
      `threads ${String(threads)} is for the CPU device, and device is ${JSON.stringify(device)}: leave out threads, or pass device "cpu".`,
    );
  const { kind } = parseDevice(device);
  const [words, remedy] = kind === 'software' ? ['looks for what is faster on', 'pass "stored"'] : ['is for', 'pass device "gpu"'];
  if (tuning === undefined || tuning === 'off' || ['auto', 'gpu'].includes(kind) || (kind === 'software' && tuning === 'stored')) return;
  throw new InputError(`tuning "${tuning}" ${words} a GPU, and device is ${JSON.stringify(device)}: leave out tuning, or ${remedy}.`);
}

async function openCpuExecutor(threads: number): Promise<Executor> {
  const executor = await createCpuExecutor({ threads, modules: await readKernelModules(), threadHost: createThreadHost() });
  return { ...executor, memoryBytes: defaultMemoryBudget(undefined).bytes };
}

type ExecutorOptions = Pick<LoadModelOptions, 'device' | 'threads' | 'tuning'>;

/**
 * @param usual what is tuned where neither the options nor the environment say so
 * @throws CapacityError for a device that this machine does not have; InputError for an unknown one, and for threads or tuning beside one
 * that has none.
 */
export async function openExecutor(options: ExecutorOptions = {}, usual: TuningUse = 'stored'): Promise<Executor> {
  const { kind, index } = parseDevice(options.device);
  const threads = resolveThreads(options.threads);
  const tuning = tuningUse(options.tuning, usual);
  refuseIdleOptions(options);
  switch (kind) {
    case 'auto': {
      const gpu = await openGpuExecutor('hardware', { tuning });
      return 'problem' in gpu ? openCpuExecutor(threads) : gpu;
    }
    case 'cpu':
      return openCpuExecutor(threads);
    case 'reference':
      return { ...createReferenceExecutor(), memoryBytes: defaultMemoryBudget(undefined).bytes };
    case 'gpu':
    case 'software': {
      const gpu = await openGpuExecutor(kind === 'gpu' ? 'hardware' : 'software', { index, tuning });
      if ('problem' in gpu)
        throw new CapacityError(
          `The device "${options.device}" cannot be used: ${gpu.problem}. Use "cpu", or "auto", which takes what there is.`,
        );
      return gpu;
    }
    default:
      throw new Error(`device: unknown kind ${kind satisfies never}`);
  }
}

function warn(hint: string): void {
  process.emitWarning(hint, { type: 'IngotHint', code: 'INGOT_PROMPT' });
}

/**
 * Loads a model: a GGUF file (or the first of a split one), a Hugging Face folder or one of its files, the URL of either, or an id of the
 * Hugging Face hub (`Qwen/Qwen3-4B-GGUF`, with `:Q8_0` or `@REVISION` after it, or a short name such as `qwen3:4b`), which is downloaded
 * into the hub's cache where it is not there. Call its `dispose()` when done.
 * @throws InputError for a path or an option that cannot be meant; FormatError for a damaged or unsupported model;
 * CapacityError where it does not fit; the signal's reason when it aborts. Nothing stays open or running then.
 */
export async function loadModel(pathOrUrl: string, options: LoadModelOptions = {}): Promise<Model> {
  checkOptionNames(options, LOAD_NAMES, 'loadModel');
  checkOperation(options);
  const { signal, onProgress, device: _device, threads: _threads, tuning: _tuning, mmproj, onHint = warn, ...settings } = options;
  signal?.throwIfAborted();
  const executor = await openExecutor(options, 'background');
  let last: ProgressEvent = { phase: 'download', loaded: 0, total: 0 };
  const report = (event: ProgressEvent) => onProgress?.((last = event));
  const onRetry = (retry: HttpRetry) => report({ ...last, note: retryNote(retry) });
  const location = await locate(pathOrUrl, { signal, onRetry, onProgress: report, mmproj });
  const checkpoint = await openCheckpoint(location, { signal });
  const imageDecoder = openImageDecoder();
  return createModel({ ...settings, checkpoint, executor, chatFiles, imageDecoder, onHint, signal, onProgress: report });
}
