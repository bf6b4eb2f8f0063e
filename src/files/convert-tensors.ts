/** Tensors of a checkpoint into a GGUF file: read, decoded, checked, reordered, encoded and written a few rows at a time. */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { TensorEntry } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { encodeRows, findUnencodable } from '../tensor/codec/encode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { bytesOfElements, type WeightType } from '../tensor/tensor-type.ts';
import type { GgufWriter } from './gguf-writer.ts';

/** One tensor of the file to be written. */
export interface TensorConversion {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  /** The tensor that it is made from, or its values. */
  readonly from: TensorEntry | Float32Array;
  /** Set for llama's q and k: row s * headDim/2 + i of each of these many heads becomes row 2i + s. */
  readonly interleavedHeads?: number | undefined;
}

export interface ConvertTensorsOptions extends ReadOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** Values decoded at a time, unless one head has more: 4 MiB as f32. */
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
  const { shape, from, type, interleavedHeads } = tensor;
  // The rows of a bias are its single values.
  const rows = shape.length === 1 && interleavedHeads === undefined ? 1 : (shape[0] ?? 1);
  const cols = elements(shape) / rows;
  const step = interleavedHeads === undefined ? 1 : rows / interleavedHeads;
  const chunkRows = Math.max(step, Math.floor(CHUNK_VALUES / (cols * step)) * step);
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
    if (interleavedHeads !== undefined) interleaveHeads(chunk, cols, step);
    const out = encoded.subarray(0, bytesOfElements(type, count));
    encodeRows(type, chunk, out);
    yield out;
  }
}

function checkValues({ name, type, shape, from }: TensorConversion, values: Float32Array, first: number): void {
  const bad = findUnencodable(type, values);
  if (bad < 0) return;
  const where = from instanceof Float32Array ? name : `${from.fileName}: tensor ${from.name}`;
  const cols = shape.at(-1) ?? 1;
  const index = shape.length > 1 ? `[${Math.floor((first + bad) / cols)}, ${(first + bad) % cols}]` : `[${first + bad}]`;
  const value = values[bad]!;
  if (!Number.isFinite(value)) {
    throw new FormatError(`${where} holds ${value} at ${index}. The weights are damaged: get the model again.`);
  }
  throw new FormatError(`${where} holds ${value} at ${index}, which is too large for ${type}. Convert to bf16 or f32 instead.`);
}

/**
 * Puts the rows of every head of `headRows` rows in the order of pairs that GGUF's llama has: row 2i + s is what was row
 * s * headRows/2 + i, so that the two values which a rotation mixes lie side by side.
 */
export function interleaveHeads(values: Float32Array, cols: number, headRows: number): void {
  const head = new Float32Array(headRows * cols);
  for (let start = 0; start < values.length; start += head.length) {
    head.set(values.subarray(start, start + head.length));
    for (let row = 0; row < headRows; row++) {
      const from = (row % 2) * (headRows / 2) + Math.floor(row / 2);
      values.set(head.subarray(from * cols, (from + 1) * cols), start + row * cols);
    }
  }
}
