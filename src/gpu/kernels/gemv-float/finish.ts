/** WGSL of what follows the loop: sums of a team's lanes, then norm, bias, activation and residual, and the write. */
import { matrixRows, placeInY, timesAt } from '../../linear-shape.ts';
import { gateExpression } from '../../wgsl/activation.ts';
import { weightedBias, wholeNumber } from '../../wgsl/expert-rows.ts';
import { inverseRoot, range } from '../../wgsl/expressions.ts';
import { isByExpert, partOutputs, teamRows } from './gemv-float-variant.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { GemvFloatVariant } from './gemv-float-variant.ts';

/** Sums that a team makes: by column and row, then the columns' squares. */
function sumCount(variant: GemvFloatVariant): number {
  return variant.batch * (teamRows(variant) + (variant.shape.norm ? 1 : 0));
}

export function partialFloats(variant: GemvFloatVariant): number {
  return variant.reduction === 'workgroup' ? sumCount(variant) * variant.lanes * variant.teams : 0;
}

/** WGSL expression of the bias of a row. */
function biasAt(shape: LinearShape, row: string): string {
  if (shape.experts?.summed) return weightedBias(shape, row);
  return shape.experts ? `bias[${wholeNumber(shape, 'expert')} * ${matrixRows(shape)}u + ${row}]` : `bias[${row}]`;
}

/**
 * `fn finish(output, column, product...)`: from whole sums to y. `output` counts the rows of all parts. Of products by expert, `column` is
 * the (row, choice) pair, and the expert comes next.
 */
export function finishFunction({ shape }: GemvFloatVariant): string {
  const { gated, activation, norm, bias, residual, cols } = shape;
  const products = gated ? ['gate', 'up'] : ['product'];
  const rows = gated ? ['gateRow(output)', 'gateRow(output) + upDistance(output)'] : ['output'];
  const scaled = products.map((name, i) => `${norm ? `${name} * factor` : name}${bias ? ` + ${biasAt(shape, rows[i] as string)}` : ''}`);
  const at = placeInY(shape, 'column', 'output');
  const times = activation?.times ? ` * ${timesAt(activation.times, 'column', 'output')}` : '';
  const activated = activation ? `${activation.fn}(${scaled[0]})${times}` : scaled[0];
  const value = [`let value = ${gated ? gateExpression(gated, shape.clamp, [scaled[0] as string, `(${scaled[1]})`]) : activated};`];
  const places = ['output', 'column', ...(isByExpert(shape) ? ['expert'] : [])].map((name) => `${name}: u32`);
  const sums = [...products, ...(norm ? ['squares'] : [])].map((name) => `${name}: f32`);
  return `fn finish(${[...places, ...sums].join(', ')}) {
  ${[
    ...(norm ? [`let mean = squares * ${1 / cols} + ${norm.eps};`, `let factor = ${inverseRoot('mean')};`] : []),
    ...value,
    `y[${at}] = value${residual ? ` + residual[${at}]` : ''};`,
  ].join('\n  ')}
}`;
}

/** Workgroup memory and its reader, for reductions without subgroups. */
export function partialDeclarations(variant: GemvFloatVariant): string {
  if (variant.reduction !== 'workgroup') return '';
  const { lanes, teams } = variant;
  return `var<workgroup> partial: array<f32, ${partialFloats(variant)}>;
fn total(sum: u32, team: u32) -> f32 {
  let at = (sum * ${teams}u + team) * ${lanes}u;
  var all = 0.0;
  for (var i = 0u; i < ${lanes}u; i++) { all += partial[at + i]; }
  return all;
}`;
}

/** Arguments of `finish` after its place, each sum as `sum` names it. */
function finishArguments(
  variant: GemvFloatVariant,
  i: number | string,
  c: number | string,
  sum: (column: number | string, row: number | string) => string,
): string {
  const { shape, rowsPerTeam } = variant;
  const second = typeof i === 'number' ? i + rowsPerTeam : `${i} + ${rowsPerTeam}u`;
  return [sum(c, i), ...(shape.gated ? [sum(c, second)] : []), ...(shape.norm ? [sum(c, 'squares')] : [])].join(', ');
}

/** The end of `part{n}`: sum{c}_{i} and squares{c} hold the lane's sums. */
export function finishText(variant: GemvFloatVariant, n: number): string[] {
  const { shape, batch, rowsPerTeam, reduction, lanes, teams } = variant;
  const outputs = partOutputs(variant, n);
  const before = shape.experts ? 0 : range(n).reduce((sum, part) => sum + partOutputs(variant, part), 0);
  const columnOf = (c: string) => (isByExpert(shape) ? `${batch === 1 ? 'column' : `lists[column + ${c}]`}, expert` : `column + ${c}`);
  const call = (i: string, c: string, sums: string) => {
    const checks = [`first + ${i} < ${outputs}u`, ...(batch > 1 ? [`${c} < columns`] : [])];
    return `if (${checks.join(' && ')}) { finish(${before}u + first + ${i}, ${columnOf(c)}, ${sums}); }`;
  };
  const rows = teamRows(variant);
  const names = range(batch).flatMap((c) => range(rows).map((i) => `sum${c}_${i}`));
  const squareNames = shape.norm ? range(batch).map((c) => `squares${c}`) : [];
  if (reduction === 'workgroup') {
    const place = (c: number | string, i: number | string) => (i === 'squares' ? `${batch * rows}u + ${c}` : `${c} * ${rows}u + ${i}`);
    return [
      ...[...names, ...squareNames].map((name, sum) => `partial[(${sum * teams}u + team) * ${lanes}u + lane] = ${name};`),
      'workgroupBarrier();',
      `for (var k = 0u; k < ${Math.ceil((rowsPerTeam * batch) / lanes)}u; k++) {`,
      `let i = (k * ${lanes}u + lane) & ${rowsPerTeam - 1}u;`,
      `let c = (k * ${lanes}u + lane) >> ${Math.log2(rowsPerTeam)}u;`,
      `if (c < ${batch}u) { ${call('i', 'c', finishArguments(variant, 'i', 'c', (column, row) => `total(${place(column, row)}, team)`))} }`,
      '}',
    ];
  }
  const sumName = (c: number | string, i: number | string) => (i === 'squares' ? `squares${c}` : `sum${c}_${i}`);
  const whole = (c: number | string, i: number | string) => (reduction === 'subgroup' ? `whole_${sumName(c, i)}` : sumName(c, i));
  const calls = range(batch).flatMap((c) => range(rowsPerTeam).map((i) => call(`${i}u`, `${c}u`, finishArguments(variant, i, c, whole))));
  if (reduction === 'none') return calls;
  return [...[...names, ...squareNames].map((name) => `let whole_${name} = subgroupAdd(${name});`), 'if (lane == 0u) {', ...calls, '}'];
}
