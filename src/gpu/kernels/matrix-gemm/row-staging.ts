/**
 * How x comes into the tile of a product on matrix units where no dispatch before made halves of it (ready-halves.ts): read as it lies, and
 * multiplied by its row's power of two (row-factors.ts) where it is put, so that halves hold it whatever it is. Where there are fewer units
 * of it than lanes, two or four lanes share one.
 */
import type { LinearShape } from '../../linear-shape.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { HELD } from './matrix-staging.ts';
import { storeSlice } from './unit-values.ts';

/** How units of x come. */
export const xFormOf = ({ input }: LinearShape): 'f32' | 'bytes' => (input === 'f32' ? 'f32' : 'bytes');

/** WGSL of where the scales of row `row` of x begin among `xStats`. */
export function statsOf({ experts, cols }: LinearShape): string {
  const units = cols / 32;
  return experts?.each ? `(row + row / ${experts.used}u * ${2 * experts.used}u) * ${units}u` : `row * ${3 * units}u`;
}

/** Lanes that share a unit, and the slices of it that each has, of four: elements 4i .. 4i + 3 of its first and of its second half. */
function sharesOf({ tileRows, unitsPerLine, workgroupSize }: MatrixGeometry): { readonly lanes: number; readonly slices: number } {
  const lanes = [4, 2].find((count) => tileRows * unitsPerLine * count <= workgroupSize) ?? 1;
  return { lanes, slices: 4 / lanes };
}

/** Text for each share of a unit that a lane fetches; it sees `line`, `slot` and `first`, the number of its first slice. */
function eachShare(geometry: MatrixGeometry, text: (u: number) => string): string {
  const { tileRows, unitsPerLine, workgroupSize } = geometry;
  const { lanes, slices } = sharesOf(geometry);
  const all = tileRows * unitsPerLine * lanes;
  return unrolled(Math.ceil(all / workgroupSize), (u) => {
    const rest = all - u * workgroupSize;
    return `${rest < workgroupSize ? `if (lane < ${rest}u) ` : ''}{
let line = ${lineOf(geometry, u)};
let slot = ${indexOf(geometry, u)} / ${lanes}u % ${unitsPerLine}u;
let first = ${lanes === 1 ? '0u' : `lane % ${lanes}u * ${slices}u`};
${text(u)}
}`;
  });
}

const indexOf = ({ workgroupSize }: MatrixGeometry, u: number) => (u === 0 ? 'lane' : `(lane + ${u * workgroupSize}u)`);

const lineOf = (geometry: MatrixGeometry, u: number) =>
  `${indexOf(geometry, u)} / ${sharesOf(geometry).lanes * geometry.unitsPerLine}u`;

/** Statements that read the slices of unit `unit` of row `row`. */
function readText(shape: LinearShape, slices: number, u: number): string {
  const units = shape.cols / 32;
  if (shape.input === 'f32') {
    const value = (i: string) => `x[${8 * units}u * row + ${i}]${shape.norm ? ` * gain[${i}]` : ''}`;
    return unrolled(slices, (j) => `f.a${u}_${j} = ${value(`(8u * unit + first + ${j}u)`)};
f.b${u}_${j} = ${value(`(8u * unit + first + ${4 + j}u)`)};`);
  }
  const codes = slices === 4
    ? `let a = xCodes[at];\nlet b = xCodes[at + 1u];\n${unrolled(4, (j) => `f.a${u}_${j} = a[${j}]; f.b${u}_${j} = b[${j}];`)}`
    : unrolled(slices, (j) => `f.a${u}_${j} = xCodes[at][first + ${j}u]; f.b${u}_${j} = xCodes[at + 1u][first + ${j}u];`);
  return `let at = row * ${2 * units}u + 2u * unit;\n${codes}\nf.s${u} = xStats[${statsOf(shape)} + unit];`;
}

/** `Rows` and `fn fetchRows(k, lane, tile) -> Rows`, what a lane fetches of step k. */
export function fetchRowsFunction({ shape }: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const { tileRows, units, unitsPerLine, workgroupSize, hasTail } = geometry;
  const { lanes, slices } = sharesOf(geometry);
  const count = Math.ceil((tileRows * unitsPerLine * lanes) / workgroupSize);
  const [type, scales] = shape.input === 'f32' ? ['vec4<f32>', ''] : ['u32', ' s: vec2<f32>,'];
  const members = (u: number) =>
    `${range(slices).map((j) => `a${u}_${j}: ${type}, b${u}_${j}: ${type},`).join(' ')}${scales.replace('s:', `s${u}:`)}`;
  const rowOfX = 'min(tile.row + line, tile.rows - 1u)';
  const text = (u: number) => {
    const read = readText(shape, slices, u);
    return `let unit = k * ${unitsPerLine}u + slot;
let row = ${shape.experts ? `xRowOf(lists[${rowOfX}])` : rowOfX};
${hasTail ? `if (unit < ${units}u) {\n${read}\n}` : read}`;
  };
  return `struct Rows {\n${unrolled(count, members)}\n}
fn fetchRows(k: u32, lane: u32, tile: Tile) -> Rows {
var f = Rows();
${eachShare(geometry, text)}
return f;
}`;
}

/** The powers of two of the rows that a lane fetches, which are the same for every tile. */
export function factorsOfRows({ config }: MatrixGemmVariant, geometry: MatrixGeometry): string {
  if (config.input !== 'f16') return '';
  const { tileRows, unitsPerLine, workgroupSize, factorsAt } = geometry;
  const count = Math.ceil((tileRows * unitsPerLine * sharesOf(geometry).lanes) / workgroupSize);
  return unrolled(count, (u) => `let factor${u} = bitcast<f32>(${HELD}[${factorsAt}u + min(${lineOf(geometry, u)}, ${tileRows - 1}u)].x);`);
}

/** Statements that put what was fetched, the variable `name`, into the tile. */
export function putRowsText({ shape, config }: MatrixGemmVariant, geometry: MatrixGeometry, name: string): string {
  const { slices } = sharesOf(geometry);
  const unitVectors = config.input === 'f16' ? 4 : 8;
  return eachShare(geometry, (u) => {
    const factor = config.input === 'f16' ? `factor${u}` : undefined;
    const scales = `${name}.s${u}${factor ? ` * ${factor}` : ''}`;
    const slice = (j: number) => storeSlice(config, {
      form: xFormOf(shape), low: `${name}.a${u}_${j}`, high: `${name}.b${u}_${j}`, scales: 'scale', factor,
      at: `${HELD}[line * ${geometry.lineStride}u + slot * ${unitVectors}u + first + ${j}u`,
    });
    const scale = shape.input === 'f32' ? '' : `let scale = ${config.input === 'f16' ? `Pair(${scales})` : scales};\n`;
    return `${scale}${unrolled(slices, slice)}`;
  });
}
