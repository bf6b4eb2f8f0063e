/**
 * Every row of q over all rows of k and v, without a mask (Vaswani et al. 2017). A workgroup takes one head of one row: its invocations
 * score a tile of keys, one each, then add up the tile's values, each some of the head's; the softmax streams from tile to tile.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_STRUCT } from '../../linear-shape.ts';

/**
 * Bindings `q` f32 [rows, heads * keyDim], `k` f32 [keys, kvHeads * keyDim], `v` f32 [keys, kvHeads * valueDim], `y` f32
 * [rows, heads * valueDim].
 */
export interface FullAttentionVariant {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly scale: number;
  /** Of a workgroup, and keys of a tile. A power of two. */
  readonly invocations: number;
}

function mainFunction({ heads, kvHeads, keyDim, valueDim, scale, invocations }: FullAttentionVariant): string {
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  if (item >= step.rows * ${heads}u) { return; }
  let row = item / ${heads}u;
  let head = item % ${heads}u;
  let kvHead = head / ${heads / kvHeads}u;
  let query = (row * ${heads}u + head) * ${keyDim}u;
  let output = (row * ${heads}u + head) * ${valueDim}u;
  for (var i = lane; i < ${valueDim}u; i += ${invocations}u) { sums[i] = 0.0; }
  var best = -3.4e38;
  var total = 0.0;
  for (var first = 0u; first < keys.rows; first += ${invocations}u) {
    let key = first + lane;
    var score = -3.4e38;
    if (key < keys.rows) {
      let at = (key * ${kvHeads}u + kvHead) * ${keyDim}u;
      score = 0.0;
      for (var i = 0u; i < ${keyDim}u; i++) { score += q[query + i] * k[at + i]; }
      score *= ${scale};
    }
    // [invocations] scores, halved to their maximum.
    scores[lane] = score;
    workgroupBarrier();
    for (var width = ${invocations / 2}u; width > 0u; width >>= 1u) {
      if (lane < width) { scores[lane] = max(scores[lane], scores[lane + width]); }
      workgroupBarrier();
    }
    let now = max(best, scores[0]);
    workgroupBarrier();
    let kept = exp(max(best - now, -80.0)) * select(0.0, 1.0, first > 0u);
    best = now;
    // [invocations] weights of the tile's keys against the best so far.
    scores[lane] = select(0.0, exp(max(score - best, -80.0)), key < keys.rows);
    workgroupBarrier();
    let count = min(keys.rows - first, ${invocations}u);
    total *= kept;
    for (var i = 0u; i < count; i++) { total += scores[i]; }
    for (var i = lane; i < ${valueDim}u; i += ${invocations}u) {
      var sum = sums[i] * kept;
      for (var j = 0u; j < count; j++) { sum += scores[j] * v[((first + j) * ${kvHeads}u + kvHead) * ${valueDim}u + i]; }
      sums[i] = sum;
    }
    workgroupBarrier();
  }
  for (var i = lane; i < ${valueDim}u; i += ${invocations}u) { y[output + i] = select(0.0, sums[i] / total, keys.rows > 0u); }
}
`;
}

export function fullAttentionKernel(variant: FullAttentionVariant): Kernel {
  const { heads, kvHeads, keyDim, valueDim, invocations } = variant;
  const read = (name: string): Binding => ({ name, access: 'read', type: 'array<f32>' });
  const bindings: readonly Binding[] = [
    read('q'), read('k'), read('v'), { name: 'y', access: 'write', type: 'array<f32>' },
    { name: 'step', access: 'uniform', type: 'Step' }, { name: 'keys', access: 'uniform', type: 'Step' },
  ];
  const memory = `var<workgroup> scores: array<f32, ${invocations}>;\nvar<workgroup> sums: array<f32, ${valueDim}>;\n`;
  return {
    key: kernelKey('full-attention', variant),
    label: `full-attention [${heads}/${kvHeads} x ${keyDim}, ${valueDim}]`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}\n${memory}${mainFunction(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function fullAttentionWorkgroups({ heads }: FullAttentionVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rows * heads));
}
