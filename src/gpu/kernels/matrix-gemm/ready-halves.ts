/**
 * x that matrix-rows.ts made halves of, as products on matrix units read it: binding `xHalves`, vec4<u32>, tiles of 16 x 16 halves, 32
 * vec4s each, two for a row; tiles of 16 rows side by side along the depth, whose elements are in the order of unit-values.ts. Behind the
 * last tile a vec4 for each row holds, as f32 x, what its sums are multiplied by.
 */
import type { Binding } from '../../kernel.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { unrolled } from '../../wgsl/expressions.ts';
import { HALVES_TILE, UNIT } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { HELD } from './matrix-staging.ts';

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

/** WGSL of what the sums of a row are multiplied by. */
export function rowEnd({ cols }: LinearShape, row: string): string {
  return `bitcast<f32>(${HALVES}[${ROW_TILES} * ${rowTileVectors(cols)}u + ${row}].x)`;
}

/** WGSL of the first vec4 of tile of rows `tile`, counted from the workgroup's first; past the last one, of that. */
export function rowTileAt({ cols }: LinearShape, tile: string): string {
  return `min(tile.row / ${HALVES_TILE}u + ${tile}, ${ROW_TILES} - 1u) * ${rowTileVectors(cols)}u`;
}

interface Copies {
  readonly count: number;
  readonly text: (body: (v: number, names: string) => string) => string;
}

/** The vec4s of a tile of x that a lane copies; lanes next to each other take those of a line. */
function copiesOf({ tileDepth }: MatrixGemmVariant, { tileRows, workgroupSize }: MatrixGeometry): Copies {
  const across = tileDepth / 8;
  const all = tileRows * across;
  const count = Math.ceil(all / workgroupSize);
  const place = (v: number) => {
    const index = v === 0 ? 'lane' : `(lane + ${v * workgroupSize}u)`;
    return `let line = ${index} / ${across}u; let vector = ${index} % ${across}u;`;
  };
  const bounded = (v: number, text: string) => {
    const end = all - v * workgroupSize;
    return end < workgroupSize ? `if (lane < ${end}u) {\n${text}\n}` : `{\n${text}\n}`;
  };
  return { count, text: (body) => unrolled(count, (v) => bounded(v, body(v, place(v)))) };
}

/** `Rows` and `fn fetchRows(k, lane, tile) -> Rows`, what a lane copies of step k. */
export function fetchHalvesFunction(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { shape, tileDepth } = variant;
  const { units, unitsPerLine, hasTail } = geometry;
  const { count, text } = copiesOf(variant, geometry);
  const inside = (read: string) => (hasTail ? `if (k * ${unitsPerLine}u + vector / ${UNIT / 8}u < ${units}u) { ${read} }` : read);
  const read = (v: number) => `let rows = ${rowTileAt(shape, `line / ${HALVES_TILE}u`)} + line % ${HALVES_TILE}u * ${ROW_VECTORS}u;
let across = k * ${(tileDepth / HALVES_TILE) * TILE_VECTORS}u + vector / ${ROW_VECTORS}u * ${TILE_VECTORS}u + vector % ${ROW_VECTORS}u;
${inside(`f.v${v} = ${HALVES}[rows + across];`)}`;
  return `struct Rows { ${unrolled(count, (v) => `v${v}: vec4<u32>,`)} }
fn fetchRows(k: u32, lane: u32, tile: Tile) -> Rows {
var f = Rows();
${text((v, place) => `${place}\n${read(v)}`)}
return f;
}`;
}

/** Statements that put what was fetched, the variable `name`, into the tile. */
export function putHalvesText(variant: MatrixGemmVariant, geometry: MatrixGeometry, name: string): string {
  return copiesOf(variant, geometry).text((v, place) => `${place}\n${HELD}[line * ${geometry.lineStride}u + vector] = ${name}.v${v};`);
}
