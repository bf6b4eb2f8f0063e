/** Weights into a GGUF file: read, decoded, checked, encoded and written a few rows at a time. */
import type { ReadOptions } from '../tensor/byte-source.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { encodeRows, findUnencodable } from '../tensor/codec/encode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { bytesOfElements } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';
import type { GgufWriter } from './gguf-writer.ts';

/** Values in the order in which they are to be written, in blocks of a type. */
export interface StoredValues {
  readonly type: WeightType;
  /** Tensors and files, for messages. */
  readonly origin: string;
  /** Fills all of `into` with the bytes from `byteOffset` on. */
  read(byteOffset: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
}

/** One tensor of the file to be written. */
export interface TensorConversion {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly from: StoredValues | Float32Array;
}

export interface ConvertTensorsOptions extends ReadOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** Values decoded at a time, unless one row has more: 4 MiB as f32. */
const CHUNK_VALUES = 1 << 20;

/**
 * Writes all tensors in order. Memory stays near one chunk of rows.
 * @throws FormatError that names the tensor for values that are not finite or that its new type cannot hold.
 */
export async function convertTensors(
  writer: GgufWriter,
  tensors: readonly TensorConversion[],
  options: ConvertTensorsOptions,
): Promise<void> {
  const total = tensors.reduce((sum, { type, shape }) => sum + bytesOfElements(type, elements(shape)), 0);
  let loaded = 0;
  options.onProgress?.({ phase: 'convert', loaded, total });
  for (const tensor of tensors) {
    for await (const bytes of convertedChunks(tensor, options)) {
      await writer.write(tensor.name, bytes);
      loaded += bytes.length;
      options.onProgress?.({ phase: 'convert', loaded, total });
    }
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** The encoded bytes of a tensor, in pieces that are valid until the next is asked for. */
async function* convertedChunks(tensor: TensorConversion, { signal }: ReadOptions): AsyncGenerator<Uint8Array> {
  const { shape, from, type } = tensor;
  const cols = shape.at(-1) ?? 1;
  const rows = elements(shape) / cols;
  const chunkRows = Math.max(1, Math.floor(CHUNK_VALUES / cols));
  const values = new Float32Array(Math.min(rows, chunkRows) * cols);
  const encoded = new Uint8Array(bytesOfElements(type, values.length));
  const raw = from instanceof Float32Array ? undefined : new Uint8Array(bytesOfElements(from.type, values.length));
  for (let row = 0; row < rows; row += chunkRows) {
    signal?.throwIfAborted();
    const count = Math.min(chunkRows, rows - row) * cols;
    const chunk = values.subarray(0, count);
    if (from instanceof Float32Array) {
      chunk.set(from.subarray(row * cols, row * cols + count));
    } else {
      const bytes = raw!.subarray(0, bytesOfElements(from.type, count));
      await from.read(bytesOfElements(from.type, row * cols), bytes, { signal });
      decodeRows(from.type, bytes, chunk);
    }
    checkValues(tensor, chunk, row * cols);
    const out = encoded.subarray(0, bytesOfElements(type, count));
    encodeRows(type, chunk, out);
    yield out;
  }
}

function checkValues({ name, type, shape, from }: TensorConversion, values: Float32Array, first: number): void {
  const bad = findUnencodable(type, values);
  if (bad < 0) return;
  const where = from instanceof Float32Array ? name : from.origin;
  const cols = shape.at(-1) ?? 1;
  const index = shape.length > 1 ? `[${Math.floor((first + bad) / cols)}, ${(first + bad) % cols}]` : `[${first + bad}]`;
  const value = values[bad]!;
  if (!Number.isFinite(value)) {
    throw new FormatError(`${where} holds ${value} at ${index}. The weights are damaged: get the model again.`);
  }
  throw new FormatError(`${where} holds ${value} at ${index}, which is too large for ${type}. Convert to bf16 or f32 instead.`);
}
