/**
 * The part of the delta rule in chunks (chunk-records.ts) that chunks do by themselves: a workgroup takes a head of a chunk. It stages k
 * and q a few columns at a time for both tables of products, then each invocation solves for one column of W or U, row after row.
 */
import { DELTA_RULE_EPS } from '../../../graph/ops/delta-rule.ts';
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_STRUCT } from '../../linear-shape.ts';
import { inverseRoot, range, unrolled } from '../../wgsl/expressions.ts';
import { keyHeadText, recordFloats, recordQuads, rowQuads, SEQUENCE_BINDINGS, stagedQuads } from './chunk-records.ts';
import type { DeltaChunkShape } from './chunk-records.ts';
import type { DeltaRuleVariant } from './delta-rule-variant.ts';

/** Bindings `qkv`, `rates`, `rowSequence`, `slots`, and a and b as of DeltaRuleVariant. Writes `records`. */
export interface DeltaChunkVariant extends DeltaChunkShape {
  readonly gates: DeltaRuleVariant['gates'];
  /** Columns of q and k that are staged at a time: a multiple of 4 that divides keyDim. */
  readonly depth: number;
}

const INVOCATIONS = 256;

/** How the tables [chunk, chunk] lie over invocations: four columns of some rows each. */
function tableOf({ chunk }: DeltaChunkVariant) {
  const columns = chunk / 4;
  const lanes = Math.min(INVOCATIONS, chunk * columns);
  return { columns, lanes, rowStep: lanes / columns, rows: (chunk * columns) / lanes };
}

/** `keyPlace(row)`: rows 4j + c lie behind each other by c, so that the lanes of one c read different banks. */
function stagingText(variant: DeltaChunkVariant): string {
  const { chunk, keyDim, depth } = variant;
  const { k, of } = rowQuads(variant);
  const [units, lanes, stride] = [depth / 4, INVOCATIONS / chunk, stagedQuads(depth)];
  const each = Math.ceil(units / lanes);
  const guarded = (u: number, body: string) =>
    (units % lanes === 0 ? body : `      if (part + ${u * lanes}u < ${units}u) {\n${body}\n      }`);
  return `    for (var slab = 0u; slab < ${keyDim / depth}u; slab++) {
      workgroupBarrier();
${unrolled(each, (u) => guarded(u, `        {
          let at = (first + min(ownRow, rows - 1u)) * ${of}u + keyHead * ${keyDim / 4}u + slab * ${units}u + part + ${u * lanes}u;
          let k = select(vec4<f32>(), qkv[at + ${k}u], ownRow < rows);
          let q = select(vec4<f32>(), qkv[at], ownRow < rows);
          squares += vec2<f32>(dot(k, k), dot(q, q));
          keys[keyPlace(ownRow) * ${stride}u + part + ${u * lanes}u] = k;
          queries[ownRow * ${stride}u + part + ${u * lanes}u] = q;
        }`))}
      workgroupBarrier();
${productsText(variant)}
    }`;
}

/** Adds a slab's products to `kk` and `qk`, four columns of each own row. */
function productsText(variant: DeltaChunkVariant): string {
  const { chunk, depth } = variant;
  const { lanes, rows, rowStep, columns } = tableOf(variant);
  const stride = stagedQuads(depth);
  const dots = (a: string) => `vec4<f32>(${range(4).map((c) => `dot(${a}, k${c})`).join(', ')})`;
  const body = `      for (var unit = 0u; unit < ${depth / 4}u; unit++) {
${unrolled(4, (c) => `        let k${c} = keys[(${(c * chunk) / 4}u + column) * ${stride}u + unit];`)}
${unrolled(rows, (u) => `        kk${u} += ${dots(`keys[keyPlace(tableRow + ${u * rowStep}u) * ${stride}u + unit]`)};
        qk${u} += ${dots(`queries[(tableRow + ${u * rowStep}u) * ${stride}u + unit]`)};`)}
      }`;
  return lanes === INVOCATIONS ? body : `      if (lane < ${chunk * columns}u) {\n${body}\n      }`;
}

/**
 * Factors of the rows, of which those past the sequence are 0. Logs are added up in two parts, whole numbers and the rest, so that what
 * little rows leave can be told after rows that leave nothing.
 */
function factorsText(variant: DeltaChunkVariant): string {
  const { chunk, keyDim, valueHeads, gates } = variant;
  const { factors, of } = recordQuads(variant);
  const lanes = INVOCATIONS / chunk;
  const gate = (name: 'a' | 'b') =>
    (gates === undefined ? `${name}[row * ${valueHeads}u + head]` : `gates[row * ${gates.of}u + ${gates[name]}u + head]`);
  return `    rowSquares[lane] = squares;
    workgroupBarrier();
    if (lane < ${chunk}u) {
      var own = vec2<f32>();
      for (var i = 0u; i < ${lanes}u; i++) { own += rowSquares[lane * ${lanes}u + i]; }
      let row = first + min(lane, rows - 1u);
      let dt = ${gate('a')} + rates[${valueHeads}u + head];
      let log1 = max(rates[head] * (max(dt, 0.0) + log(1.0 + exp(-abs(dt)))), ${LEAST_LOG});
      let beta = 1.0 / (1.0 + exp(min(-${gate('b')}, 80.0)));
      logs[lane] = select(0.0, log1, lane < rows);
      betas[lane] = select(0.0, beta, lane < rows);
      kFactors[lane] = ${inverseRoot(`(own.x + ${DELTA_RULE_EPS})`)};
      qFactors[lane] = ${inverseRoot(`(own.y + ${DELTA_RULE_EPS})`)} * ${keyDim ** -0.5};
    }
    workgroupBarrier();
    if (lane < ${chunk}u) {
      var sum = vec2<f32>();
      var last = vec2<f32>();
      for (var i = 0u; i < ${chunk}u; i++) {
        let whole = floor(logs[i]);
        last += vec2<f32>(whole, logs[i] - whole);
        if (i == lane) { sum = last; }
      }
      sums[lane] = sum;
      let left = last - sum;
      lefts[lane] = betas[lane] * kFactors[lane] * exp(sum.x + sum.y);
      if (lane < rows) {
        let at = ((first + lane) * ${valueHeads}u + head) * ${4 * of}u + ${4 * factors}u;
        records[at] = qFactors[lane] * exp(sum.x + sum.y);
        records[at + 1u] = kFactors[lane] * exp(left.x + left.y);
        records[at + 2u] = exp(last.x + last.y);
      }
    }
    workgroupBarrier();`;
}

/** A decay below exp(-60) leaves nothing that f32 would show beside what a row adds. */
const LEAST_LOG = -60;

/** A into workgroup memory, M into the records. */
function tablesText(variant: DeltaChunkVariant): string {
  const { chunk, valueHeads } = variant;
  const { columns, lanes, rows, rowStep } = tableOf(variant);
  const { scores, of } = recordQuads(variant);
  const body = unrolled(rows, (u) => `    {
      let i = tableRow + ${u * rowStep}u;
      let j = vec4<u32>(0u, 1u, 2u, 3u) + 4u * column;
${unrolled(4, (c) => `      let left${c} = sums[i] - sums[4u * column + ${c}u];`)}
      let fade = exp(min(vec4<f32>(${range(4).map((c) => `left${c}.x + left${c}.y`).join(', ')}), vec4<f32>()));
      let kFactor = fade * vec4<f32>(${range(4).map((c) => `kFactors[4u * column + ${c}u]`).join(', ')});
      corrections[i * ${columns}u + column] = select(vec4<f32>(), betas[i] * kFactors[i] * kFactor * kk${u}, j < vec4<u32>(i));
      if (i < rows) {
        let score = select(vec4<f32>(), qFactors[i] * kFactor * qk${u}, j <= vec4<u32>(i));
        let at = ((first + i) * ${valueHeads}u + head) * ${4 * of}u + ${4 * scores}u + 4u * column;
${unrolled(4, (c) => `        records[at + ${c}u] = score[${c}];`)}
      }
    }`);
  return `${lanes === INVOCATIONS ? body : `    if (lane < ${chunk * columns}u) {\n${body}\n    }`}\n    workgroupBarrier();`;
}

/** Forward substitution, a column an invocation: all of it in registers, four rows a vector. */
function solveText(variant: DeltaChunkVariant): string {
  const { chunk, keyDim, valueDim, valueHeads } = variant;
  const { k, v, of } = rowQuads(variant);
  const columns = keyDim + valueDim;
  const [name, row] = [(i: number) => `x${i >> 2}[${i & 3}]`, (i: number) => (i === 0 ? 'first' : `first + min(${i}u, rows - 1u)`)];
  const value = (i: number) => `valueOf((${row(i)}) * ${4 * of}u + at)`;
  const before = (i: number) => range((i + 3) >> 2).map((g) => `dot(corrections[${(i * chunk) / 4 + g}u], x${g})`).join(' + ');
  return `    for (var n = 0u; n < ${Math.ceil(columns / INVOCATIONS)}u; n++) {
      let column = n * ${INVOCATIONS}u + lane;
      if (column < ${columns}u) {
        let isKey = column < ${keyDim}u;
        let at = select(${4 * v}u + head * ${valueDim}u + column - ${keyDim}u, ${4 * k}u + keyHead * ${keyDim}u + column, isKey);
${unrolled(chunk / 4, (g) => `        var x${g} = vec4<f32>(${range(4).map((c) => value(4 * g + c)).join(', ')});`)}
${unrolled(chunk, (i) => `        ${name(i)} *= select(betas[${i}], lefts[${i}], isKey);`)}
${range(chunk - 1).map((i) => `        ${name(i + 1)} -= ${before(i + 1)};`).join('\n')}
        let to = (first * ${valueHeads}u + head) * ${recordFloats(variant)}u + column;
${unrolled(chunk, (i) => `        if (${i}u < rows) { records[to + ${i * valueHeads * recordFloats(variant)}u] = ${name(i)}; }`)}
      }
    }`;
}

function mainFunction(variant: DeltaChunkVariant): string {
  const { chunk, valueHeads } = variant;
  const { columns, rows } = tableOf(variant);
  return `fn keyPlace(row: u32) -> u32 { return (row & 3u) * ${chunk / 4}u + (row >> 2u); }
fn valueOf(at: u32) -> f32 { return qkv[at >> 2u][at & 3u]; }

/** Rows of a sequence from \`first\` on. */
fn solveChunk(first: u32, rows: u32, head: u32, lane: u32) {
    let keyHead = ${keyHeadText(variant)};
    let ownRow = lane / ${INVOCATIONS / chunk}u;
    let part = lane % ${INVOCATIONS / chunk}u;
    let tableRow = lane / ${columns}u;
    let column = lane % ${columns}u;
    var squares = vec2<f32>();
${unrolled(rows, (u) => `    var kk${u} = vec4<f32>();\n    var qk${u} = vec4<f32>();`)}
${stagingText(variant)}
${factorsText(variant)}
${tablesText(variant)}
${solveText(variant)}
}

@compute @workgroup_size(${INVOCATIONS})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let head = item % ${valueHeads}u;
  let end = min((item / ${valueHeads}u + 1u) * ${chunk}u, step.rows);
  // The chunks that begin in these rows: one, but for sequences shorter than a chunk.
  var row = item / ${valueHeads}u * ${chunk}u;
  while (row < end) {
    let place = slots[rowSequence[row]];
    let before = row - place.x;
    if (before % ${chunk}u == 0u) { solveChunk(row, min(${chunk}u, place.y - before), head, lane); }
    row = place.x + min((before / ${chunk}u + 1u) * ${chunk}u, place.y);
  }
}
`;
}

export function deltaChunkKernel(variant: DeltaChunkVariant): Kernel {
  const { keyHeads, valueHeads, keyDim, valueDim, chunk, gates, depth } = variant;
  if (keyDim % 4 !== 0 || valueDim % 4 !== 0 || keyDim % depth !== 0)
    throw new InputError(`a delta rule in chunks takes heads of multiples of 4; got ${keyDim} and ${valueDim}`);
  const read = (name: string, of = 'f32'): Binding => ({ name, access: 'read', type: `array<${of}>` });
  const bindings: readonly Binding[] = [
    read('qkv', 'vec4<f32>'), ...(gates === undefined ? [read('a'), read('b')] : [read('gates')]), read('rates'), ...SEQUENCE_BINDINGS,
    { name: 'records', access: 'write', type: 'array<f32>' },
  ];
  const rows = (name: string) => `var<workgroup> ${name}: array<f32, ${chunk}>;\n`;
  return {
    key: kernelKey('delta-chunk', { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap: variant.keyHeadMap, chunk, gates, depth }),
    label: `delta-chunk ${valueHeads} x [${valueDim}, ${keyDim}] ${chunk} rows`,
    wgsl: [
      kernelHeader(bindings, {}),
      `${STEP_STRUCT}\n`,
      `var<workgroup> keys: array<vec4<f32>, ${chunk * stagedQuads(depth)}>;\n`,
      `var<workgroup> queries: array<vec4<f32>, ${chunk * stagedQuads(depth)}>;\n`,
      `var<workgroup> corrections: array<vec4<f32>, ${(chunk * chunk) / 4}>;\n`,
      `var<workgroup> rowSquares: array<vec2<f32>, ${INVOCATIONS}>;\n`,
      `var<workgroup> sums: array<vec2<f32>, ${chunk}>;\n`,
      ...['logs', 'betas', 'kFactors', 'qFactors', 'lefts'].map(rows),
      mainFunction(variant),
    ].join(''),
    bindings,
    workgroupSize: INVOCATIONS,
    needs: {},
  };
}

export function deltaChunkWorkgroups({ valueHeads, chunk }: DeltaChunkShape, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil(rows / chunk) * valueHeads));
}
