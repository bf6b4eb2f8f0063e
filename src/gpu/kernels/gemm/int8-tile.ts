/** The GEMM in int8: tiles of codes and their scales in workgroup memory, dot products of 16 codes as exact integers, sums in f32. */
import { inputWidth } from '../../linear-shape.ts';
import { bookTexts } from '../../wgsl/codebook.ts';
import { inverseRoot, unrolled } from '../../wgsl/expressions.ts';
import { blocksOf, CODES_STRUCT, weightCodeFunctions } from '../../wgsl/weight-codes.ts';
import { minimumType } from '../../wgsl/weight-scales.ts';
import { LANES_ACROSS } from './gemm-geometry.ts';
import type { GemmGeometry, GemmVariant } from './gemm-geometry.ts';
import type { TileArithmetic } from './tile-staging.ts';

interface Int8Tiles {
  readonly geometry: GemmGeometry;
  /** vec4<u32> from one 16-element block to the next. */
  readonly xStride: number;
  readonly wStride: number;
  /** Some part has a scale for each 16 elements; else one serves 32. */
  readonly hasHalfScales: boolean;
  readonly hasMinimum: boolean;
  /** Some part has a minimum for each 16 elements; else one serves 32. */
  readonly hasHalfMinimums: boolean;
}

function declarations({ geometry, xStride, wStride, hasHalfScales, hasMinimum, hasHalfMinimums }: Int8Tiles): string {
  const { tileRows, tileCols, unitsPerLine } = geometry;
  const sums = hasHalfMinimums ? 'vec2<f32>' : 'f32';
  const variables: readonly (readonly [name: string, element: string, length: number])[] = [
    ['xTile', 'vec4<u32>', 2 * unitsPerLine * xStride],
    ['wTile', 'vec4<u32>', 2 * unitsPerLine * wStride],
    ['xScales', 'vec2<f32>', unitsPerLine * tileRows],
    ['wScales', hasHalfScales ? 'vec2<f32>' : 'f32', unitsPerLine * tileCols],
    ...(hasMinimum ? [['xSums', sums, unitsPerLine * tileRows], ['wMinimums', sums, unitsPerLine * tileCols]] as const : []),
  ];
  return variables.map(([name, element, length]) => `var<workgroup> ${name}: array<${element}, ${length}>;`).join('\n');
}

/** Products of blocks 2g (half 0) and 2g + 1: one side's codes stay in registers, the longer side's stream past. */
function multiplyHalf({ geometry, xStride, wStride, hasHalfScales }: Int8Tiles, half: 0 | 1): string {
  const { rowsEach, colsEach, lanesDown } = geometry;
  const loadX = (i: number) => `let x${i} = xTile[(2u * g + ${half}u) * ${xStride}u + ty + ${lanesDown * i}u];`;
  const loadW = (j: number) => `let w${j} = wTile[(2u * g + ${half}u) * ${wStride}u + tx + ${LANES_ACROSS * j}u];`;
  const part = 'xy'[half];
  const scale = (i: number, j: number) => `(xs${i}.${part} * ws${j}${hasHalfScales ? `.${part}` : ''})`;
  const product = (i: number, j: number) => {
    const dots = ['x', 'y', 'z', 'w'].map((c) => `dot4I8Packed(x${i}.${c}, w${j}.${c})`).join(' + ');
    return `a${i}_${j} += f32(${dots}) * ${scale(i, j)};`;
  };
  const body = rowsEach <= colsEach
    ? `${unrolled(rowsEach, loadX)}\n${unrolled(colsEach, (j) => `{ ${loadW(j)}\n${unrolled(rowsEach, (i) => product(i, j))} }`)}`
    : `${unrolled(colsEach, loadW)}\n${unrolled(rowsEach, (i) => `{ ${loadX(i)}\n${unrolled(colsEach, (j) => product(i, j))} }`)}`;
  return `{\n${body}\n}`;
}

function multiply(tiles: Int8Tiles): string {
  const { rowsEach, colsEach, lanesDown, unitsPerLine, tileRows, tileCols } = tiles.geometry;
  const atX = (i: number) => `[g * ${tileRows}u + ty + ${lanesDown * i}u]`;
  const atW = (j: number) => `[g * ${tileCols}u + tx + ${LANES_ACROSS * j}u]`;
  const subtracted = (i: number) => (tiles.hasHalfMinimums ? `dot(minimum, sum${i})` : `minimum * sum${i}`);
  const minimums = `{
${unrolled(rowsEach, (i) => `let sum${i} = xSums${atX(i)};`)}
${unrolled(colsEach, (j) => `{ let minimum = wMinimums${atW(j)};\n${unrolled(rowsEach, (i) => `a${i}_${j} -= ${subtracted(i)};`)} }`)}
}`;
  return `for (var g = 0u; g < ${unitsPerLine}u; g++) {
${unrolled(rowsEach, (i) => `let xs${i} = xScales${atX(i)};`)}
${unrolled(colsEach, (j) => `let ws${j} = wScales${atW(j)};`)}
${multiplyHalf(tiles, 0)}
${multiplyHalf(tiles, 1)}
${tiles.hasMinimum ? minimums : ''}
}`;
}

/** Past the end of a line units stay zeros, scales too, so that they add nothing. */
export function int8Tile({ shape }: GemmVariant, geometry: GemmGeometry): TileArithmetic {
  const { cols, parts, input, experts } = shape;
  const { tileRows, tileCols, padding } = geometry;
  const formats = parts.map(blocksOf);
  const hasHalfScales = formats.some(({ scaleGroup }) => scaleGroup === 16);
  const hasMinimum = formats.some((format) => format.hasMinimum);
  const hasHalfMinimums = formats.some((format) => minimumType(format) === 'vec2<f32>');
  const tiles: Int8Tiles = {
    geometry, xStride: tileRows + padding, wStride: tileCols + padding, hasHalfScales, hasMinimum, hasHalfMinimums,
  };
  const hasNorm = input === 'q8n';
  const pairs = cols / 32;
  // From one plane of the statistics of a row of x to the next.
  const plane = inputWidth(shape) / 32;
  const minimumOf = (n: number) =>
    hasHalfMinimums && minimumType(formats[n]!) === 'f32' ? `vec2<f32>(minimum${n}(row, unit))` : `minimum${n}(row, unit)`;
  const putCodes = (name: string, stride: number, u: number) =>
    `${name}Tile[2u * slot * ${stride}u + line] = f.codes${u}.a;\n${name}Tile[(2u * slot + 1u) * ${stride}u + line] = f.codes${u}.b;`;
  return {
    declarations: [
      CODES_STRUCT, declarations(tiles), ...[bookTexts(parts)].filter((text) => text !== ''),
      ...parts.map((_, n) => weightCodeFunctions(parts, n, cols)),
    ].join('\n'),
    fetched: (u) => {
      const offset = hasMinimum ? ` offset${u}: ${hasHalfMinimums ? 'vec2<f32>' : 'f32'},` : '';
      return `codes${u}: Codes, scales${u}: vec2<f32>,${offset}${hasNorm ? ` share${u}: vec2<f32>,` : ''}`;
    },
    fetchX: (u) => `let at = row * ${2 * pairs}u + 2u * unit;
f.codes${u} = Codes(xCodes[at], xCodes[at + 1u]);
let stat = ${experts?.each ? `(row + row / ${experts.used}u * ${2 * experts.used}u) * ${pairs}u` : `row * ${3 * pairs}u`} + unit;
f.scales${u} = xStats[stat];
${hasMinimum ? `let sums${u} = xStats[stat + ${plane}u];\nf.offset${u} = ${hasHalfMinimums ? `sums${u}` : `sums${u}.x + sums${u}.y`};` : ''}
${hasNorm ? `f.share${u} = xStats[stat + ${2 * plane}u];` : ''}`,
    fetchW: (u, n) => `f.codes${u} = codes${n}(row, unit);
f.scales${u} = scales${n}(row, unit);
${formats[n]!.hasMinimum ? `f.offset${u} = ${minimumOf(n)};` : ''}`,
    putX: (u) => `${putCodes('x', tiles.xStride, u)}
xScales[slot * ${tileRows}u + line] = f.scales${u};
${hasMinimum ? `xSums[slot * ${tileRows}u + line] = f.offset${u};` : ''}`,
    putW: (u) => `${putCodes('w', tiles.wStride, u)}
wScales[slot * ${tileCols}u + line] = f.scales${u}${hasHalfScales ? '' : '.x'};
${hasMinimum ? `wMinimums[slot * ${tileCols}u + line] = f.offset${u};` : ''}`,
    multiply: multiply(tiles),
    share: hasNorm ? (u) => `f.share${u}.x + f.share${u}.y` : undefined,
    normFactor: inverseRoot('sum'),
    spill: {
      write: (at, value) => `xTile[${at}] = vec4<u32>(bitcast<u32>(${value}));`,
      read: (at) => `bitcast<f32>(xTile[${at}].x)`,
    },
  };
}
