/**
 * What follows the products: sums go through workgroup memory, some rows at a time, to lanes that own four neighbouring columns of a row,
 * or the 16 of a block where it is rounded: for norm factor, bias, gate or activation and residual, and the rounding.
 */
import type { Binding } from '../../kernel.ts';
import { outputWidth, resultWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { INTERLEAVE_ROWS } from '../../packed-layout.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { gateExpression } from '../../wgsl/activation.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { storeMatrix } from '../../wgsl/subgroup-matrix.ts';
import { isInParts, turnsOfRows, valuesOfSums, weightFactor } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { areSizesBound, sizesOf } from './matrix-sizes.ts';
import { HELD } from './matrix-staging.ts';
import { rowEnd } from './ready-halves.ts';
import { hasFactors } from './row-factors.ts';

const IN_QUADS = new Set(['x', 'gain', 'bias', 'residual', 'times', 'y']);

/** Bindings of a product, floats four at a time. */
export function inQuads(bindings: readonly Binding[]): readonly Binding[] {
  return bindings.map((binding) => (IN_QUADS.has(binding.name) ? { ...binding, type: 'array<vec4<f32>>' } : binding));
}

/** What quads of the result are read and written by: `row` and `quad` as WGSL, a quad being four columns. */
interface QuadPlaces {
  readonly row: string;
  readonly quad: string;
}

/** A finished quad, vec4<f32>: `product(n)` is the sum of the columns themselves, or of gate (0) and up (1). */
export function finishedQuad(shape: LinearShape, product: (n: number) => string, { row, quad }: QuadPlaces): string {
  if (shape.gated) return gateExpression(shape.gated, shape.clamp, [product(0), `(${product(1)})`]);
  const quads = outputWidth(shape) / 4;
  const { activation } = shape;
  if (activation === undefined) return `${product(0)}${shape.residual ? ` + residual[${row} * ${quads}u + ${quad}]` : ''}`;
  const { fn, times } = activation;
  return `${fn}(${product(0)})${times ? ` * times[${row} * ${times.of / 4}u + ${times.start / 4}u + ${quad}]` : ''}`;
}

/** Functions of the rounding, where the result is rounded. */
export function roundingFunctions(shape: LinearShape): string {
  const { q8 } = shape.outputs;
  return q8 ? `${q8EpilogueFunctions({ name: 'y', width: resultWidth(shape), norm: q8.norm })}\n` : '';
}

interface Piece {
  readonly variant: MatrixGemmVariant;
  readonly geometry: MatrixGeometry;
  /** Rows of x in a piece. */
  readonly rows: number;
  /** Columns of the result, where gate and up make one. */
  readonly columns: number;
}

/** WGSL of the vec4 where row `r` of a piece has columns `column` .. `column` + 3 of the tile, in the sums of one group along the depth. */
function placeOf({ variant: { subgroups: [down, across], config }, geometry }: Piece, column: string, deep: number): string {
  const { pieceRows, pieceStride, colsEach } = geometry;
  const area = `((r / ${pieceRows}u${deep === 0 ? '' : ` + ${deep * down}u`}) * ${across}u + (${column}) / ${colsEach}u)`;
  return `(${area} * ${pieceRows}u + r % ${pieceRows}u) * ${pieceStride}u + (${column}) % ${colsEach}u / ${valuesOfSums(config)}u`;
}

/** WGSL of the sums of a quad, vec4<f32>, over all groups along the depth. */
function sumsAt(piece: Piece, column: string): string {
  const { subgroups: [, , deep], config } = piece.variant;
  return range(deep).map((d) => {
    const vector = `${HELD}[${placeOf(piece, column, d)}]`;
    if (config.sum === 'f32') return `bitcast<vec4<f32>>(${vector})`;
    const half = (parts: string) => `unpack2x16float(select(${vector}.${parts[0]}, ${vector}.${parts[1]}, (${column} & 4u) != 0u))`;
    return `vec4<f32>(${half('xz')}, ${half('yw')})`;
  }).join(' + ');
}

/** Row of the result, of a row of the tile. */
const yRowOf = ({ experts }: LinearShape, row: string) => (experts ? `lists[${row}]` : row);

/** Where results of the tile go, in columns of the matrix's results. */
const firstColumn = ({ gated, experts }: LinearShape) => (gated ? 'tile.first >> 1u' : experts ? 'tile.first' : 'before + tile.first');

/** Expression of quad `quad` of the piece, finished: vec4<f32>; `out` is its number among the quads of a row of the result. */
function quadText(piece: Piece, quad: string, out: string): string {
  const { variant, geometry } = piece;
  const { shape, config, areHalvesReady } = variant;
  const column = shape.gated ? `(${quad} / 4u * ${2 * INTERLEAVE_ROWS}u + ${quad} % 4u * 4u)` : `(4u * ${quad})`;
  const columnOf = (n: number) => (n === 0 ? column : `(${column} + ${INTERLEAVE_ROWS}u)`);
  const bias = (n: number) => (shape.bias ? ` + bias[min(before + tile.first + ${columnOf(n)}, before + tile.count - 4u) >> 2u]` : '');
  const weights = weightFactor(shape, config);
  const ready = areHalvesReady && ` * ${rowEnd(sizesOf(variant, geometry), 'row')}${weights === 1 ? '' : ` * ${1 / weights}`}`;
  const end = ready || (hasFactors(variant) ? ` * bitcast<f32>(${HELD}[${geometry.factorsAt}u + line].y)` : '');
  const product = (n: number) => `(${sumsAt(piece, columnOf(n))})${end}${bias(n)}`;
  return finishedQuad(shape, product, { row: yRowOf(shape, 'row'), quad: out });
}

/** Statements that round block `block` of the piece, of the quads v0 .. v3. */
function roundText(shape: LinearShape): string {
  const { experts } = shape;
  const number = `((${firstColumn(shape)}) >> 4u) + block`;
  const [row, place] = experts
    ? [`lists[row] / ${experts.used}u`, `lists[row] % ${experts.used}u * ${outputWidth(shape) / Q8_BLOCK}u + ${number}`]
    : ['row', number];
  return `yPutBlock(${row}, ${place}, mat4x4<f32>(v0, v1, v2, v3));`;
}

/**
 * Statements for each of a piece's tasks, `tasks` a row, each of one lane: `task` sees `block`, its number in the row, and `row`. Rows of a
 * piece come in the order of their lines, or before it.
 */
function tasksText({ geometry: { workgroupSize, rowsEach, pieceRows }, rows }: Piece, tasks: number, first: string, text: string): string {
  return `for (var turn = 0u; turn < ${turnsOfRows({ rows, tasks, workgroupSize })}; turn++) {
  let task = turn * ${workgroupSize}u + lane;
  let r = task / ${tasks}u;
  let block = task % ${tasks}u;
  let line = r / ${pieceRows}u * ${rowsEach}u + first + r % ${pieceRows}u;
  let row = tile.row + line;
  if (r < ${rows}u && row < tile.rows && tile.first + ${first} < tile.count) {
    ${text}
  }
}`;
}

/** WGSL of the tile's column where quad `block` begins, and block `block` of the result. */
const firstOfQuad = ({ gated }: LinearShape) => (gated ? `(block / 4u * ${2 * INTERLEAVE_ROWS}u + block % 4u * 4u)` : '(4u * block)');
const firstOfBlock = ({ gated }: LinearShape) => `(block * ${gated ? 2 * INTERLEAVE_ROWS : Q8_BLOCK}u)`;

/**
 * Statements that finish a piece whose first row is `first`. Where it is rounded and has blocks of 16 columns enough for all lanes, each
 * finishes and rounds blocks; else lanes finish four columns each, and some of them then round what others left in workgroup memory.
 */
function finishText(piece: Piece): string {
  const { variant, geometry: { workgroupSize }, rows, columns } = piece;
  const { shape } = variant;
  const { f32, q8 } = shape.outputs;
  const blocks = columns / Q8_BLOCK;
  const areWhole = q8 !== undefined && rows * blocks >= workgroupSize;
  const quads = areWhole ? Q8_BLOCK / 4 : 1;
  const rowQuads = areSizesBound(variant) ? '(sizes.rows >> 2u)' : `${outputWidth(shape) / 4}u`;
  const row = isInParts(variant) ? `(part * tile.rows + row)` : yRowOf(shape, 'row');
  const each = (q: number) => {
    const out = `(((${firstColumn(shape)}) >> 2u) + ${quads}u * block + ${q}u)`;
    const store = f32 ? `\n    y[${row} * ${rowQuads} + ${out}] = v${q};` : '';
    return `let v${q} = ${quadText(piece, `(${quads}u * block + ${q}u)`, out)};${store}`;
  };
  if (areWhole) return tasksText(piece, blocks, firstOfBlock(shape), `${unrolled(quads, each)}\n    ${roundText(shape)}`);
  const left = q8 ? `\n    ${HELD}[${placeOf(piece, firstOfQuad(shape), 0)}] = bitcast<vec4<u32>>(v0);` : '';
  const finished = tasksText(piece, columns / 4, firstOfQuad(shape), `${each(0)}${left}`);
  if (!q8) return finished;
  const read = `let at = ${placeOf(piece, firstOfBlock(shape), 0)};
    ${unrolled(4, (q) => `let v${q} = bitcast<vec4<f32>>(${HELD}[at + ${q}u]);`)}`;
  return `${finished}\nworkgroupBarrier();\n${tasksText(piece, blocks, firstOfBlock(shape), `${read}\n    ${roundText(shape)}`)}`;
}

/** \`fn finishPiece\`, called by all invocations for the pieces of the tile, when their sums lie in workgroup memory. */
export function finishFunction(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { shape, subgroups: [down] } = variant;
  const { tileCols, pieceRows } = geometry;
  const piece: Piece = { variant, geometry, rows: down * pieceRows, columns: shape.gated ? tileCols / 2 : tileCols };
  return `fn finishPiece(first: u32, lane: u32, tile: Tile, before: u32, part: u32) {
${finishText(piece)}
}`;
}

/**
 * Statements after the last product, once for all pieces: the kernels of a layer share a cache of instructions, from which long ones push
 * each other. They see the sums \`c{i}_{j}\`, and \`down\`, \`across\`, \`deep\`, the subgroup's place.
 */
export function matrixEpilogueText({ config, subgroups: [downs, acrosses] }: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { matricesAcross, rowsEach, pieceRows, pieceStride } = geometry;
  const perPiece = pieceRows / config.m;
  const store = (i: number, j: number) => {
    const offset = (i % perPiece) * config.m * pieceStride + (j * config.n) / valuesOfSums(config);
    return storeMatrix(config, { memory: HELD, offset: `area + ${offset}u`, stride: `${pieceStride}u` }, `c${i}_${j}`);
  };
  const pieces = rowsEach / pieceRows;
  const stores = (p: number) => range(perPiece).flatMap((i) => range(matricesAcross).map((j) => store(p * perPiece + i, j))).join('\n');
  const choice = unrolled(pieces, (p) => `${p === pieces - 1 ? 'default' : `case ${p}u`}: {\n${stores(p)}\n}`);
  return `let area = ((deep * ${downs}u + down) * ${acrosses}u + across) * ${pieceRows * pieceStride}u;
for (var p = 0u; p < min(${pieces}u, (tile.rows - tile.row + ${pieceRows - 1}u) / ${pieceRows}u); p++) {
workgroupBarrier();
${pieces === 1 ? stores(0) : `switch p {\n${choice}\n}`}
workgroupBarrier();
finishPiece(p * ${pieceRows}u, lane, tile, before, part);
}`;
}
