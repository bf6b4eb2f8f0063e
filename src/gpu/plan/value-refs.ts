/** References to the buffers of values and vectors, and what they hold. */
import type { Value } from '../../graph/value.ts';
import { q8CodeBytes, q8StatBytes } from '../q8-layout.ts';
import type { BufferRef, StepCounts } from './kernel-use.ts';

export function floatsRef(value: Value): BufferRef {
  return { kind: 'value', value, part: 'floats' };
}

/** The two buffers of a rounded value, under the names that kernels have for it. */
export function roundedRefs(name: string, value: Value): Record<string, BufferRef> {
  return { [`${name}Codes`]: { kind: 'value', value, part: 'codes' }, [`${name}Stats`]: { kind: 'value', value, part: 'stats' } };
}

export function vectorRef(key: string): BufferRef {
  return { kind: 'vector', key };
}

export function widthOf(value: Value): number {
  return value.shape.slice(1).reduce<number>((product, dim) => product * (dim as number), 1);
}

/** Bytes of a value in a step. */
export function sizeOfValue(value: Value, counts: Pick<StepCounts, 'rows' | 'outRows'>): number {
  const rows = value.shape[0] === 'outRows' ? counts.outRows : counts.rows;
  const width = widthOf(value);
  return value.dtype === 'q8' || value.dtype === 'q8n' ? q8CodeBytes(rows, width) + q8StatBytes(rows, width) : rows * width * 4;
}
