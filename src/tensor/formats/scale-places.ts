/** Where the floats of a block lie. */
import { SCALE_BYTES } from './scale-values.ts';
import type { BlockFormat, GroupScale } from './weight-format.ts';

export interface ScalePlace {
  readonly format: GroupScale['format'];
  /** In bytes from the block's start. */
  readonly offset: number;
  readonly isMinimum: boolean;
}

/** The floats of a block: scales and minimums, or those of its super-block. */
export function scalePlaces({ scale, minimum, groupsPerBlock }: BlockFormat): readonly ScalePlace[] {
  const placesOf = ({ levels, format, offset }: GroupScale, isMinimum: boolean) => {
    const length = levels === 1 ? groupsPerBlock : 1;
    return Array.from({ length }, (_, group) => ({ format, offset: offset + group * SCALE_BYTES[format], isMinimum }));
  };
  return [...placesOf(scale, false), ...(minimum ? placesOf(minimum.value, true) : [])];
}
