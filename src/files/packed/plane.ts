/** What one tensor of a folder gives of each row of a quantised matrix. */
import type { ReadOptions } from '../../tensor/byte-source.ts';

/** What a tensor, or a part of one, holds of each row of a matrix; the rows of all experts are counted through. */
export interface Plane {
  /** Tensor and file, for messages. */
  readonly name: string;
  /** The bytes of rows [row, row + count), row by row. */
  read(row: number, count: number, options?: ReadOptions): Promise<Uint8Array>;
}

/** The planes of a block format. */
export interface Planes {
  /** Codes in the order of a stream, lowest bit first. */
  readonly codes: Plane;
  /** A scale for each group, in the format that blocks hold it in. */
  readonly scales: Plane;
  /** Of formats with a minimum, alike. */
  readonly minimums?: Plane | undefined;
}

/** The same plane, behind a check that has to pass before it is read for the first time. */
export function checkedPlane(plane: Plane, check: (options?: ReadOptions) => Promise<void>): Plane {
  let isChecked = false;
  return {
    name: plane.name,
    async read(row, count, options) {
      if (!isChecked) await check(options);
      isChecked = true;
      return plane.read(row, count, options);
    },
  };
}
