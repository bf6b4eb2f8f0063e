/** What flows along the edges of a GPU plan. */
import type { Step } from '../../graph/graph.ts';
import type { GraphType, Value } from '../../graph/value.ts';

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

/** Which size of a step counts the rows of a value. */
export function rowCountOf(value: GpuValue): 'rows' | 'outRows' {
  return value.shape[0] === 'outRows' ? 'outRows' : 'rows';
}
