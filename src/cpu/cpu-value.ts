/** What flows along the edges of a CPU plan. */
import type { Step } from '../graph/graph.ts';
import type { GraphType, Value } from '../graph/value.ts';

/** `q8`: values rounded to int8 in blocks of 32 with scales (assembly/quantize.ts). */
export type CpuValue = Value<GraphType | 'q8'>;

export type CpuStepOf<Op extends { readonly kind: string }> = Step<Op, CpuValue>;

/** The int8 form of a value. Ids below zero are free: graphs count from zero. */
export function quantizedForm(value: CpuValue): CpuValue {
  return { id: -1 - value.id, dtype: 'q8', shape: value.shape, label: `${value.label}.q8` };
}

/** Id of the value that `value` is, or is the int8 form of. */
export function sourceId(value: CpuValue): number {
  return value.dtype === 'q8' ? -1 - value.id : value.id;
}
