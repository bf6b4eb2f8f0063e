/**
 * Every row of q over all rows of k and v, without a mask (Vaswani et al. 2017). A workgroup takes one head of some rows, which share every
 * tile of keys and values that it reads; several invocations take a row: each scores some keys of a tile, then adds up some of the values.
 * The softmax streams from tile to tile. With distances row i looks at row j by row `rows - 1 - i + j` of p too (Dai et al. 2019).
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_STRUCT } from '../../linear-shape.ts';
import { lanesOfWidth } from '../../wgsl/row-pieces.ts';

/**
 * Bindings `q` f32 [rows, heads * keyDim], `k` f32 [keys, kvHeads * keyDim], `v` f32 [keys, kvHeads * valueDim], `y` f32
 * [rows, heads * valueDim]. By distance also `p` f32 [2 * rows - 1, heads * keyDim], `contentBias` and `positionBias` f32 [heads * keyDim].
 */
export interface FullAttentionVariant {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly scale: number;
  /** True: what {@link relativeAttention} of the graph is, with as many keys as rows and key heads as heads. */
  readonly byDistance?: boolean | undefined;
  /** Of a workgroup. A power of two from 16 on. */
  readonly invocations: number;
}

/** Workgroup memory of queries, and of a tile of keys and values: together within what every device has. */
const QUERY_BYTES = 4096;
const TILE_BYTES = 9216;
const MOST_ROWS = 16;
const MOST_KEYS = 32;

interface Tile {
  /** Rows of a workgroup, and keys of a tile. */
  readonly rows: number;
  readonly keys: number;
  /** Invocations of a row. */
  readonly lanes: number;
  /** Values that are read at a time, and how many times a key or a value takes. */
  readonly type: string;
  readonly keyPieces: number;
  readonly valuePieces: number;
}

/** The largest power of two up to `most` of which each takes `bytes`, at least 1. */
function fitting(most: number, bytes: number, room: number): number {
  let count = most;
  while (count > 1 && count * bytes > room) count /= 2;
  return count;
}

function tileOf({ keyDim, valueDim, invocations }: FullAttentionVariant): Tile {
  const quads = lanesOfWidth(keyDim).values === 4 && lanesOfWidth(valueDim).values === 4;
  const rows = fitting(Math.min(MOST_ROWS, invocations), 4 * keyDim, QUERY_BYTES);
  const keys = fitting(MOST_KEYS, 4 * (keyDim + valueDim), TILE_BYTES);
  const values = quads ? 4 : 1;
  return {
    rows, keys, lanes: invocations / rows, type: quads ? 'vec4<f32>' : 'f32', keyPieces: keyDim / values, valuePieces: valueDim / values,
  };
}

/** WGSL that adds what a row has to do with key j to `sum`: pieces of the query times those of the key, and of the distance. */
function scoreText(variant: FullAttentionVariant): string {
  const { heads, byDistance } = variant;
  const { type, keyPieces } = tileOf(variant);
  const times = (a: string, b: string) => (type === 'f32' ? `${a} * ${b}` : `dot(${a}, ${b})`);
  const parts = `let a = queries[own * ${keyPieces}u + d];
          let b = tileKeys[j * ${keyPieces}u + d];`;
  if (!byDistance) return `for (var d = 0u; d < ${keyPieces}u; d++) {
          ${parts}
          sum += ${times('a', 'b')};
        }`;
  // Rows and keys past the last are of no account, and read what the last ones read.
  return `let distance = step.rows - 1u - min(firstRow + own, step.rows - 1u) + min(first + j, keys.rows - 1u);
        for (var d = 0u; d < ${keyPieces}u; d++) {
          ${parts}
          let bias = head * ${keyPieces}u + d;
          let far = p[(distance * ${heads}u + head) * ${keyPieces}u + d];
          sum += ${times('(a + contentBias[bias])', 'b')} + ${times('(a + positionBias[bias])', 'far')};
        }`;
}

interface Load {
  readonly to: string;
  readonly from: string;
  readonly count: number;
  readonly pieces: number;
  /** WGSL: how many rows there are, and the first one wanted. */
  readonly rows: string;
  readonly first: string;
  /** Heads of a row, and WGSL of the one wanted. */
  readonly stride: number;
  readonly head: string;
  readonly invocations: number;
  readonly type: string;
}

/** Statements that fill `to` [count, pieces] from rows of a head, zeros past the last of them. */
function loadText({ to, from, count, pieces, rows, first, stride, head, invocations, type }: Load): string {
  return `  for (var i = lane; i < ${count * pieces}u; i += ${invocations}u) {
    let at = ${first} + i / ${pieces}u;
    var value = ${type}(0.0);
    if (at < ${rows}) { value = ${from}[(at * ${stride}u + ${head}) * ${pieces}u + i % ${pieces}u]; }
    ${to}[i] = value;
  }`;
}

/** Statements for those `j` of `most` that are an invocation's own among `lanes` of a row, at most `count`, the i-th of which is `j`. */
function eachText({ count, most, lanes, body }: Record<'count' | 'most' | 'lanes', number> & { readonly body: string }): string {
  return `    for (var i = 0u; i < ${count}u; i++) {
      let j = i * ${lanes}u + part;
      if (j < ${most}u) { ${body} }
    }`;
}

function mainFunction(variant: FullAttentionVariant): string {
  const { heads, kvHeads, scale, invocations } = variant;
  const { rows, keys, lanes, type, keyPieces, valuePieces } = tileOf(variant);
  const [own, parts] = [Math.ceil(keys / lanes), Math.ceil(valuePieces / lanes)];
  const load = (of: Omit<Load, 'invocations' | 'type'>) => loadText({ ...of, invocations, type });
  const tile = { count: keys, rows: 'keys.rows', first: 'first', stride: kvHeads, head: 'kvHead' };
  const each = (count: number, most: number, body: string) => eachText({ count, most, lanes, body });
  return `var<workgroup> queries: array<${type}, ${rows * keyPieces}>;
var<workgroup> tileKeys: array<${type}, ${keys * keyPieces}>;
var<workgroup> tileValues: array<${type}, ${keys * valuePieces}>;
var<workgroup> scores: array<f32, ${rows * keys}>;
var<workgroup> weights: array<f32, ${rows * keys}>;
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let head = item % ${heads}u;
  let firstRow = (item / ${heads}u) * ${rows}u;
  if (firstRow >= step.rows) { return; }
  let kvHead = head / ${heads / kvHeads}u;
  let own = lane / ${lanes}u;
  let part = lane % ${lanes}u;
${load({ to: 'queries', from: 'q', count: rows, pieces: keyPieces, rows: 'step.rows', first: 'firstRow', stride: heads, head: 'head' })}
  var sums: array<${type}, ${parts}>;
  var best = -3.4e38;
  var total = 0.0;
  for (var first = 0u; first < keys.rows; first += ${keys}u) {
    workgroupBarrier();
${load({ ...tile, to: 'tileKeys', from: 'k', pieces: keyPieces })}
${load({ ...tile, to: 'tileValues', from: 'v', pieces: valuePieces })}
    workgroupBarrier();
    let count = min(keys.rows - first, ${keys}u);
    var mine: array<f32, ${own}>;
${each(own, keys, `var sum = 0.0;
        ${scoreText(variant)}
        mine[i] = select(-3.4e38, sum * ${scale}, j < count);
        scores[own * ${keys}u + j] = mine[i];`)}
    workgroupBarrier();
    var now = best;
    for (var j = 0u; j < ${keys}u; j++) { now = max(now, scores[own * ${keys}u + j]); }
    let kept = exp(max(best - now, -80.0)) * select(0.0, 1.0, first > 0u);
    best = now;
${each(own, keys, `weights[own * ${keys}u + j] = select(0.0, exp(max(mine[i] - best, -80.0)), j < count);`)}
    workgroupBarrier();
    total *= kept;
    for (var i = 0u; i < ${parts}u; i++) { sums[i] *= kept; }
    for (var j = 0u; j < ${keys}u; j++) {
      let weight = weights[own * ${keys}u + j];
      total += weight;
      for (var i = 0u; i < ${parts}u; i++) {
        sums[i] += weight * tileValues[j * ${valuePieces}u + min(i * ${lanes}u + part, ${valuePieces - 1}u)];
      }
    }
  }
  let row = firstRow + own;
  if (row >= step.rows) { return; }
${each(parts, valuePieces, `y[(row * ${heads}u + head) * ${valuePieces}u + j] = select(${type}(0.0), sums[i] / total, keys.rows > 0u);`)}
}
`;
}

export function fullAttentionKernel(variant: FullAttentionVariant): Kernel {
  const { heads, kvHeads, keyDim, valueDim, invocations, byDistance } = variant;
  const { type } = tileOf(variant);
  const read = (name: string): Binding => ({ name, access: 'read', type: `array<${type}>` });
  const bindings: readonly Binding[] = [
    read('q'), read('k'), read('v'), ...(byDistance ? [read('p'), read('contentBias'), read('positionBias')] : []),
    { name: 'y', access: 'write', type: `array<${type}>` }, { name: 'step', access: 'uniform', type: 'Step' },
    { name: 'keys', access: 'uniform', type: 'Step' },
  ];
  return {
    key: kernelKey('full-attention', variant),
    label: `${byDistance ? 'relative' : 'full'}-attention [${heads}/${kvHeads} x ${keyDim}, ${valueDim}]`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}\n${mainFunction(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function fullAttentionWorkgroups(variant: FullAttentionVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil(rows / tileOf(variant).rows) * variant.heads));
}
