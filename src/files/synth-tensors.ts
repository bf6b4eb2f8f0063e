/** Random tensors for a GGUF file at the speed of the disk: a pool of random blocks per type, repeated. */
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { bytesOfElements, TENSOR_TYPES, type WeightType } from '../tensor/tensor-type.ts';
import type { GgufWriter } from './gguf-writer.ts';
import { blockPool } from './synth-blocks.ts';

export interface SynthTensor {
  readonly name: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  /** Values that are not random: rope divisors, norms. */
  readonly from?: Float32Array | undefined;
}

export interface SynthTensorsOptions extends ReadOptions {
  readonly seed: number;
  /** Standard deviation of the weights. */
  readonly deviation: number;
  readonly onProgress?: OnProgress | undefined;
}

/** Pools are at least this large, so that a write is worth its system call. */
const LEAST_POOL_BYTES = 1 << 20;

/** Writes all tensors in order. The same seed gives the same bytes. */
export async function synthTensors(writer: GgufWriter, tensors: readonly SynthTensor[], options: SynthTensorsOptions): Promise<void> {
  const { seed, deviation, signal, onProgress } = options;
  const total = tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0);
  const mostRows = tensors.reduce((most, { shape }) => Math.max(most, shape.length > 1 ? shape[0]! : 0), 0);
  const pools = new Map<WeightType, Pool>();
  let loaded = 0;
  onProgress?.({ phase: 'convert', loaded, total });
  for (const tensor of tensors) {
    let pool = pools.get(tensor.type);
    if (!tensor.from && !pool) {
      pool = {
        bytes: blockPool({ type: tensor.type, blocks: poolBlocks(tensor.type, mostRows), deviation, seed: seed + pools.size }),
        next: 0,
      };
      pools.set(tensor.type, pool);
    }
    for (const bytes of tensor.from ? [floatBytes(tensor.from)] : pieces(pool!, sizeOf(tensor))) {
      signal?.throwIfAborted();
      await writer.write(tensor.name, bytes);
      loaded += bytes.length;
      onProgress?.({ phase: 'convert', loaded, total });
    }
  }
}

interface Pool {
  readonly bytes: Uint8Array;
  /** Where the next tensor goes on, so that no two tensors begin alike. */
  next: number;
}

function sizeOf({ type, shape }: SynthTensor): number {
  return bytesOfElements(type, shape.reduce((count, size) => count * size, 1));
}

function floatBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * A prime number of blocks, more than any tensor has rows: a row of B blocks begins B blocks after the one before, so that
 * all rows begin at different blocks of the pool as long as B is no multiple of the prime, which is larger.
 */
function poolBlocks(type: WeightType, rows: number): number {
  let count = Math.max(rows + 1, Math.ceil(LEAST_POOL_BYTES / TENSOR_TYPES[type].blockBytes));
  while (!isPrime(count)) count++;
  return count;
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return value > 1;
}

function* pieces(pool: Pool, sizeBytes: number): Generator<Uint8Array> {
  for (let left = sizeBytes; left > 0; ) {
    const piece = pool.bytes.subarray(pool.next, Math.min(pool.bytes.length, pool.next + left));
    yield piece;
    left -= piece.length;
    pool.next = (pool.next + piece.length) % pool.bytes.length;
  }
}
