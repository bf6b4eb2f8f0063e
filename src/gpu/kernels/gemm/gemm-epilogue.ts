/**
 * WGSL for what follows the products of a tile: norm factor, bias, activation and residual in the registers that hold the sums,
 * f32 stores by 16 neighbouring lanes, and int8 rounding of blocks that 16 lanes hand over through workgroup memory.
 */
import { Q8_BLOCK } from '../../q8-layout.ts';
import { matrixRows, outputWidth, placeInY, resultWidth, timesAt, totalRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { gateExpression } from '../../wgsl/activation.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { LANES_ACROSS } from './gemm-geometry.ts';
import type { GemmGeometry } from './gemm-geometry.ts';
import { fetchesOfX } from './tile-staging.ts';
import type { TileArithmetic } from './tile-staging.ts';

/** Rows that an invocation hands over at a time. */
const HANDED_ROWS = 4;
/** From one block to the next in `handed`: odd, so that lanes that read a block each hit different banks. */
const HANDED_STRIDE = Q8_BLOCK + 1;

const handedLength = ({ lanesDown }: GemmGeometry) => lanesDown * HANDED_ROWS * HANDED_STRIDE;

/** Workgroup variables and functions. */
export function epilogueDeclarations(shape: LinearShape, geometry: GemmGeometry): string {
  const { q8 } = shape.outputs;
  if (!q8) return '';
  const rounding = q8EpilogueFunctions({ name: 'y', width: resultWidth(shape), norm: q8.norm });
  return `var<workgroup> handed: array<f32, ${handedLength(geometry)}>;\n${rounding}`;
}

/** Norm factors `factor{i}` of the rows of an invocation, from the shares that the lanes gathered as they fetched x. */
function factors(geometry: GemmGeometry, { spill, normFactor }: TileArithmetic): string {
  const { tileRows, unitsPerLine, workgroupSize, rowsEach, lanesDown } = geometry;
  const border = tileRows * unitsPerLine;
  const write = (u: number) => {
    const text = spill.write(`lane + ${u * workgroupSize}u`, `share${u}`);
    return (u + 1) * workgroupSize > border ? `if (lane < ${border - u * workgroupSize}u) { ${text} }` : text;
  };
  const sum = (i: number) => range(unitsPerLine).map((k) => spill.read(`(ty + ${lanesDown * i}u) * ${unitsPerLine}u + ${k}u`)).join(' + ');
  return `workgroupBarrier();
${unrolled(fetchesOfX(geometry), write)}
workgroupBarrier();
${unrolled(rowsEach, (i) => `var factor${i}: f32;\n{ let sum = ${sum(i)}; factor${i} = ${normFactor}; }`)}`;
}

/** The value of row i and output column j of an invocation, before the residual. */
function activated(shape: LinearShape, hasFactor: boolean, i: number, j: number): string {
  const product = (column: number) => `${hasFactor ? `factor${i} * ` : ''}a${i}_${column}${shape.bias ? ` + bias${column}` : ''}`;
  if (shape.gated) return gateExpression(shape.gated, shape.clamp, [product(2 * j), `(${product(2 * j + 1)})`]);
  if (shape.activation === undefined) return product(j);
  const { fn, times } = shape.activation;
  const other = times && timesAt(times, `min(row${i}, tile.rows - 1u)`, `min(out, ${outputWidth(shape) - 1}u)`);
  return `${fn}(${product(j)})${other ? ` * ${other}` : ''}`;
}

/** Where a block of 16 columns of a row of the tile lies in the result: its row, and its number in that. */
function blockPlace(shape: LinearShape, j: number): readonly [row: string, block: string] {
  const block = `(outBase >> 4u) + ${j}u`;
  const { experts } = shape;
  if (experts === undefined) return ['row', block];
  return [`lists[row] / ${experts.used}u`, `lists[row] % ${experts.used}u * ${outputWidth(shape) / Q8_BLOCK}u + ${block}`];
}

/** Rounds the blocks of rows i..i + 3: a lane for each. */
function roundBlocks(shape: LinearShape, { lanesDown, workgroupSize }: GemmGeometry, i: number, j: number): string {
  const [yRow, yBlock] = blockPlace(shape, j);
  const tasks = lanesDown * HANDED_ROWS;
  const quad = (q: number) => `vec4<f32>(${[0, 1, 2, 3].map((c) => `handed[at + ${4 * q + c}u]`).join(', ')})`;
  return `workgroupBarrier();
${unrolled(HANDED_ROWS, (c) => `handed[(ty * ${HANDED_ROWS}u + ${c}u) * ${HANDED_STRIDE}u + tx] = v${i + c};`)}
workgroupBarrier();
${tasks < workgroupSize ? `if (lane < ${tasks}u)` : ''} {
  let row = tile.row + lane / ${HANDED_ROWS}u + ${lanesDown}u * (${i}u + lane % ${HANDED_ROWS}u);
  let at = lane * ${HANDED_STRIDE}u;
  if (row < tile.rows && isColumn${j}) { yPutBlock(${yRow}, ${yBlock}, mat4x4<f32>(${[0, 1, 2, 3].map(quad).join(', ')})); }
}`;
}

function columnText(shape: LinearShape, geometry: GemmGeometry, hasFactor: boolean, j: number): string {
  const { rowsEach } = geometry;
  const width = outputWidth(shape);
  const { f32, q8 } = shape.outputs;
  const weightRows = shape.gated ? [2 * j, 2 * j + 1] : [j];
  const { experts } = shape;
  const elsewhere = experts?.piece ? `${experts.piece.first * matrixRows(shape)}u + ` : '';
  const biases = experts ? experts.count * matrixRows(shape) : totalRows(shape);
  const bias = (w: number) => `let bias${w} = bias[min(${elsewhere}before + tile.first + ${LANES_ACROSS * w}u + tx, ${biases - 1}u)];`;
  const residual = (i: number) => (shape.residual ? ` + residual[min(row${i}, tile.rows - 1u) * ${width}u + min(out, ${width - 1}u)]` : '');
  const yRow = (i: number) => (shape.experts ? `lists[row${i}]` : `row${i}`);
  const store = (i: number) => `if (row${i} < tile.rows && isColumn${j}) { y[${placeInY(shape, yRow(i), 'out')}] = v${i}; }`;
  return `{
let out = outBase + ${LANES_ACROSS * j}u + tx;
${shape.bias ? weightRows.map(bias).join('\n') : ''}
${unrolled(rowsEach, (i) => `let v${i} = ${activated(shape, hasFactor, i, j)}${residual(i)};`)}
${f32 ? unrolled(rowsEach, store) : ''}
${q8 ? range(rowsEach / HANDED_ROWS).map((q) => roundBlocks(shape, geometry, HANDED_ROWS * q, j)).join('\n') : ''}
}`;
}

/** Statements after the last product; they see `tile`, `before` (rows of W in earlier parts), `tx`, `ty`, `lane` and the sums. */
export function epilogueText(shape: LinearShape, geometry: GemmGeometry, arithmetic: TileArithmetic): string {
  const { rowsEach, colsEach, lanesDown, tileCols } = geometry;
  const hasEdge = shape.experts ? matrixRows(shape) % tileCols !== 0 : shape.parts.some(({ rows }) => rows % tileCols !== 0);
  const columns = shape.gated ? colsEach / 2 : colsEach;
  const step = shape.gated ? 2 * LANES_ACROSS : LANES_ACROSS;
  return `${arithmetic.share ? factors(geometry, arithmetic) : ''}
let outBase = ${shape.gated ? 'tile.first >> 1u' : shape.experts ? 'tile.first' : 'before + tile.first'};
${unrolled(rowsEach, (i) => `let row${i} = tile.row + ty + ${lanesDown * i}u;`)}
${unrolled(columns, (j) => `let isColumn${j} = ${hasEdge ? `tile.first + ${step * j}u + tx < tile.count` : 'true'};`)}
${unrolled(columns, (j) => columnText(shape, geometry, arithmetic.share !== undefined, j))}`;
}
