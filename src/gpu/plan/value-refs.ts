/** References to the buffers of values and vectors, and what they hold. */
import { widthOf } from '../../graph/value.ts';
import { q8CodeBytes, q8StatBytes } from '../q8-layout.ts';
import { rowsOfValue } from './gpu-value.ts';
import type { GpuValue } from './gpu-value.ts';
import type { BufferRef, StepCounts } from './kernel-use.ts';

export function floatsRef(value: GpuValue): BufferRef {
  return { kind: 'value', value, part: 'floats' };
}

/** The two buffers of a rounded value, under the names that kernels have for it. */
export function roundedRefs(name: string, value: GpuValue): Record<string, BufferRef> {
  return { [`${name}Codes`]: { kind: 'value', value, part: 'codes' }, [`${name}Stats`]: { kind: 'value', value, part: 'stats' } };
}

/** Outputs as kernels name them: `y`, or `yCodes` and `yStats`, or both. */
export function outputRefs(outputs: readonly GpuValue[]): Record<string, BufferRef> {
  return Object.assign(
    {},
    ...outputs.map((value) => (value.dtype === 'f32' || value.dtype === 'i32' ? { y: floatsRef(value) } : roundedRefs('y', value))),
  ) as Record<string, BufferRef>;
}

export function vectorRef(key: string): BufferRef {
  return { kind: 'vector', key };
}

/** Bytes of a value in a step. */
export function sizeOfValue(value: GpuValue, { sizes }: Pick<StepCounts, 'sizes'>): number {
  const rows = rowsOfValue(value, sizes);
  const width = widthOf(value);
  return value.dtype === 'q8' || value.dtype === 'q8n' ? q8CodeBytes(rows, width) + q8StatBytes(rows, width) : rows * width * 4;
}
