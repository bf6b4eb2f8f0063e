/** The matrices and vectors that a plan reads, under keys that are equal where the contents are. */
import type { WeightRef } from '../../graph/value.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import type { RowArrangement } from '../packed-layout.ts';

/** Rows of one type, packed into one buffer. */
export interface PlannedMatrix {
  readonly key: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  readonly arrangement: RowArrangement;
  /** In order; `interleaved` has two of equal size. */
  readonly weights: readonly WeightRef[];
}

/** f32 values one after another; zeros where a part has no weight. */
export interface PlannedVector {
  readonly key: string;
  readonly parts: readonly { readonly weight: WeightRef | undefined; readonly length: number }[];
}

export interface PlannedWeights {
  readonly matrices: ReadonlyMap<string, PlannedMatrix>;
  readonly vectors: ReadonlyMap<string, PlannedVector>;
}

/** Weights of one type, one after another or interleaved, as one matrix. */
export function matrixOf(
  weights: readonly WeightRef[],
  arrangement: RowArrangement,
  typeOf: (weightId: string) => WeightType,
): PlannedMatrix {
  const [first] = weights as readonly [WeightRef];
  const [, cols] = first.shape as [number, number];
  const rows = weights.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const key = weights.map(({ id }) => id).join(arrangement === 'interleaved' ? '*' : '|');
  return { key, type: typeOf(first.id), rows, cols, arrangement, weights };
}

/** A norm's gain as a vector of its own. */
export function gainOf({ weight }: { readonly weight: WeightRef }): PlannedVector {
  return { key: weight.id, parts: [{ weight, length: weight.shape[0] as number }] };
}
