/** New rows of one sequence in a step. */
export interface TileSequence {
  readonly rows: number;
  /** Position of the first one. */
  readonly start: number;
}

/**
 * The query tiles of a step for attention-prefill, binding `tiles`: array<vec4<u32>>, (first row, rows, sequence, position of the
 * first row). Rows of the step lie sequence after sequence; no tile holds rows of two, and none is of the first `singles` sequences.
 */
export function attentionTiles(sequences: readonly TileSequence[], tileRows: number, singles = 0): Uint32Array {
  const words: number[] = [];
  let firstRow = 0;
  sequences.forEach(({ rows, start }, sequence) => {
    for (let row = sequence < singles ? rows : 0; row < rows; row += tileRows)
      words.push(firstRow + row, Math.min(tileRows, rows - row), sequence, start + row);
    firstRow += rows;
  });
  return Uint32Array.from(words);
}
