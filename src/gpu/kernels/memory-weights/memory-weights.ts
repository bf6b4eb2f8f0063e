/**
 * The weights of attention over a memory, of some heads: softmax over all keys of the row's sequence. A workgroup takes one head of one
 * row: its invocations score keys, one each at a time, and keep what they scored in the result until maximum and sum are known.
 */
import { LOWEST_MAX, MASKED_SCORE } from '../../attention-scores.ts';
import { PAGE_TABLE, attentionSizes, dividedBy, headsText, kvBinding, kvFunctions, kvText } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { keyScoreText, queryText } from '../stored-attention/stored-attention.ts';

/**
 * Bindings `q` f32 [rows, heads * keyDim], `rowSequence`, `pageTable`, `kv`, `memory` u32 [sequences], how many keys each has;
 * out `y` f32 [rows, taken.length * positions]. Of the shape counts what scores are made of.
 */
export interface MemoryWeightsVariant extends RowsVariant {
  readonly shape: AttentionShape;
  /** Heads of q. */
  readonly taken: readonly number[];
  readonly positions: number;
  /** Of a workgroup. A power of two. */
  readonly invocations: number;
}

function keyOf({ shape, taken, positions, invocations, single }: MemoryWeightsVariant): string {
  const { heads, kvHeads, keyDim, valueDim, scale, kv, valueKv, pageTokens, maxPages } = shape;
  const cache = { kvHeads, keyDim, valueDim, kv, valueKv, pageTokens, maxPages };
  return kernelKey('memory-weights', { heads, scale, ...cache, taken: taken.join(','), positions, invocations, single });
}

/** `own` of every invocation to `shared[0]`, by `join` of two of them. */
function joinedText(invocations: number, own: string, join: (a: string, b: string) => string): string {
  return `  shared_[lane] = ${own};
  workgroupBarrier();
  for (var width = ${invocations / 2}u; width > 0u; width >>= 1u) {
    if (lane < width) { shared_[lane] = ${join('shared_[lane]', 'shared_[lane + width]')}; }
    workgroupBarrier();
  }`;
}

export function memoryWeightsKernel(variant: MemoryWeightsVariant): Kernel {
  const { shape, taken, positions, invocations } = variant;
  const { group, key } = attentionSizes(shape);
  const read = (name: string, type: string): Binding => ({ name, access: 'read', type });
  const bindings: readonly Binding[] = [
    read('q', 'array<vec4<f32>>'), read('rowSequence', 'array<u32>'), read('memory', 'array<u32>'), PAGE_TABLE, kvBinding(shape, 'read'),
    { name: 'y', access: 'write', type: 'array<f32>' }, ...stepBindings(variant),
  ];
  const scored = { ...variant, shape: { ...shape, softcap: undefined, sinks: undefined } };
  const each = `for (var at = lane; at < keys; at += ${invocations}u)`;
  const wgsl = `${kernelHeader(bindings, {})}${stepStruct(variant)}
${kvFunctions(shape)}
var<workgroup> query: array<vec4<f32>, ${key.paddedQuads}>;
var<workgroup> shared_: array<f32, ${invocations}>;
const TAKEN = array<u32, ${taken.length}>(${taken.map((head) => `${head}u`).join(', ')});
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  if (item >= ${rowsExpression(variant)} * ${taken.length}u) { return; }
  let row = item / ${taken.length}u;
  let index = item % ${taken.length}u;
  var taken = TAKEN;
  let head = taken[index];
  let sequence = rowSequence[row];
  let kvHead = ${dividedBy('head', group)};
  let keys = min(memory[sequence], ${positions}u);
  let to = item * ${positions}u;
${queryText(scored, `(row * ${shape.heads}u + head)`)}
  workgroupBarrier();
  var best = ${LOWEST_MAX};
  for (var first = 0u; first < keys; first += ${invocations}u) {
${keyScoreText(scored)}
    if (first + lane < keys) { y[to + first + lane] = score; }
    best = max(best, max(score, ${MASKED_SCORE}));
  }
${joinedText(invocations, 'best', (a, b) => `max(${a}, ${b})`)}
  best = shared_[0];
  workgroupBarrier();
  var total = 0.0;
  ${each} {
    let weight = exp2(y[to + at] - best);
    y[to + at] = weight;
    total += weight;
  }
${joinedText(invocations, 'total', (a, b) => `${a} + ${b}`)}
  total = shared_[0];
  ${each} { y[to + at] /= total; }
  for (var at = keys + lane; at < ${positions}u; at += ${invocations}u) { y[to + at] = 0.0; }
}
`;
  return {
    key: keyOf(variant),
    label: `memory-weights ${kvText(shape)} [${headsText(shape)}]`,
    wgsl,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function memoryWeightsWorkgroups(variant: MemoryWeightsVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows) * variant.taken.length));
}
