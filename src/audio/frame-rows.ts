/** Rows that come one at a time, given as one array. */
export interface FrameRows {
  add(row: ArrayLike<number>): void;
  /** [rows, width] of what was added since the last call, less the last `keep` rows. */
  take(keep?: number): Float32Array;
}

export function createFrameRows(width: number): FrameRows {
  let rows: Float32Array[] = [];
  return {
    add: (row) => void rows.push(new Float32Array(row)),
    take(keep = 0) {
      const given = rows.slice(0, Math.max(0, rows.length - keep));
      rows = rows.slice(given.length);
      const joined = new Float32Array(given.length * width);
      given.forEach((row, i) => joined.set(row, i * width));
      return joined;
    },
  };
}
