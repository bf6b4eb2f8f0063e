/**
 * What each row of a tile is multiplied by, gathered before the first tile: x by a power of two that brings its largest magnitude to
 * 2^8 .. 2^9, so that halves neither overflow nor lose small rows, and the sums by its inverse, the factor of the row's RMS norm and the
 * inverse of the weights' factor. Several lanes read a row together.
 */
import { inputWidth } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { inverseRoot, unrolled } from '../../wgsl/expressions.ts';
import { lanesOfRow, turnsOfRows, weightFactor } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { HELD } from './matrix-staging.ts';
import { statsOf } from './row-staging.ts';

/** Exponent that the largest magnitude of a row gets. */
const LARGEST_EXPONENT = 8;
const BIAS = 127;

/** What of each unit of a row goes into its factors: the largest magnitude, for halves, and the squares of a norm. */
interface Gathered {
  readonly shape: LinearShape;
  readonly hasMost: boolean;
}

const hasNorm = ({ input, norm }: LinearShape) => input === 'q8n' || norm !== undefined;

/** Statements that read what `takeText` takes, of unit `unit` of row `row`, under number `j`; of an f32 x that does it all. */
export function readText({ shape, hasMost }: Gathered, unit: string, j: number): string {
  const { input } = shape;
  if (input === 'f32') return '';
  const shares = input === 'q8n' ? ` let shares${j} = xStats[at${j} + ${2 * (inputWidth(shape) / 32)}u];` : '';
  return `let at${j} = ${statsOf(shape)} + ${unit};${hasMost ? ` let scales${j} = xStats[at${j}];` : ''}${shares}`;
}

/** Statements that take it into `most` and `squares`. */
export function takeText({ shape, hasMost }: Gathered, unit: string, j: number): string {
  const { input, norm, cols } = shape;
  if (input === 'f32') {
    const gain = norm ? ` * gain[8u * ${unit} + i]` : '';
    return `for (var i = 0u; i < 8u; i++) {
      let v = x[${cols / 4}u * row + 8u * ${unit} + i];
      ${norm ? 'squares += dot(v, v);' : ''}
      ${hasMost ? `let size = abs(v${gain});\n      most = max(most, max(max(size.x, size.y), max(size.z, size.w)));` : ''}
    }`;
  }
  return `${hasMost ? `most = max(most, max(scales${j}.x, scales${j}.y) * 127.0);` : ''}
    ${input === 'q8n' ? `squares += shares${j}.x + shares${j}.y;` : ''}`;
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

/** Reads that a lane has under way at a time: more make a longer text. */
const MOST_READS = 4;

/** Statements by which a lane takes its units of row `row`, every `lanes`-th. Without a norm, each part of the depth looks at its own. */
function gatherText(variant: MatrixGemmVariant, { units, burstsEach, unitsPerLine }: MatrixGeometry, lanes: number): string {
  const { shape, config, splits, burst } = variant;
  const gathered = { shape, hasMost: config.input === 'f16' };
  const isOwn = splits > 1 && !hasNorm(shape);
  const own = burst * unitsPerLine;
  const rounds = Math.ceil((isOwn ? burstsEach * own : units) / lanes);
  const turns = Math.ceil(rounds / (shape.input === 'f32' ? 1 : MOST_READS));
  const reads = Math.ceil(rounds / turns);
  const each = (text: (j: number) => string) => unrolled(reads, text);
  // Units past the end are read as the last one: its magnitude counts once more, its squares do not.
  return `for (var k = 0u; k < ${turns}u; k++) {
${each((j) => `let nth${j} = (k * ${reads}u + ${j}u) * ${lanes}u + (lane & ${lanes - 1}u);
let unit${j} = ${isOwn ? `(workgroup.z + nth${j} / ${own}u * ${splits}u) * ${own}u + nth${j} % ${own}u` : `nth${j}`};`)}
${each((j) => readText(gathered, `min(unit${j}, ${units - 1}u)`, j))}
${each((j) => (shape.input === 'q8' ? takeText(gathered, '', j) : `if (unit${j} < ${units}u) {\n${takeText(gathered, `unit${j}`, j)}\n}`))}
}`;
}

/** Statements; '' where there are no factors. They see `lane` and `tile`. */
export function rowFactorsText(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  if (!hasFactors(variant)) return '';
  const { shape, config } = variant;
  const { tileRows, workgroupSize, factorsAt } = geometry;
  const lanes = lanesOfRow(geometry);
  const { experts } = shape;
  const hasMost = config.input === 'f16';
  const rowOfX = 'min(tile.row + line, tile.rows - 1u)';
  const weights = weightFactor(shape, config);
  return `for (var turn = 0u; turn < ${turnsOfRows({ rows: tileRows, tasks: lanes, workgroupSize })}; turn++) {
  let place = turn * ${workgroupSize}u + lane;
  let line = min(place / ${lanes}u, ${tileRows - 1}u);
  let row = ${experts ? `xRowOf(lists[${rowOfX}])` : rowOfX};
  var most = 0.0;
  var squares = 0.0;
  ${gatherText(variant, geometry, lanes)}
  if (place < ${tileRows * lanes}u) { ${HELD}[place] = vec4<u32>(bitcast<u32>(most), bitcast<u32>(squares), 0u, 0u); }
}
workgroupBarrier();
for (var turn = 0u; turn < ${Math.ceil(tileRows / workgroupSize)}u; turn++) {
  let line = turn * ${workgroupSize}u + lane;
  if (line < ${tileRows}u) {
    var most = 0.0;
    var squares = 0.0;
    for (var i = 0u; i < ${lanes}u; i++) {
      let part = bitcast<vec4<f32>>(${HELD}[line * ${lanes}u + i]);
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
