/** Rows that come one at a time, given as one array. */
export interface FrameRows {
  add(row: ArrayLike<number>): void;
  /** [rows, width] of what was added since the last call, less the last `keep` rows. */
  take(keep?: number): Float32Array;
}

export function createFrameRows(width: number): FrameRows {
  let values = new Float32Array(64 * width);
  let length = 0;
  return {
    add(row) {
      if (length + width > values.length) {
        const larger = new Float32Array(2 * values.length);
        larger.set(values);
        values = larger;
      }
      values.set(row, length);
      length += width;
    },
    take(keep = 0) {
      const count = Math.max(0, length - keep * width);
      const given = values.slice(0, count);
      values.copyWithin(0, count, length);
      length -= count;
      return given;
    },
  };
}
