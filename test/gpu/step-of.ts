/** The sizes of a step in which a kernel has `rows` rows, for its dispatch and as the uniform `step`; what it does not count is 1. */
export function stepOf(rowCount: 'rows' | 'outRows', rows: number) {
  const counts = { rows: 1, outRows: 1, [rowCount]: rows };
  return { counts, step: Uint32Array.of(counts.rows, counts.outRows, 0, 0) };
}
