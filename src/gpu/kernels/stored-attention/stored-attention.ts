/**
 * Every row over the keys of its sequence's memory, which lie in pages: all of them, whatever its position (Vaswani et al. 2017; running
 * softmax: Milakov and Gimelshein 2018). A workgroup takes one head of one row: its invocations score a tile of keys, one each, then add
 * up the tile's values, each some chunks of the head's.
 */
import { LOWEST_MAX, MASKED_SCORE, queryScale, scoreFunctions, scoreText, sinkBindings, sinkScore } from '../../attention-scores.ts';
import {
  PAGE_TABLE,
  attentionSizes,
  cacheChunk,
  chunkQuads,
  dividedBy,
  headsText,
  kvBinding,
  kvFunctions,
  kvText,
  valuesAfterKeys,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { range } from '../../wgsl/expressions.ts';

/**
 * Bindings `q` f32 [rows, heads * keyDim], `rowSequence`, `pageTable`, `kv`, `memory` u32 [sequences], how many keys each has, `sinks`;
 * out `y` f32 [rows, heads * valueDim]. Of the shape neither norms, nor rotation, nor what rows see of each other counts.
 */
export interface StoredAttentionVariant extends RowsVariant {
  readonly shape: AttentionShape;
  /** Of a workgroup, and keys of a tile. A power of two. */
  readonly invocations: number;
}

function keyOf({ shape, invocations, single }: StoredAttentionVariant): string {
  const { heads, kvHeads, keyDim, valueDim, scale, softcap, sinks, kv, valueKv, pageTokens, maxPages } = shape;
  const own = { heads, kvHeads, keyDim, valueDim, scale, softcap, sinks, kv, valueKv, pageTokens, maxPages, invocations, single };
  return kernelKey('stored-attention', own);
}

/** Into `query` [key.paddedQuads]: q of the head number `vector` of all rows' heads, scaled, zeros in the pad. */
export function queryText({ shape, invocations }: StoredAttentionVariant, vector: string): string {
  const { key } = attentionSizes(shape);
  return `  for (var i = lane; i < ${key.paddedQuads}u; i += ${invocations}u) {
    var x = vec4<f32>();
    if (i < ${key.quads}u) { x = q[${vector} * ${key.quads}u + i] * ${queryScale({ ...shape, temperature: undefined }, '')}; }
    query[i] = x;
  }`;
}

/** The score of an invocation's key. */
export function keyScoreText({ shape }: StoredAttentionVariant): string {
  const { key, quadsOfChunk } = attentionSizes(shape);
  const quads = chunkQuads(shape, 'stored');
  const dots = quads.map((quad, i) => `dot(query[chunk * ${quadsOfChunk}u + ${i}u], ${quad})`).join(' + ');
  return `    var score = ${MASKED_SCORE};
    if (first + lane < keys) {
      let at = keyAt(sequence, kvHead, first + lane);
      score = 0.0;
      for (var chunk = 0u; chunk < ${key.chunks}u; chunk++) {
        let stored = ${cacheChunk(shape, 'key', { at: 'at', chunk: 'chunk', plain: 'kv[at + chunk]' })};
        score += ${dots};
      }${shape.softcap === undefined ? '' : `\n      score = ${scoreText(shape, 'score')};`}
    }`;
}

/** [invocations] scores, halved to their maximum, then as weights against the best so far. */
function weightsText({ invocations }: StoredAttentionVariant): string {
  return `    scores[lane] = score;
    workgroupBarrier();
    for (var width = ${invocations / 2}u; width > 0u; width >>= 1u) {
      if (lane < width) { scores[lane] = max(scores[lane], scores[lane + width]); }
      workgroupBarrier();
    }
    let next = max(best, scores[0]);
    workgroupBarrier();
    let fade = exp2(best - next);
    best = next;
    scores[lane] = exp2(score - best);
    workgroupBarrier();`;
}

/** An invocation's chunks of the sum over the tile's values. */
function valuesText({ shape, invocations }: StoredAttentionVariant): string {
  const { value, quadsOfChunk } = attentionSizes(shape);
  const each = range(quadsOfChunk);
  const at = 'keyAt(sequence, kvHead, first + i)';
  const lines = (text: (i: number) => string) => each.map(text).join('\n');
  return `    let count = min(keys - first, ${invocations}u);
    total *= fade;
    for (var i = 0u; i < count; i++) { total += scores[i]; }
    for (var chunk = lane; chunk < ${value.chunks}u; chunk += ${invocations}u) {
${lines((i) => `      var y${i} = sums[chunk * ${quadsOfChunk}u + ${i}u] * fade;`)}
      for (var i = 0u; i < count; i++) {
        let stored = ${cacheChunk(shape, 'value', { at, chunk: 'chunk', plain: `kv[${at} + ${valuesAfterKeys(shape)}u + chunk]` })};
${lines((i) => `        y${i} += scores[i] * ${chunkQuads(shape, 'stored')[i]};`)}
      }
${lines((i) => `      sums[chunk * ${quadsOfChunk}u + ${i}u] = y${i};`)}
    }
    workgroupBarrier();`;
}

export function storedAttentionKernel(variant: StoredAttentionVariant): Kernel {
  const { shape, invocations } = variant;
  const { group, key, value } = attentionSizes(shape);
  const read = (name: string, type: string): Binding => ({ name, access: 'read', type });
  const bindings: readonly Binding[] = [
    read('q', 'array<vec4<f32>>'), read('rowSequence', 'array<u32>'),
    read('memory', 'array<u32>'), PAGE_TABLE, kvBinding(shape, 'read'), ...sinkBindings(shape),
    { name: 'y', access: 'write', type: 'array<vec4<f32>>' }, ...stepBindings(variant),
  ];
  const wgsl = `${kernelHeader(bindings, {})}${stepStruct(variant)}
${kvFunctions(shape)}
${scoreFunctions(shape, 'f32')}var<workgroup> query: array<vec4<f32>, ${key.paddedQuads}>;
var<workgroup> sums: array<vec4<f32>, ${value.paddedQuads}>;
var<workgroup> scores: array<f32, ${invocations}>;
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  if (item >= ${rowsExpression(variant)} * ${shape.heads}u) { return; }
  let sequence = rowSequence[item / ${shape.heads}u];
  let kvHead = ${dividedBy(`(item % ${shape.heads}u)`, group)};
  let keys = memory[sequence];
  var best = ${shape.sinks ? sinkScore(`item % ${shape.heads}u`) : LOWEST_MAX};
  var total = ${shape.sinks ? '1.0' : '0.0'};
${queryText(variant, 'item')}
  for (var i = lane; i < ${value.paddedQuads}u; i += ${invocations}u) { sums[i] = vec4<f32>(); }
  workgroupBarrier();
  for (var first = 0u; first < keys; first += ${invocations}u) {
${keyScoreText(variant)}
${weightsText(variant)}
${valuesText(variant)}
  }
  for (var i = lane; i < ${value.quads}u; i += ${invocations}u) { y[item * ${value.quads}u + i] = sums[i] / total; }
}
`;
  return {
    key: keyOf(variant),
    label: `stored-attention ${kvText(shape)} [${headsText(shape)}]`,
    wgsl,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function storedAttentionWorkgroups(variant: StoredAttentionVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows) * variant.shape.heads));
}
