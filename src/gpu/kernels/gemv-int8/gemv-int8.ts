/**
 * y = W x with int8 activations and block-quantised weights, for 1 to 8 rows of x ("columns" of the product) a workgroup. The
 * decode kernel of devices with native int8 dot products: it is made of loads, and everything else hides behind them.
 *
 * With subgroups a row of W belongs to one subgroup, some of them, or a part of one (`lanesPerRow`); lane l takes groups l, l + lanes, ...
 * of 32 elements, so that the loads of a subgroup are consecutive. Parts of a subgroup read the same of x at the same time. Without
 * subgroups a row belongs to one invocation. A workgroup belongs to one part of W. Quantised outputs are blocks of 16 values of the
 * result, all of one workgroup.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS, withTextOf } from '../../kernel.ts';
import type { Kernel, Workgroups } from '../../kernel.ts';
import { linearBindings, matrixRows, resultWidth, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { bookTexts } from '../../wgsl/codebook.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { byExpert, expertFunctions, otherExpertText, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range } from '../../wgsl/expressions.ts';
import { sumPrologue } from '../../wgsl/sum-prologue.ts';
import { summedFunctions } from '../../wgsl/summed-parts.ts';
import { CODES_STRUCT, weightCodeFunctions } from '../../wgsl/weight-codes.ts';
import { epilogueText, workgroupFloats } from './epilogue.ts';
import { expertColumns } from '../expert-lists/expert-lists.ts';
import { checkVariant, geometryOf, hasColumns } from './gemv-int8-variant.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';
import { DOT_FUNCTION, productFunction, shareFields, sumsStruct } from './product.ts';

export type { GemvInt8Variant } from './gemv-int8-variant.ts';

export function gemvInt8Kernel(variant: GemvInt8Variant): Kernel {
  checkVariant(variant);
  const { shape, batch, subgroupSize } = variant;
  const { parts, cols, outputs, sum } = shape;
  const { workgroupSize } = geometryOf(variant);
  const bindings = linearBindings(shape, { step: batch > 1 });
  const needs = { subgroupSize };
  const memory = workgroupFloats(variant);
  const text = () => [
    kernelHeader(bindings, needs),
    batch > 1 ? STEP_STRUCT + ';' : '',
    `${CODES_STRUCT};`,
    ...memory.map(({ name, count }) => `var<workgroup> ${name}: array<f32, ${count}>;`),
    expertFunctions(shape, batch > 1 ? 'several' : 'one'),
    batch > 1 ? pairFunctions(shape) : '',
    bookTexts(parts),
    ...parts.map((_, n) => weightCodeFunctions(parts, n, cols)),
    summedFunctions(shape, { name: 'codes', type: 'Codes' }),
    outputs.q8 ? q8EpilogueFunctions({ name: 'y', width: resultWidth(shape), norm: outputs.q8.norm }) : '',
    sum ? sumPrologue({ shape: { ...shape, sum }, lanes: workgroupSize }) : '',
    endFunction(shape),
    DOT_FUNCTION,
    sumsStruct(variant),
    ...(shape.experts?.summed ? [0] : [...parts.keys()]).map((n) => productFunction(variant, n)),
    mainFunction(variant, workgroupSize),
  ].filter((each) => each !== '').join('\n');
  const types = parts.map(({ type }) => type).join('+');
  const label = `gemv-int8${sum ? ' of a sum' : ''} ${types} ${shapeText(shape)}${batch > 1 ? ` x${batch}` : ''}`;
  return withTextOf({ key: kernelKey('gemv-int8', variant), label, bindings, workgroupSize, needs }, text);
}

/** `xRows`: rows of x in this step. Throws RangeError where a kernel for one row is asked for more. */
export function gemvInt8Workgroups(variant: GemvInt8Variant, xRows: number): Workgroups {
  const { batch, shape: { experts } } = variant;
  if (batch === 1 && xRows !== 1) throw new RangeError(`gemv-int8: a kernel for one row of x cannot take ${xRows}`);
  if (experts) return linearWorkgroups(workgroupsOf(variant), expertColumns(experts, xRows, batch));
  return linearWorkgroups(workgroupsOf(variant) * Math.ceil(xRows / batch));
}

function workgroupsOf({ shape, rowsPerWorkgroup }: GemvInt8Variant): number {
  if (shape.experts) return Math.ceil(matrixRows(shape) / rowsPerWorkgroup);
  return shape.parts.reduce((sum, { rows }) => sum + Math.ceil(rows / rowsPerWorkgroup), 0);
}

function mainFunction(variant: GemvInt8Variant, workgroupSize: number): string {
  const { shape, batch, subgroupSize, rowsPerSlot } = variant;
  const { slots, isRagged } = geometryOf(variant);
  const subgroupArguments = subgroupSize === undefined ? '' : ', @builtin(subgroup_invocation_id) subgroupLane: u32';
  const place =
    subgroupSize === undefined
      ? '  let slot = lane;\n  let rowLane = 0u;'
      : slotText(variant, subgroupSize);
  const columns = range(batch);
  const rows = range(rowsPerSlot);
  const shares = shareFields(variant).map((_, k) => `  let share${k} = ${columnOf(variant, `min(slot + ${k * slots}u, ${batch - 1}u)`)};`);
  const row = (i: number) => `base + slot + ${i * slots}u`;
  const { before, after } = epilogueText(variant);
  return `@compute @workgroup_size(${workgroupSize})
fn main(${MAIN_ARGUMENTS}${subgroupArguments}) {
${placeText(variant)}
${columnsText(variant)}
${place}
${partRange(variant)}
${rows.map((i) => `  let row${i} = ${isRagged ? `min(${row(i)}, end - 1u)` : row(i)};`).join('\n')}
${hasColumns(variant) ? [...columns.map((c) => `  let x${c} = ${columnOf(variant, `${c}u`)};`), ...shares].join('\n') : ''}
${before}${shape.sum ? '\n  makeX(lane, number == 0u);' : ''}
${productCall(variant)}
${after}
}`;
}

/** `slot` of the workgroup, its `part` that is this subgroup, `slotLane` of the part and `rowLane` of all. */
function slotText(variant: GemvInt8Variant, subgroupSize: number): string {
  const { joinedLanes, subgroups } = geometryOf(variant);
  const ofSubgroup = subgroupSize / joinedLanes;
  const place = ofSubgroup === 1
    ? [`let slot = subgroup / ${subgroups}u;`, 'let slotLane = subgroupLane;']
    : [`let slot = subgroup * ${ofSubgroup}u + subgroupLane / ${joinedLanes}u;`, `let slotLane = subgroupLane % ${joinedLanes}u;`];
  return [
    `let subgroup = lane / ${subgroupSize}u;`, ...place, `let part = subgroup % ${subgroups}u;`,
    `let rowLane = part * ${joinedLanes}u + slotLane;`,
  ].map((line) => `  ${line}`).join('\n');
}

/** `number` of the workgroup's rows of W. Passes over the same rows lie side by side, so that they are read from memory once. */
function placeText(variant: GemvInt8Variant): string {
  const { shape, batch } = variant;
  const isOne = batch === 1 || shape.experts !== undefined;
  const number = isOne
    ? `  let number = ${LINEAR_WORKGROUP};`
    : `  let count = step.rows;
  let passes = (count + ${batch - 1}u) / ${batch}u;
  let place = ${LINEAR_WORKGROUP};
  let number = place / passes;`;
  return `${number}\n  if (number >= ${workgroupsOf(variant)}u) { return; }`;
}

/** `first` column of x, for several the end `count` of them, and the expert whose rows meet them. */
function columnsText(variant: GemvInt8Variant): string {
  const { shape, batch, rowsPerWorkgroup } = variant;
  const { experts } = shape;
  if (experts === undefined && batch === 1) return '  let first = 0u;';
  if (experts === undefined) return `  let first = place % passes * ${batch}u;`;
  if (experts.summed) return '  let first = 0u;';
  const { outputs, workgroupSize } = geometryOf(variant);
  const owned = { column: `number * ${shape.gated ? rowsPerWorkgroup / 2 : rowsPerWorkgroup}u`, columns: outputs };
  const place = { ...owned, lane: 'lane', lanes: workgroupSize };
  if (batch === 1) {
    const others = otherExpertText(shape, 'expert', { ...place, rows: 'one', pairs: ['choice'] });
    return `  let first = 0u;\n  let choice = workgroup.z;\n  let expert = expertOf(choice);${others}`;
  }
  return `  let tile = expertTile(workgroup.z);
  let first = tile.first;
  let count = tile.end;
  if (first >= count) { return; }
  let expert = tile.expert;${otherExpertText(shape, 'expert', { ...place, rows: 'several', pairs: ['first', 'count'] })}`;
}

/** The row of x that is column `c` of a pass. */
function columnOf({ shape: { experts }, batch }: GemvInt8Variant, c: string): string {
  const column = `min(first + ${c}, count - 1u)`;
  if (experts === undefined) return column;
  return batch === 1 ? 'choice' : `xRowOf(lists[${column}])`;
}

/** The workgroup's first row and its part's end, counted over the rows of all parts, or of one expert. */
function partRange({ shape, rowsPerWorkgroup }: GemvInt8Variant): string {
  const { parts } = shape;
  if (shape.experts) return `  let base = number * ${rowsPerWorkgroup}u;\n  let end = ${matrixRows(shape)}u;`;
  if (parts.length === 1) return `  let base = number * ${rowsPerWorkgroup}u;\n  let end = ${parts[0]!.rows}u;`;
  const ofPart = forEachPart({ parts, rowsPerWorkgroup }, ({ start, workgroupStart, rows }) =>
    `base = ${start}u + (number - ${workgroupStart}u) * ${rowsPerWorkgroup}u; end = ${start + rows}u;`);
  return `  var base = 0u;\n  var end = 0u;\n${ofPart}`;
}

function productCall(variant: GemvInt8Variant): string {
  const { shape, rowsPerWorkgroup, rowsPerSlot, batch } = variant;
  const { parts, experts } = shape;
  const columns = [...range(batch).map((c) => `x${c}`), ...shareFields(variant).map((_, k) => `share${k}`)];
  const xs = hasColumns(variant) ? columns.map((name) => `, ${name}`).join('') : '';
  const ofExpert = experts && !experts.summed;
  const call = (n: number, start: number) =>
    `product${n}(rowLane, ${range(rowsPerSlot)
      .map((i) => `${ofExpert ? 'expertRow + ' : ''}${start === 0 ? `row${i}` : `row${i} - ${start}u`}`)
      .join(', ')}${xs})`;
  if (ofExpert)
    return `  let expertRow = expert * ${matrixRows(shape)}u;
  var sums: Sums;
  ${byExpert(shape, 'expert', (n, start) => `sums = ${call(n, start)};`)}`;
  if (parts.length === 1 || experts?.summed) return `  let sums = ${call(0, 0)};`;
  return `  var sums: Sums;\n${forEachPart({ parts, rowsPerWorkgroup }, ({ n, start }) => `sums = ${call(n, start)};`)}`;
}

interface PartRange {
  readonly n: number;
  readonly rows: number;
  /** First row over all parts. */
  readonly start: number;
  readonly workgroupStart: number;
}

/** An if-chain on the workgroup's number: uniform in a workgroup. */
function forEachPart(
  { parts, rowsPerWorkgroup }: Pick<GemvInt8Variant, 'rowsPerWorkgroup'> & Pick<LinearShape, 'parts'>,
  body: (part: PartRange) => string,
): string {
  let start = 0;
  let workgroupStart = 0;
  const branches = parts.map(({ rows }, n) => {
    const text = body({ n, rows, start, workgroupStart });
    start += rows;
    workgroupStart += Math.ceil(rows / rowsPerWorkgroup);
    return n === parts.length - 1 ? `{ ${text} }` : `if (number < ${workgroupStart}u) { ${text} }`;
  });
  return `  ${branches.join(' else ')}`;
}
