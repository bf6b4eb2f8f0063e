/** What a plan wants of its weights, and what it gets: a place in a buffer for each request. */
import type { WeightSource } from '../../graph/executor.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import type { PlaneRange, RowArrangement } from '../packed-layout.ts';

/** Tensors of one type and width, packed into one matrix. */
export interface MatrixRequest {
  /** Under which the result is found. Weights used twice are asked for once. */
  readonly key: string;
  readonly type: WeightType;
  /** Rows of all sources together. */
  readonly rows: number;
  readonly cols: number;
  readonly arrangement: RowArrangement;
  /** Of shape [rows, cols]. `interleaved`: pairs of equal shape, one after another, their rows a multiple of 16. */
  readonly sources: readonly WeightSource[];
}

/**
 * `interleaved`: 16 values of each part in turn. `gates`: one part, four matrices [n, n] one after another, as [columns, rows, 4]: what a
 * recurrence multiplies a value by, of all four, lies together.
 */
export type VectorArrangement = RowArrangement | 'gates';

/** f32 values: those of any float type. */
export interface VectorRequest {
  readonly key: string;
  /** Where a part has no source `fill` throughout; absent: zeros. */
  readonly parts: readonly { readonly source: WeightSource | undefined; readonly length: number; readonly fill?: number | undefined }[];
  /** Absent: one part after another. */
  readonly arrangement?: VectorArrangement | undefined;
}

export interface LoadedMatrix {
  /** Others' too. */
  readonly buffer: GPUBuffer;
  /** In the order in which kernels bind them; offsets are the buffer's. */
  readonly planes: readonly PlaneRange[];
  readonly sizeBytes: number;
}

/** array<f32>; its size is a multiple of 16 bytes. */
export interface LoadedVector {
  /** Others' too. */
  readonly buffer: GPUBuffer;
  /** Bytes. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface LoadedWeights {
  readonly matrices: ReadonlyMap<string, LoadedMatrix>;
  readonly vectors: ReadonlyMap<string, LoadedVector>;
  /** Bytes of all buffers. */
  readonly sizeBytes: number;
  /** Frees the buffers. Idempotent. */
  destroy(): void;
}
