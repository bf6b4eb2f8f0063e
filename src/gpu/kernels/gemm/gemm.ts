/**
 * y = W x for many rows of x without matrix units. A workgroup computes a tile of tileRows x tileCols results; along K it takes
 * tileDepth elements at a time into workgroup memory, and every invocation adds the products of its rows and columns in
 * registers. A tile's columns belong to one part of W. Same bindings as the GEMVs (linear-shape.ts), so that a plan can change
 * kernels with the number of rows. Needs neither subgroups nor f16.
 */
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Kernel, Workgroups } from '../../kernel.ts';
import { linearBindings, matrixRows, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { byExpert, expertFunctions, otherExpertText, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { mostExpertTiles } from '../expert-lists/expert-lists.ts';
import { epilogueDeclarations, epilogueText } from './gemm-epilogue.ts';
import { f32Tile } from './f32-tile.ts';
import { gemmGeometry, LANES_ACROSS } from './gemm-geometry.ts';
import type { GemmVariant } from './gemm-geometry.ts';
import { int8Tile } from './int8-tile.ts';
import { fetchesOfX, fetchFunction, putText, tileStruct } from './tile-staging.ts';

export type { GemmVariant } from './gemm-geometry.ts';

const tilesOf = ({ shape, tileCols }: GemmVariant) =>
  (shape.experts ? [matrixRows(shape)] : shape.parts.map(({ rows }) => rows)).map((rows) => Math.ceil(rows / tileCols));

/** Tiles of rows in x, of columns in y. `rows`: what the shape's row count is in this step. */
export function gemmWorkgroups(variant: GemmVariant, rows: number): Workgroups {
  const { shape: { experts }, tileRows } = variant;
  const rowTiles = experts ? mostExpertTiles(experts, rows, tileRows) : Math.ceil(rows / tileRows);
  return [rowTiles, tilesOf(variant).reduce((sum, count) => sum + count, 0), 1];
}

/** `tile` and `before`, from the workgroup's number. */
function tileText(variant: GemmVariant): string {
  const { shape, tileRows, tileCols } = variant;
  if (shape.experts) return expertTileText(variant);
  const tiles = tilesOf(variant);
  let firstTile = 0;
  let before = 0;
  const branches = shape.parts.map(({ rows }, n) => {
    const first = `(workgroup.y - ${firstTile}u) * ${tileCols}u`;
    const statement = `tile.part = ${n}u; tile.count = ${rows}u; tile.first = ${first}; before = ${before}u;`;
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
function expertTileText(variant: GemmVariant): string {
  const { shape, tileCols } = variant;
  const rows = matrixRows(shape);
  const columns = shape.gated ? tileCols / 2 : tileCols;
  const others = otherExpertText(shape, 'listed.expert', {
    rows: 'several', pairs: ['listed.first', 'listed.end'], column: `workgroup.y * ${columns}u`, columns,
    lane: 'lane', lanes: gemmGeometry(variant).workgroupSize,
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

export function gemmKernel(variant: GemmVariant): Kernel {
  const { shape, tileRows, tileCols, tileDepth } = variant;
  const geometry = gemmGeometry(variant);
  const { workgroupSize, steps, rowsEach, colsEach } = geometry;
  const arithmetic = variant.arithmetic === 'int8' ? int8Tile(variant, geometry) : f32Tile(variant, geometry);
  const bindings = linearBindings(shape, { step: true, vectorX: shape.cols % 4 === 0 });
  const lanes = Math.log2(LANES_ACROSS);
  const wgsl = `${STEP_STRUCT}
${kernelHeader(bindings, {})}
${tileStruct(shape)}
${arithmetic.declarations}
${epilogueDeclarations(shape, geometry)}
${endFunction(shape)}
${shape.experts ? `${expertFunctions(shape, 'several')}\n${pairFunctions(shape)}\n` : ''}${fetchFunction(geometry, arithmetic, shape)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
${tileText(variant)}
let tx = lane & ${LANES_ACROSS - 1}u;
let ty = lane >> ${lanes}u;
${unrolled(rowsEach, (i) => range(colsEach).map((j) => `var a${i}_${j} = 0.0;`).join(' '))}
${arithmetic.share ? unrolled(fetchesOfX(geometry), (u) => `var share${u} = 0.0;`) : ''}
var f = fetch(0u, lane, tile);
for (var k = 0u; k < ${steps}u; k++) {
workgroupBarrier();
${putText(geometry, arithmetic)}
workgroupBarrier();
if (k + 1u < ${steps}u) { f = fetch(k + 1u, lane, tile); }
${arithmetic.multiply}
}
${epilogueText(shape, geometry, arithmetic)}
}
`;
  const types = shape.parts.map(({ type }) => type).join('+');
  return {
    key: kernelKey('gemm', variant),
    label: `gemm-${variant.arithmetic} ${types} ${shapeText(shape)} ${tileRows}x${tileCols}x${tileDepth}`,
    wgsl,
    bindings,
    workgroupSize,
    needs: {},
  };
}
