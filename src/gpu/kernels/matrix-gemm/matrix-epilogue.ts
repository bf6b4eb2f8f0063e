/**
 * What follows the products: sums go through workgroup memory, some rows at a time, to lanes that own four neighbouring columns of a row,
 * for norm factor, bias, gate or activation and residual, and then to lanes that own a block of 16 and round it.
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
import { valuesOfSums, weightFactor } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
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

/** Statements by which lanes finish the quads of a piece whose first row is `first`, and leave them for the rounding where there is one. */
function quadsText(piece: Piece): string {
  const { variant: { shape, config, splits, halves }, geometry: { workgroupSize, rowsEach, pieceRows, factorsAt }, rows, columns } = piece;
  const quads = columns / 4;
  const width = outputWidth(shape);
  const column = shape.gated ? `(quad / 4u * ${2 * INTERLEAVE_ROWS}u + quad % 4u * 4u)` : '4u * quad';
  const columnOf = (n: number) => (n === 0 ? column : `${column} + ${INTERLEAVE_ROWS}u`);
  const bias = (n: number) => (shape.bias ? ` + bias${n}` : '');
  const weights = weightFactor(shape, config);
  const ready = halves && ` * ${rowEnd(shape, 'row')}${weights === 1 ? '' : ` * ${1 / weights}`}`;
  const end = ready ?? (hasFactors(piece.variant) ? ` * bitcast<f32>(${HELD}[${factorsAt}u + line].y)` : '');
  const product = (n: number) => `(${sumsAt(piece, columnOf(n))})${end}${bias(n)}`;
  const outBase = shape.gated ? 'tile.first >> 1u' : shape.experts ? 'tile.first' : 'before + tile.first';
  const biasText = (n: number) => `let bias${n} = bias[min(before + tile.first + ${columnOf(n)}, last) >> 2u];`;
  const { f32, q8 } = shape.outputs;
  const part = splits > 1 ? `(workgroup.z * tile.rows + row)` : yRowOf(shape, 'row');
  return `for (var turn = 0u; turn < ${Math.ceil((rows * quads) / workgroupSize)}u; turn++) {
  let task = turn * ${workgroupSize}u + lane;
  let r = task / ${quads}u;
  let quad = task % ${quads}u;
  let line = r / ${pieceRows}u * ${rowsEach}u + first + r % ${pieceRows}u;
  let row = tile.row + line;
  if (r < ${rows}u && row < tile.rows && tile.first + ${column} < tile.count) {
    let out = ((${outBase}) >> 2u) + quad;
    ${shape.bias ? `let last = before + tile.count - 4u;\n    ${biasText(0)}${shape.gated ? `\n    ${biasText(1)}` : ''}` : ''}
    let v = ${finishedQuad(shape, product, { row: yRowOf(shape, 'row'), quad: 'out' })};
    ${f32 ? `y[${part} * ${width / 4}u + out] = v;` : ''}
    ${q8 ? `${HELD}[${placeOf(piece, column, 0)}] = bitcast<vec4<u32>>(v);` : ''}
  }
}`;
}

/** Statements by which lanes round blocks of 16 of what was finished. */
function blocksText(piece: Piece): string {
  const { variant: { shape }, geometry: { workgroupSize, rowsEach, pieceRows }, rows, columns } = piece;
  const blocks = columns / Q8_BLOCK;
  const column = shape.gated ? `block * ${2 * INTERLEAVE_ROWS}u` : `block * ${Q8_BLOCK}u`;
  const { experts } = shape;
  const base = shape.gated ? 'tile.first >> 1u' : experts ? 'tile.first' : 'before + tile.first';
  const number = `((${base}) >> 4u) + block`;
  const [yRow, yBlock] = experts
    ? [`lists[row] / ${experts.used}u`, `lists[row] % ${experts.used}u * ${outputWidth(shape) / Q8_BLOCK}u + ${number}`]
    : ['row', number];
  return `workgroupBarrier();
for (var turn = 0u; turn < ${Math.ceil((rows * blocks) / workgroupSize)}u; turn++) {
  let task = turn * ${workgroupSize}u + lane;
  let r = task / ${blocks}u;
  let block = task % ${blocks}u;
  let row = tile.row + r / ${pieceRows}u * ${rowsEach}u + first + r % ${pieceRows}u;
  if (r < ${rows}u && row < tile.rows && tile.first + ${column} < tile.count) {
    let at = ${placeOf(piece, column, 0)};
    yPutBlock(${yRow}, ${yBlock}, mat4x4<f32>(${range(4).map((q) => `bitcast<vec4<f32>>(${HELD}[at + ${q}u])`).join(', ')}));
  }
}`;
}

/** \`fn finishPiece\`, called by all invocations for the pieces of the tile, when their sums lie in workgroup memory. */
export function finishFunction(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { shape, subgroups: [down] } = variant;
  const { tileCols, pieceRows } = geometry;
  const piece: Piece = { variant, geometry, rows: down * pieceRows, columns: shape.gated ? tileCols / 2 : tileCols };
  return `fn finishPiece(first: u32, lane: u32, tile: Tile, before: u32, workgroup: vec3<u32>) {
${quadsText(piece)}
${shape.outputs.q8 ? blocksText(piece) : ''}
}`;
}

/** Statements after the last product. They see the sums \`c{i}_{j}\`, and \`down\`, \`across\`, \`deep\`, the subgroup's place. */
export function matrixEpilogueText({ config, subgroups: [downs, acrosses] }: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { matricesAcross, rowsEach, pieceRows, pieceStride } = geometry;
  const perPiece = pieceRows / config.m;
  const store = (i: number, j: number) => {
    const offset = (i % perPiece) * config.m * pieceStride + (j * config.n) / valuesOfSums(config);
    return storeMatrix(config, { memory: HELD, offset: `area + ${offset}u`, stride: `${pieceStride}u` }, `c${i}_${j}`);
  };
  const piece = (p: number) => `workgroupBarrier();
${range(perPiece).flatMap((i) => range(matricesAcross).map((j) => store(p * perPiece + i, j))).join('\n')}
workgroupBarrier();
finishPiece(${p * pieceRows}u, lane, tile, before, workgroup);`;
  return `let area = ((deep * ${downs}u + down) * ${acrosses}u + across) * ${pieceRows * pieceStride}u;
${unrolled(rowsEach / pieceRows, piece)}`;
}
