/**
 * What each row of a tile is multiplied by, gathered before the first tile: x by a power of two that brings its largest magnitude to
 * 2^8 .. 2^9, so that halves neither overflow nor lose small rows, and the sums by its inverse, the factor of the row's RMS norm and the
 * inverse of the weights' factor. Eight lanes read a row together.
 */
import { inputWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { inverseRoot } from '../../wgsl/expressions.ts';
import { weightFactor, LANES_A_ROW } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { HELD } from './matrix-staging.ts';

/** Exponent that the largest magnitude of a row gets. */
const LARGEST_EXPONENT = 8;
const BIAS = 127;

/** Statements that take unit `unit` of row `row` into `most` and `squares`. */
export function gatherText(shape: LinearShape, hasMost: boolean): string {
  const { input, norm, cols, experts } = shape;
  const units = cols / 32;
  if (input === 'f32') {
    const gain = norm ? ' * gain[8u * unit + i]' : '';
    return `for (var i = 0u; i < 8u; i++) {
      let v = x[${8 * units}u * row + 8u * unit + i];
      ${norm ? 'squares += dot(v, v);' : ''}
      ${hasMost ? `let size = abs(v${gain});\n      most = max(most, max(max(size.x, size.y), max(size.z, size.w)));` : ''}
    }`;
  }
  const stat = experts?.each ? `(row + row / ${experts.used}u * ${2 * experts.used}u) * ${units}u` : `row * ${3 * units}u`;
  return `let at = ${stat} + unit;
    ${hasMost ? 'let scales = xStats[at];\n    most = max(most, max(scales.x, scales.y) * 127.0);' : ''}
    ${input === 'q8n' ? `let shares = xStats[at + ${2 * (inputWidth(shape) / 32)}u];\n    squares += shares.x + shares.y;` : ''}`;
}

/**
 * The power of two of a row, `scale`, and what its sums are multiplied by, `end`, of `most` and `squares`; the last statement is open, for
 * further factors.
 */
export function factorStatements({ input, norm, cols }: LinearShape, hasMost: boolean): string {
  const mean = norm ? `(squares * ${1 / cols} + ${norm.eps})` : 'squares';
  const factor = norm !== undefined || input === 'q8n' ? ` * ${inverseRoot(mean)}` : '';
  const largest = LARGEST_EXPONENT + BIAS;
  return `let exponent = ${hasMost ? 'clamp((bitcast<u32>(most) >> 23u) & 255u, 16u, 254u)' : `${largest}u`};
    let scale = bitcast<f32>((${largest + BIAS}u - exponent) << 23u);
    let end = bitcast<f32>((exponent - ${LARGEST_EXPONENT}u) << 23u)${factor}`;
}

/** Whether rows have factors at all. */
export function hasFactors({ shape: { input, norm }, config }: MatrixGemmVariant): boolean {
  return config.input === 'f16' || input === 'q8n' || norm !== undefined;
}

/** Statements; '' where there are no factors. They see `lane` and `tile`. */
export function rowFactorsText(variant: MatrixGemmVariant, { tileRows, units, workgroupSize, factorsAt }: MatrixGeometry): string {
  if (!hasFactors(variant)) return '';
  const { shape, config } = variant;
  const { experts } = shape;
  const hasMost = config.input === 'f16';
  const rowOfX = 'min(tile.row + line, tile.rows - 1u)';
  const weights = weightFactor(shape, config);
  return `for (var turn = 0u; turn < ${Math.ceil((tileRows * LANES_A_ROW) / workgroupSize)}u; turn++) {
  let place = turn * ${workgroupSize}u + lane;
  let line = min(place / ${LANES_A_ROW}u, ${tileRows - 1}u);
  let row = ${experts ? `xRowOf(lists[${rowOfX}])` : rowOfX};
  var most = 0.0;
  var squares = 0.0;
  for (var k = 0u; k < ${Math.ceil(units / LANES_A_ROW)}u; k++) {
    let unit = k * ${LANES_A_ROW}u + (lane & ${LANES_A_ROW - 1}u);
    if (unit < ${units}u) {
    ${gatherText(shape, hasMost)}
    }
  }
  if (place < ${tileRows * LANES_A_ROW}u) { ${HELD}[place] = vec4<u32>(bitcast<u32>(most), bitcast<u32>(squares), 0u, 0u); }
}
workgroupBarrier();
for (var turn = 0u; turn < ${Math.ceil(tileRows / workgroupSize)}u; turn++) {
  let line = turn * ${workgroupSize}u + lane;
  if (line < ${tileRows}u) {
    var most = 0.0;
    var squares = 0.0;
    for (var i = 0u; i < ${LANES_A_ROW}u; i++) {
      let part = bitcast<vec4<f32>>(${HELD}[line * ${LANES_A_ROW}u + i]);
      most = max(most, part.x);
      squares += part.y;
    }
    ${factorStatements(shape, hasMost)}${weights === 1 ? '' : ` * ${1 / weights}`};
    ${HELD}[${factorsAt}u + line] = vec4<u32>(bitcast<u32>(scale), bitcast<u32>(end), 0u, 0u);
  }
}
workgroupBarrier();
`;
}
