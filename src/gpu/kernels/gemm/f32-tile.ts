/** The GEMM in f32: weights of any type are turned into floats on their way into workgroup memory. */
import { inverseRoot, range, unrolled } from '../../wgsl/expressions.ts';
import { weightValueFunctions } from '../../wgsl/weight-values.ts';
import { LANES_ACROSS } from './gemm-geometry.ts';
import type { GemmGeometry, GemmVariant } from './gemm-geometry.ts';
import type { TileArithmetic } from './tile-staging.ts';

/** Four values of an f32 row-major array that need not begin at a multiple of 16 bytes. Past the row's end they are zeros. */
function scalarQuad(name: string, base: string, cols: number): string {
  const element = (c: number) => `select(0.0, ${name}[${base} + min(4u * unit + ${c}u, ${cols - 1}u)], 4u * unit + ${c}u < ${cols}u)`;
  return `vec4<f32>(${[0, 1, 2, 3].map(element).join(', ')})`;
}

function multiply(geometry: GemmGeometry, xStride: number, wStride: number): string {
  const { rowsEach, colsEach, lanesDown, unitsPerLine } = geometry;
  const loadX = (i: number) => `let x${i} = xTile[q * ${xStride}u + ty + ${lanesDown * i}u];`;
  const loadW = (j: number) => `let w${j} = wTile[q * ${wStride}u + tx + ${LANES_ACROSS * j}u];`;
  // One component at a time: products that follow each other then belong to different sums.
  const products = (pairs: readonly (readonly [i: number, j: number])[]) =>
    ['x', 'y', 'z', 'w'].flatMap((c) => pairs.map(([i, j]) => `a${i}_${j} += x${i}.${c} * w${j}.${c};`)).join('\n');
  const rows = range(rowsEach);
  const cols = range(colsEach);
  const body = rowsEach <= colsEach
    ? `${unrolled(rowsEach, loadX)}\n${unrolled(colsEach, (j) => `{ ${loadW(j)}\n${products(rows.map((i) => [i, j]))} }`)}`
    : `${unrolled(colsEach, loadW)}\n${unrolled(rowsEach, (i) => `{ ${loadX(i)}\n${products(cols.map((j) => [i, j]))} }`)}`;
  return `for (var q = 0u; q < ${unitsPerLine}u; q++) {\n${body}\n}`;
}

/** Units are quads of elements. Past the end of a line they stay zeros. */
export function f32Tile({ shape }: GemmVariant, geometry: GemmGeometry): TileArithmetic {
  const { cols, parts, norm } = shape;
  const { tileRows, tileCols, unitsPerLine, padding } = geometry;
  const [xStride, wStride] = [tileRows + padding, tileCols + padding];
  const isVector = cols % 4 === 0;
  const x = isVector ? `x[row * ${cols / 4}u + unit]` : scalarQuad('x', `row * ${cols}u`, cols);
  const gain = isVector ? 'gain[unit]' : scalarQuad('gain', '0u', cols);
  return {
    declarations: [
      `var<workgroup> xTile: array<vec4<f32>, ${unitsPerLine * xStride}>;`,
      `var<workgroup> wTile: array<vec4<f32>, ${unitsPerLine * wStride}>;`,
      ...parts.map((part, n) => weightValueFunctions(part, n, cols)),
    ].join('\n'),
    fetched: (u) => `quad${u}: vec4<f32>,${norm ? ` squares${u}: f32,` : ''}`,
    fetchX: (u) => (norm ? `let value = ${x};\nf.squares${u} = dot(value, value);\nf.quad${u} = value * ${gain};` : `f.quad${u} = ${x};`),
    fetchW: (u, n) => `f.quad${u} = quad${n}(row, unit);`,
    putX: (u) => `xTile[slot * ${xStride}u + line] = f.quad${u};`,
    putW: (u) => `wTile[slot * ${wStride}u + line] = f.quad${u};`,
    multiply: multiply(geometry, xStride, wStride),
    share: norm ? (u) => `f.squares${u}` : undefined,
    normFactor: norm ? inverseRoot(`(sum * ${1 / cols} + ${norm.eps})`) : '',
    spill: {
      write: (at, value) => `xTile[${at}] = vec4<f32>(${value});`,
      read: (at) => `xTile[${at}].x`,
    },
  };
}
