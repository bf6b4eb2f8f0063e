/** Writes one GGUF v3 file to a sink, tensor after tensor, holding no more than the caller's chunk. */
import { InputError } from '../tensor/errors.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufValue } from '../tensor/gguf-value.ts';
import type { ByteSink } from './byte-sink.ts';
import { encodeGgufHeader, paddingOf, placeTensors } from './gguf-encoder.ts';
import type { GgufTensorPlan, PlacedTensor } from './gguf-encoder.ts';

export type { GgufTensorPlan } from './gguf-encoder.ts';

export interface GgufPlan {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the order in which their bytes will come. */
  readonly tensors: readonly GgufTensorPlan[];
  /** A power of two; tensors begin at its multiples. By default 32. */
  readonly alignment?: number;
}

const DEFAULT_ALIGNMENT = 32;

/** Owns the sink from `open` on: `close` ends the file, `abort` throws it away. */
export class GgufWriter {
  /** Bytes of the finished file. */
  readonly sizeBytes: number;
  readonly #sink: ByteSink;
  readonly #tensors: readonly PlacedTensor[];
  readonly #alignment: number;
  #index = 0;
  /** Bytes of the current tensor that were written. */
  #done = 0;

  private constructor(sink: ByteSink, tensors: readonly PlacedTensor[], sizes: { alignment: number; sizeBytes: number }) {
    this.#sink = sink;
    this.#tensors = tensors;
    this.#alignment = sizes.alignment;
    this.sizeBytes = sizes.sizeBytes;
  }

  /**
   * Writes the header. On failure the sink is aborted.
   * @throws InputError for a plan that GGUF cannot hold; what the sink throws.
   */
  static async open(sink: ByteSink, { metadata, tensors, alignment = DEFAULT_ALIGNMENT }: GgufPlan): Promise<GgufWriter> {
    try {
      if (!Number.isInteger(Math.log2(alignment))) throw new InputError(`The alignment must be a power of two, found ${alignment}.`);
      const withAlignment = alignment === DEFAULT_ALIGNMENT ? metadata : new Map(metadata).set('general.alignment', uint32(alignment));
      const placed = placeTensors(tensors, alignment);
      const header = encodeGgufHeader(withAlignment, placed, alignment);
      const last = placed.at(-1);
      const dataBytes = last ? last.offset + last.sizeBytes + paddingOf(last.sizeBytes, alignment) : 0;
      const sizeBytes = header.length + dataBytes;
      await sink.reserve?.(sizeBytes);
      await sink.write(header);
      return new GgufWriter(sink, placed, { alignment, sizeBytes });
    } catch (error) {
      await sink.abort();
      throw error;
    }
  }

  /** Appends bytes of the tensor `name`, which must be the next one of the plan or the one begun. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const tensor = this.#tensors[this.#index];
    if (tensor?.name !== name)
      throw new InputError(`Expected bytes of ${tensor ? tensor.name : 'no further tensor'}, got some of ${name}.`);
    if (this.#done + bytes.length > tensor.sizeBytes) {
      throw new InputError(`The tensor ${name} takes ${tensor.sizeBytes} bytes; got ${this.#done + bytes.length}.`);
    }
    await this.#sink.write(bytes);
    this.#done += bytes.length;
    if (this.#done < tensor.sizeBytes) return;
    const padding = paddingOf(tensor.sizeBytes, this.#alignment);
    if (padding > 0) await this.#sink.write(new Uint8Array(padding));
    this.#index++;
    this.#done = 0;
  }

  /** Ends the file. @throws InputError where a tensor of the plan is missing or incomplete. */
  async close(): Promise<void> {
    const tensor = this.#tensors[this.#index];
    if (tensor)
      throw new InputError(`The tensor ${tensor.name} has ${this.#done} of its ${tensor.sizeBytes} bytes; write the rest before closing.`);
    await this.#sink.close();
  }

  /** Throws the file away. */
  abort(): Promise<void> {
    return this.#sink.abort();
  }
}
