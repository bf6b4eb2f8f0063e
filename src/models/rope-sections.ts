/** How a rotation's frequencies are shared among the time, row and column of an image (Wang et al. 2024; in turns: Qwen3-VL). */
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { jsonObject } from './config-fields.ts';

/** Frequencies of time, rows and columns. @throws FormatError */
export function ropeSectionsOf(
  { format, metadata, architecture, config = {}, name }: Checkpoint, usual: readonly number[],
): readonly number[] {
  const older = jsonObject(config, 'rope_scaling', name);
  const sections =
    format === 'gguf'
      ? metadata.get(`${architecture}.rope.dimension_sections`)
      : (older ?? jsonObject(config, 'rope_parameters', name))?.['mrope_section'];
  if (sections === undefined || sections === null) return usual;
  const list = Array.isArray(sections) || ArrayBuffer.isView(sections) ? Array.from(sections as ArrayLike<unknown>) : [];
  if (list.length >= 3 && list.length <= 4 && list.every((size) => Number.isSafeInteger(size) && (size as number) >= 0))
    return list.slice(0, 3) as number[];
  throw new FormatError(`${name}: the sections of the rotation must be 3 or 4 numbers, found ${list.length || 'no list'}.`);
}

/** The table whose frequencies go to time, row and column in turn, and all to time behind the sections' ends. */
export function interleavedAxes(table: RopeTable, [, rows = 0, columns = 0]: readonly number[]): RopeTable {
  const axisOf = (i: number) => (i % 3 === 1 && i < 3 * rows ? 1 : i % 3 === 2 && i < 3 * columns ? 2 : 0);
  return { ...table, axes: Array.from(table.frequencies, (_, i) => axisOf(i)) };
}
