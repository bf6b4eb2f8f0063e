/** What flows along the edges of a GPU plan. */
import type { Step } from '../../graph/graph.ts';
import type { DimSizes } from '../../graph/dims.ts';
import type { Dim, GraphType, Value } from '../../graph/value.ts';

/**
 * `q8`: values rounded to int8 in blocks with scales (q8-layout.ts). `q8n`: such values before an RMS norm's division, which their
 * readers do.
 */
export type GpuValue = Value<GraphType | 'q8' | 'q8n'>;

export type GpuStepOf<Op extends { readonly kind: string }> = Step<Op, GpuValue>;

/** The int8 form of a value. Ids below zero are free: graphs count from zero. */
export function roundedForm(value: GpuValue): GpuValue {
  return { id: -1 - value.id, dtype: 'q8', shape: value.shape, label: `${value.label}.q8` };
}

/** The dim that counts the rows of a value. */
export function outerOf({ shape }: GpuValue): Dim {
  return shape[0] as Dim;
}

/** Rows of a value in a step. */
export function rowsOfValue({ shape }: GpuValue, sizes: DimSizes): number {
  const [outer] = shape as readonly [Dim];
  return typeof outer === 'number' ? outer : (sizes[outer] as number);
}
