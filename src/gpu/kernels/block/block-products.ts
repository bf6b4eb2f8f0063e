/**
 * WGSL of the two products of a block. Of the first a workgroup has some rows, which lie four by four; of the second the columns of its
 * own values, so that its result is a part of a sum over workgroups.
 * - `fn makeFirst(own: u32, lane: u32, root: f32)` leaves the workgroup's results, times `root`, in `made`, array<vec4<f32>>.
 * What the second product reads is in `mid`, array<vec4<f32>>, or, rounded, `midCodes` and `midStats`.
 */
import type { LinearPartShape } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { bookTexts } from '../../wgsl/codebook.ts';
import { range } from '../../wgsl/expressions.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';
import { blocksOf, CODES_STRUCT, weightCodeFunctions, weightSteps } from '../../wgsl/weight-codes.ts';
import { minimumType } from '../../wgsl/weight-scales.ts';
import { weightValueFunctions } from '../../wgsl/weight-values.ts';
import { DOT_FUNCTION } from '../gemv-int8/product.ts';
import { geometryOf, ROWS_EACH } from './block-variant.ts';
import type { BlockVariant } from './block-variant.ts';

export function partsOf({ first, second }: BlockVariant): readonly LinearPartShape[] {
  return second === undefined ? [first] : [first, second];
}

/** Columns of part `n`. */
export function colsOf(variant: BlockVariant, n: number): number {
  return n === 0 ? variant.width : geometryOf(variant).allValues;
}

export function productFunctions(variant: BlockVariant): string {
  const parts = partsOf(variant);
  const isRounded = variant.activations === 'int8';
  const weights = isRounded
    ? [`${CODES_STRUCT};`, bookTexts(parts), ...parts.map((_, n) => weightCodeFunctions(parts, n, colsOf(variant, n))), DOT_FUNCTION]
    : parts.map((part, n) => weightValueFunctions(part, n, colsOf(variant, n)));
  return [...weights, termsFunction(variant), firstFunction(variant), ...(variant.second ? [secondFunction(variant)] : [])]
    .filter((text) => text !== '').join('\n');
}

/** WGSL expression of a group's share of a product, of codes `w`, scales `s`, minimum `m`, and of values as {@link groupOf} has them. */
function groupTerm(part: LinearPartShape, { w, s, m }: { readonly w: string; readonly s: string; readonly m: string }): string {
  const { hasMinimum, scaleGroup } = blocksOf(part);
  const codes = `vec2<f32>(f32(dot16(${w}.a, a)), f32(dot16(${w}.b, b)))`;
  const scaled = scaleGroup === 32 ? `dot(${codes}, scales) * ${s}.x` : `dot(${codes} * scales, ${s})`;
  if (!hasMinimum) return scaled;
  return `${scaled} - ${scaleGroup === 32 ? `${m} * (totals.x + totals.y)` : `dot(${m}, totals)`}`;
}

/** Statements: `a`, `b`, `scales` and, where they count, `totals` of group `at` of rounded values. */
function groupOf(name: 'x' | 'mid', { part, width, at }: { readonly part: LinearPartShape; readonly width: number; readonly at: string }) {
  const pair = (first: number) => `vec2<f32>(${name}Stats[${first}u + 2u * ${at}], ${name}Stats[${first + 1}u + 2u * ${at}])`;
  return [
    `let a = ${name}Codes[2u * ${at}];`, `let b = ${name}Codes[2u * ${at} + 1u];`, `let scales = ${pair(0)};`,
    ...(blocksOf(part).hasMinimum ? [`let totals = ${pair(width / Q8_BLOCK)};`] : []),
  ];
}

/** `fn fourTerms(row, unit)`: a unit's share of the products of four rows with x. Rows past the end are the last. */
function termsFunction({ width, activations, first, middle }: BlockVariant): string {
  const rows = range(ROWS_EACH);
  const isRagged = middle.kind === 'none' && first.rows % middle.rows !== 0;
  const row = (i: number) => (isRagged ? `min(row + ${i}u, ${first.rows - 1}u)` : i === 0 ? 'row' : `row + ${i}u`);
  const head = 'fn fourTerms(row: u32, unit: u32) -> vec4<f32> {';
  if (activations === 'float') return `${head}
  let value = x[unit];
  return vec4<f32>(${rows.map((i) => `dot(quad0(${row(i)}, unit), value)`).join(', ')});
}`;
  const hasMinimum = minimumType(blocksOf(first)) !== undefined;
  const loads = rows.flatMap((i) => [
    `let w${i} = codes0(${row(i)}, unit);`, `let s${i} = scales0(${row(i)}, unit);`,
    ...(hasMinimum ? [`let m${i} = minimum0(${row(i)}, unit);`] : []),
  ]);
  const terms = rows.map((i) => groupTerm(first, { w: `w${i}`, s: `s${i}`, m: `m${i}` }));
  return `${head}
${[...loads, ...groupOf('x', { part: first, width, at: 'unit' })].map((line) => `  ${line}`).join('\n')}
  return vec4<f32>(${terms.join(', ')});
}`;
}

/** WGSL expression of the first row of a quad of the workgroup's rows, `quad` being its number there. */
function rowOfQuad({ middle }: BlockVariant): string {
  if (middle.kind === 'none') return `own * ${middle.rows}u + 4u * quad`;
  if (middle.kind === 'gated') return `own * ${2 * middle.values}u + 4u * quad`;
  const { shape: { heads, kvHeads, keyDim, valueDim }, queryHeads } = middle;
  const kvHead = `own / ${heads / kvHeads / queryHeads}u`;
  const [keys, values] = [(queryHeads * keyDim) / 4, ((queryHeads + 1) * keyDim) / 4];
  const ofKey = `${heads * keyDim}u + ${kvHead} * ${keyDim}u + 4u * (quad - ${keys}u)`;
  const ofValue = `${(heads + kvHeads) * keyDim}u + ${kvHead} * ${valueDim}u + 4u * (quad - ${values}u)`;
  const ofQuery = `own * ${queryHeads * keyDim}u + 4u * quad`;
  return `select(select(${ofValue}, ${ofKey}, quad < ${values}u), ${ofQuery}, quad < ${keys}u)`;
}

/** Sums of four lanes at a time. */
const MOST_JOINED = 4;

/** Statements that leave in `made` what the lanes of each quad of rows have in `pieces`. */
function joinText(variant: BlockVariant): string {
  const { invocations } = variant;
  const { rowQuads, lanes } = geometryOf(variant);
  const steps: string[] = [];
  let left = lanes;
  while (left > 1) {
    const joined = Math.min(MOST_JOINED, left);
    left /= joined;
    const at = left === 1 ? `k * ${lanes}u` : `k / ${left}u * ${lanes}u + k % ${left}u`;
    const sum = range(joined).map((n) => `pieces[at${n === 0 ? '' : ` + ${n * left}u`}]`).join(' + ');
    steps.push(laneLoop(rowQuads * left, invocations, `    let at = ${at};
    ${left === 1 ? `made[k] = (${sum}) * root;` : `pieces[at] = ${sum};`}`));
  }
  if (lanes === 1) steps.push(laneLoop(rowQuads, invocations, '    made[k] = pieces[k] * root;'));
  return steps.map((step) => `${step}\n  workgroupBarrier();`).join('\n');
}

function firstFunction(variant: BlockVariant): string {
  const { invocations } = variant;
  const { rowQuads, lanes, units } = geometryOf(variant);
  return `fn makeFirst(own: u32, lane: u32, root: f32) {
${laneLoop(rowQuads * lanes, invocations, `    let quad = k / ${lanes}u;
    let row = ${rowOfQuad(variant)};
    var sum = vec4<f32>();
    for (var unit = k % ${lanes}u; unit < ${units}u; unit += ${lanes}u) { sum += fourTerms(row, unit); }
    pieces[k] = sum;`)}
  workgroupBarrier();
${joinText(variant)}
}`;
}

/** `fn secondTerm(..., row, first, at)`: unit `at` of the workgroup's values, which is `first + at` of all, and a row. */
function secondFunction(variant: BlockVariant): string {
  const { activations } = variant;
  const second = variant.second!;
  if (activations === 'float')
    return 'fn secondTerm(row: u32, first: u32, at: u32) -> f32 { return dot(quad1(row, first + at), mid[at]); }';
  const { scaleWords } = weightSteps(partsOf(variant), 1, colsOf(variant, 1), 'int8');
  const hasMinimum = minimumType(blocksOf(second)) !== undefined;
  const lines = [
    'let group = first + at;', 'let w = codesOf1(words);', 'let s = scalesOf1(scaleWords, row, group);',
    ...(hasMinimum ? ['let m = minimumOf1(scaleWords, row, group);'] : []),
    ...groupOf('mid', { part: second, width: geometryOf(variant).values, at: 'at' }),
  ];
  return `fn secondTerm(words: Codes, scaleWords: ${scaleWords}, row: u32, first: u32, at: u32) -> f32 {
${lines.map((line) => `  ${line}`).join('\n')}
  return ${groupTerm(second, { w: 'w', s: 's', m: 'm' })};
}`;
}

/** Groups of an invocation whose words it reads before anything else is done, at most. */
const MOST_AHEAD = 4;

/**
 * Statements of `main` for the second product: what is read at its beginning, so that it is there when it is wanted, and the product.
 * Workgroup 0 adds x itself.
 */
export function secondText(variant: BlockVariant): { readonly before: string; readonly after: string } {
  const { width, activations, invocations } = variant;
  const { workgroups, valueUnits } = geometryOf(variant);
  const turns = range(Math.ceil(width / invocations));
  const isRagged = width % invocations !== 0;
  const isAhead = activations === 'int8' && turns.length * valueUnits <= MOST_AHEAD;
  const units = range(valueUnits);
  const row = (i: number) => (isRagged ? `min(lane + ${i * invocations}u, ${width - 1}u)` : `lane + ${i * invocations}u`);
  const before = turns.flatMap((i) => [
    `let row${i} = ${row(i)};`,
    ...(isAhead ? units.flatMap((u) => [
      `let words${i}x${u} = codeWords1(row${i}, first + ${u}u);`, `let scaleWords${i}x${u} = scaleWords1(row${i}, first + ${u}u);`]) : []),
  ]);
  const words = (i: number) => (activations === 'int8' ? `codeWords1(row${i}, first + at), scaleWords1(row${i}, first + at), ` : '');
  const sum = (i: number) => (isAhead
    ? units.map((u) => `sum += secondTerm(words${i}x${u}, scaleWords${i}x${u}, row${i}, first, ${u}u);`)
    : [`for (var at = 0u; at < ${valueUnits}u; at++) { sum += secondTerm(${words(i)}row${i}, first, at); }`]);
  const after = turns.map((i) => {
    const lines = [
      `var sum = select(0.0, sums[row${i} >> 2u][row${i} & 3u], own == 0u);`, ...sum(i),
      `y[(row * ${workgroups}u + own) * ${width}u + row${i}] = sum;`,
    ];
    const open = isRagged ? `  if (lane < ${width - i * invocations}u) {` : '  {';
    return `${open}\n${lines.map((line) => `    ${line}`).join('\n')}\n  }`;
  });
  return {
    before: [`let first = own * ${valueUnits}u;`, ...before].map((line) => `  ${line}`).join('\n'),
    after: after.join('\n'),
  };
}
