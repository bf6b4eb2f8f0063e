/**
 * x that matrix-rows.ts made halves of, as products on matrix units read it: binding `xHalves`, vec4<u32>, tiles of 16 x 16 halves, 32
 * vec4s each, two for a row; tiles of 16 rows side by side along the depth, whose elements are in the order of unit-values.ts. Behind the
 * last tile a vec4 for each row holds, as f32 x, what its sums are multiplied by.
 */
import type { Binding } from '../../kernel.ts';
import { HALVES_TILE, UNIT } from './matrix-geometry.ts';
import type { MatrixSizes } from './matrix-sizes.ts';

export const HALVES = 'xHalves';

/** vec4<u32> of a tile of halves, and of a row in it. */
export const TILE_VECTORS = 32;
export const ROW_VECTORS = 2;

/** vec4s of the tiles of 16 rows. */
export const rowTileVectors = (cols: number) => (cols / HALVES_TILE) * TILE_VECTORS;

/** Bytes of `rows` rows of x. */
export function halvesBytes(cols: number, rows: number): number {
  return 16 * (Math.ceil(rows / HALVES_TILE) * rowTileVectors(cols) + rows);
}

/** The product's bindings with x as halves. */
export function withHalves(bindings: readonly Binding[]): readonly Binding[] {
  const rest = bindings.filter(({ name }) => !['x', 'xCodes', 'xStats', 'gain'].includes(name));
  return [{ name: HALVES, access: 'read', type: 'array<vec4<u32>>' }, ...rest];
}

/** WGSL of the number of tiles of rows. */
const ROW_TILES = `((step.rows + ${HALVES_TILE - 1}u) / ${HALVES_TILE}u)`;

/** WGSL of the vec4s of the tiles of 16 rows, of the product's depth. */
const rowTileVectorsText = ({ units }: MatrixSizes) => `(${units} * ${rowTileVectors(UNIT)}u)`;

/** WGSL of what the sums of a row are multiplied by. */
export function rowEnd(sizes: MatrixSizes, row: string): string {
  return `bitcast<f32>(${HALVES}[${ROW_TILES} * ${rowTileVectorsText(sizes)} + ${row}].x)`;
}

/** WGSL of the first vec4 of tile of rows `tile`, counted from the workgroup's first; past the last one, of that. */
export function rowTileAt(sizes: MatrixSizes, tile: string): string {
  return `min(tile.row / ${HALVES_TILE}u + ${tile}, ${ROW_TILES} - 1u) * ${rowTileVectorsText(sizes)}`;
}
