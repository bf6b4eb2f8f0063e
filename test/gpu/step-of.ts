/** The uniform `step` of a kernel that has `rows` rows. */
export function stepOf(rows: number): Uint32Array {
  return Uint32Array.of(rows);
}
