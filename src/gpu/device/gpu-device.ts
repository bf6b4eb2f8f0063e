/**
 * The open GPU device: the one owner of what WebGPU gives. It turns WebGPU's three ways of failing (error scopes, uncaptured errors, a lost
 * device) into rejections with clear words. It does not choose an adapter, hold weights or know a kernel.
 */
import { CapacityError } from '../../tensor/errors.ts';
import type { Platform } from '../../tensor/platform.ts';
import { MATRIX_FEATURE } from '../wgsl/subgroup-matrix.ts';
import { adapterFacts, adapterName, fixedSubgroupSize, gpuLimits } from './adapter-facts.ts';
import type { AdapterFacts, AdapterParts, GpuLimits } from './adapter-facts.ts';

/** WebGPU's flags (its specification fixes the numbers): TypeScript's DOM library has no values for them. */

export const BUFFER_USAGE = { MAP_READ: 1, MAP_WRITE: 2, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

export const MAP_MODE = { READ: 1, WRITE: 2 } as const;

/** What most buffers are for: kernels use them, and copies fill and read them. */
export const STORAGE_USAGE = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST;

export interface GpuDeviceOptions {
  /** Turn on timestamps in passes where they are offered: for profiling only, since they cost time. Default false. */
  readonly timestamps?: boolean | undefined;
  /** Features without which it is no use opening the device. */
  readonly required?: readonly string[] | undefined;
}

export interface GpuBufferOptions {
  /** Says what the buffer holds, in messages. */
  readonly label: string;
  /** Bytes; rounded up to a multiple of 16. */
  readonly size: number;
  /** GPUBufferUsage flags. */
  readonly usage: number;
  readonly mappedAtCreation?: boolean | undefined;
}

const USED_FEATURES: readonly GPUFeatureName[] = ['subgroups', 'shader-f16', MATRIX_FEATURE as GPUFeatureName];
const RELOAD = 'What it held is gone: load the model again.';
const SMALLER = 'Use a smaller model or a shorter context, or close other programs that use the GPU.';

/**
 * Opens a device with every feature that kernels can use and the adapter's own limits.
 * @throws CapacityError where a required feature is missing or the adapter gives no device
 */
export async function openGpuDevice(adapter: Platform<'GPUAdapter', AdapterParts>, options: GpuDeviceOptions = {}): Promise<GpuDevice> {
  const facts = adapterFacts(adapter);
  const required = (options.required ?? []) as readonly GPUFeatureName[];
  const missing = required.filter((feature) => !adapter.features.has(feature));
  if (missing.length > 0) {
    throw new CapacityError(`${adapterName(facts)} lacks ${missing.join(', ')}; it has ${facts.features.join(', ')}.`);
  }
  const wanted = [...new Set<GPUFeatureName>([...USED_FEATURES, ...(options.timestamps ? ['timestamp-query' as const] : []), ...required])];
  const { limits } = adapter;
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      },
    });
    return new GpuDevice(device, facts);
  } catch (cause) {
    throw new CapacityError(`${adapterName(facts)} could not be opened: ${messageOf(cause)}`, { cause });
  }
}

export class GpuDevice {
  readonly device: Platform<'GPUDevice'>;
  readonly queue: Platform<'GPUQueue'>;
  /** Of the adapter that the device came from. */
  readonly info: AdapterFacts;
  readonly name: string;
  readonly limits: GpuLimits;
  /** Those that were turned on. */
  readonly features: ReadonlySet<string>;
  /** Lanes of a subgroup where subgroups are on and their size is certain. */
  readonly subgroupSize: number | undefined;
  /** Settles when the device can no longer be used, with the error that says why; also after {@link destroy}. Never rejects. */
  readonly lost: Promise<Error>;
  #end: Error | undefined;
  #announceEnd: (error: Error) => void = () => {};
  readonly #waiting = new Set<(error: Error) => void>();
  /** What a guarded call has made so far, while it runs. */
  #made: Platform<'GPUBuffer'>[] | undefined;

  constructor(device: Platform<'GPUDevice'>, facts: AdapterFacts) {
    this.device = device;
    this.queue = device.queue;
    this.info = facts;
    this.name = adapterName(facts);
    this.limits = gpuLimits(device.limits);
    this.features = new Set([...device.features].map(String));
    this.subgroupSize = this.features.has('subgroups') ? fixedSubgroupSize(facts) : undefined;
    this.lost = new Promise((resolve) => (this.#announceEnd = resolve));
    void device.lost.then(({ message }) =>
      this.fail(new CapacityError(`The GPU device was lost (${message || 'no reason given'}). ${RELOAD}`, { lost: 'device' })),
    );
    device.addEventListener('uncapturederror', this.#onUncaptured);
  }

  readonly #onUncaptured = (event: GPUUncapturedErrorEvent): void => {
    event.preventDefault();
    const error = asError(event.error, `${this.name} reported an error`);
    // Not at once: Dawn holds its lock while it calls back, and waits for itself forever when the device is destroyed here.
    setTimeout(() => this.fail(error));
  };

  get isLost(): boolean {
    return this.#end !== undefined;
  }

  /** @throws the error with which the device ended */
  throwIfLost(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  /** Calls `listener` once, at the device's end. Returns a function that takes it off again. */
  onLost(listener: (error: Error) => void): () => void {
    if (this.#end !== undefined) listener(this.#end);
    else this.#waiting.add(listener);
    return () => void this.#waiting.delete(listener);
  }

  /**
   * Waits for `operation` (mapAsync, onSubmittedWorkDone...), but no longer than the device lives.
   * @throws the error with which the device ended; whatever the operation rejects with while the device is sound
   */
  pending<Result>(operation: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const remove = this.onLost(reject);
      operation.then(
        (result) => {
          remove();
          resolve(result);
        },
        // A lost device rejects its operations and announces its loss in one turn, in either order: let the announcement be first.
        (cause: Error) => void setTimeout(() => {
          remove();
          reject(cause);
        }),
      );
    });
  }

  /** @throws CapacityError for more bytes than a buffer may have or than there are */
  createBuffer({ label, size, usage, mappedAtCreation = false }: GpuBufferOptions): Platform<'GPUBuffer'> {
    this.throwIfLost();
    const bytes = Math.max(16, Math.ceil(size / 16) * 16);
    const { bufferBytes } = this.limits;
    if (!(bytes <= bufferBytes)) {
      throw new CapacityError(
        `${label} needs a buffer of ${size} bytes; ${this.name} takes at most ${bufferBytes} in one buffer. ${SMALLER}`,
      );
    }
    try {
      const buffer = this.device.createBuffer({ label, size: bytes, usage, mappedAtCreation });
      this.#made?.push(buffer);
      return buffer;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new CapacityError(`${label}: ${this.name} has no ${size} bytes left (${cause.message}). ${SMALLER}`, { cause });
    }
  }

  /**
   * Runs `work`, which must call WebGPU before it returns and not after, and waits until the device has judged those calls. Where that
   * fails, buffers that it made by {@link createBuffer} are destroyed: of several some may be there, and the others are none.
   * @param doing for messages: `allocating the KV cache`
   * @throws CapacityError out of memory; Error for a call that WebGPU refuses; the error of a device's end
   */
  async guard<Result>(doing: string, work: () => Result): Promise<Result> {
    this.throwIfLost();
    const { device } = this;
    const filters: readonly GPUErrorFilter[] = ['internal', 'validation', 'out-of-memory'];
    for (const filter of filters) device.pushErrorScope(filter);
    let verdicts: Promise<(GPUError | null)[]> | undefined;
    const pop = () => (verdicts ??= Promise.all(filters.map(() => device.popErrorScope())));
    const made: Platform<'GPUBuffer'>[] = [];
    try {
      const result = this.#making(made, work);
      const [memory, ...others] = await this.pending(pop());
      if (memory) throw new CapacityError(`${doing}: ${this.name} is out of memory (${firstLine(memory.message)}). ${SMALLER}`);
      const error = others.find((other) => other !== null);
      if (error) throw new Error(`${doing}: ${error.message}`);
      return result;
    } catch (error) {
      for (const buffer of made) buffer.destroy();
      throw error;
    } finally {
      void pop().catch(() => {});
    }
  }

  #making<Result>(made: Platform<'GPUBuffer'>[], work: () => Result): Result {
    this.#made = made;
    try {
      return work();
    } finally {
      this.#made = undefined;
    }
  }

  /** Gives the device up because of `error`: what waits on it rejects with that, and it is closed. The first error counts. */
  fail(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    // Dawn's device holds its listeners and they hold it: with one left neither is ever collected.
    this.device.removeEventListener('uncapturederror', this.#onUncaptured);
    this.device.destroy();
    this.#announceEnd(error);
    for (const listener of this.#waiting) listener(error);
    this.#waiting.clear();
  }

  /** Frees all that was made on the device; what waits on it rejects. Idempotent. */
  destroy(): void {
    this.fail(new Error('The GPU device was closed.'));
  }
}

function asError(error: GPUError, doing: string): Error {
  const isMemory = error.constructor.name === 'GPUOutOfMemoryError';
  return isMemory
    ? new CapacityError(`${doing}: out of memory (${firstLine(error.message)}). ${SMALLER}`, { lost: 'device' })
    : new Error(`${doing}: ${error.message}`);
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
