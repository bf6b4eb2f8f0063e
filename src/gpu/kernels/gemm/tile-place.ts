/** Which tile of a product a workgroup computes: of which part, or of which expert's pairs. */
import type { Workgroups } from '../../kernel.ts';
import { matrixRows } from '../../linear-shape.ts';
import { byExpert, otherExpertText } from '../../wgsl/expert-rows.ts';
import { mostExpertTiles } from '../expert-lists/expert-lists.ts';
import type { GemmVariant } from './gemm-geometry.ts';

type PlacedTile = Pick<GemmVariant, 'shape' | 'tileRows' | 'tileCols'>;

const tilesOf = ({ shape, tileCols }: PlacedTile) =>
  (shape.experts ? [matrixRows(shape)] : shape.parts.map(({ rows }) => rows)).map((rows) => Math.ceil(rows / tileCols));

/** Tiles of rows in x, of columns in y. `rows`: what the shape's row count is in this step. */
export function gemmWorkgroups(variant: PlacedTile, rows: number): Workgroups {
  const { shape: { experts }, tileRows } = variant;
  const rowTiles = experts ? mostExpertTiles(experts, rows, tileRows) : Math.ceil(rows / tileRows);
  return [rowTiles, tilesOf(variant).reduce((sum, count) => sum + count, 0), 1];
}

/** `tile` and `before`, from the workgroup's number; `lanes` invocations have it. `count`: WGSL of the rows of the only part of W. */
export function tileText(variant: PlacedTile, lanes: number, count?: string): string {
  const { shape, tileRows, tileCols } = variant;
  if (shape.experts) return expertTileText(variant, lanes);
  const tiles = tilesOf(variant);
  let firstTile = 0;
  let before = 0;
  const branches = shape.parts.map(({ rows }, n) => {
    const first = `(workgroup.y - ${firstTile}u) * ${tileCols}u`;
    const statement = `tile.part = ${n}u; tile.count = ${count ?? `${rows}u`}; tile.first = ${first}; before = ${before}u;`;
    firstTile += tiles[n]!;
    before += rows;
    return n + 1 < tiles.length ? `if (workgroup.y < ${firstTile}u) { ${statement} } else ` : `{ ${statement} }`;
  });
  return `var tile: Tile;
var before: u32;
tile.row = workgroup.x * ${tileRows}u;
tile.rows = step.rows;
${branches.join('')}
if (tile.row >= tile.rows) { return; }`;
}

/** The same of a tile of (row, choice) pairs of one expert: rows count the list's places, W's rows those of the expert. */
function expertTileText({ shape, tileCols }: PlacedTile, lanes: number): string {
  const rows = matrixRows(shape);
  const columns = shape.gated ? tileCols / 2 : tileCols;
  const others = otherExpertText(shape, 'listed.expert', {
    rows: 'several', pairs: ['listed.first', 'listed.end'], column: `workgroup.y * ${columns}u`, columns,
    lane: 'lane', lanes,
  });
  const part = (n: number, rowsBefore: number) => `tile.part = ${n}u; tile.base = before${rowsBefore === 0 ? '' : ` - ${rowsBefore}u`};`;
  return `let listed = expertTile(workgroup.x);
if (listed.first >= listed.end) { return; }${others}
var tile: Tile;
tile.row = listed.first;
tile.rows = listed.end;
tile.count = ${rows}u;
tile.first = workgroup.y * ${tileCols}u;
let before = listed.expert * ${rows}u;
${byExpert(shape, 'listed.expert', part)}`;
}
