/** Uniforms of a plan: the sizes of its dims, which each run has its own of, and words that stay as they are. */
import type { DimSizes } from '../../graph/dims.ts';
import type { Dim } from '../../graph/value.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { BUFFER_USAGE } from '../device/gpu-device.ts';

/** A uniform has a multiple of these. */
const UNIFORM_BYTES = 16;
/** Bytes from one uniform to the next in one buffer, as every device takes them, and of that buffer: of a kernel for every product. */
const UNIFORM_STEP = 256;
const CONSTANT_BYTES = 128 * UNIFORM_STEP;

export class Uniforms {
  /** Of all that there are. */
  sizeBytes = 0;
  readonly #gpu: GpuDevice;
  readonly #buffers: GPUBuffer[] = [];
  readonly #dims: ReadonlyMap<string, GPUBuffer>;
  /** By their words: of values that always have so many rows, and of kernels' own sizes. */
  readonly #constants = new Map<string, GPUBufferBinding>();
  #pool: GPUBuffer;
  #used = 0;

  constructor(gpu: GpuDevice, dims: readonly string[]) {
    this.#gpu = gpu;
    this.#dims = new Map(dims.map((dim) => [dim, this.#create(`size of ${dim}`, UNIFORM_BYTES)]));
    // There before any is asked for: then nobody waits for what the device says to a new buffer.
    this.#pool = this.#create('constant sizes', CONSTANT_BYTES);
  }

  #create(label: string, size: number): GPUBuffer {
    const buffer = this.#gpu.createBuffer({ label, size, usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST });
    this.#buffers.push(buffer);
    this.sizeBytes += size;
    return buffer;
  }

  /** A number's is written when it is first asked for. */
  sizeOf(dim: Dim): GPUBufferBinding {
    if (typeof dim === 'number') return this.of([dim]);
    const buffer = this.#dims.get(dim);
    if (buffer === undefined) throw new Error(`gpu program: no size of dim ${dim}`);
    return { buffer };
  }

  /** Always holds these words; written when it is first asked for. */
  of(words: readonly number[]): GPUBufferBinding {
    const name = words.join(' ');
    const present = this.#constants.get(name);
    if (present !== undefined) return present;
    const size = Math.ceil((words.length * 4) / UNIFORM_BYTES) * UNIFORM_BYTES;
    if (this.#used + size > CONSTANT_BYTES) {
      this.#pool = this.#create('more constant sizes', CONSTANT_BYTES);
      this.#used = 0;
    }
    const binding = { buffer: this.#pool, offset: this.#used, size };
    if (words.length > 0) this.#gpu.queue.writeBuffer(binding.buffer, binding.offset, Uint32Array.from(words));
    this.#used += Math.ceil(size / UNIFORM_STEP) * UNIFORM_STEP;
    this.#constants.set(name, binding);
    return binding;
  }

  /** Enqueues the sizes of a run. */
  write(sizes: DimSizes): void {
    for (const [dim, buffer] of this.#dims) this.#gpu.queue.writeBuffer(buffer, 0, Uint32Array.of(sizes[dim] as number));
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }
}
