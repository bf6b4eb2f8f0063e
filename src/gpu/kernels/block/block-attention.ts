/**
 * WGSL of attention between the products of a block, over so few positions that every workgroup has all keys of its key head: norm and
 * rotation of q and k, softmax(q k^T scale) v, and the new key and value into the cache, which one workgroup a key head writes.
 * - `fn fetchSeen(position: u32, lane: u32, place: u32...)` reads the keys and values of the positions before, as early as may be.
 * - `fn attend(own: u32, row: u32, lane: u32)` makes `mid` of `made`.
 */
import { queryScale } from '../../attention-scores.ts';
import { attentionSizes, chunkOf, chunkQuads, kvFunctions, kvRounding, valuesAfterKeys } from '../../attention-shape.ts';
import type { Binding } from '../../kernel.ts';
import { kvBinding, ROW_BINDINGS } from '../../attention-shape.ts';
import { range } from '../../wgsl/expressions.ts';
import { headPreparationFunctions } from '../../wgsl/head-preparation.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';
import type { BlockMiddle } from './block-variant.ts';

export type AttentionMiddle = Extract<BlockMiddle, { readonly kind: 'attention' }>;

export interface BlockAttention {
  readonly middle: AttentionMiddle;
  readonly width: number;
  readonly invocations: number;
}

export function attentionBindings({ shape }: AttentionMiddle): readonly Binding[] {
  const rope: Binding = { name: 'rope', access: 'read', type: 'array<vec2<f32>>' };
  return [...(shape.q.rotaryDim > 0 || shape.k.rotaryDim > 0 ? [rope] : []), ...ROW_BINDINGS, kvBinding(shape, 'write')];
}

/** Quads of the gain of x, of q's heads and of k's, as they follow each other in `gains`. */
function gainsOf({ middle: { shape }, width }: BlockAttention) {
  const first = width / 4;
  const key = first + (shape.q.norm ? shape.keyDim / 4 : 0);
  return { q: { binding: 'gains', first }, k: { binding: 'gains', first: key } };
}

export function attentionText(block: BlockAttention): string {
  const { middle: { shape, queryHeads, keys } } = block;
  const { key, value } = attentionSizes(shape);
  const gains = gainsOf(block);
  const head = (name: 'q' | 'k') =>
    headPreparationFunctions({ ...shape[name], name, source: 'made', headDim: shape.keyDim, gains: gains[name] });
  return `var<workgroup> queries: array<vec4<f32>, ${queryHeads * key.quads}>;
var<workgroup> seen: array<vec4<f32>, ${keys * (key.quads + value.quads)}>;
var<workgroup> scores: array<f32, ${queryHeads * keys}>;
${head('q')}
${head('k')}
${kvFunctions(shape)}
${kvRounding(shape)}
${fetchFunction(block)}
${attendFunction(block)}`;
}

/** [key][quads of the key, then of the value]; a lane a chunk of the cache. */
function fetchFunction({ middle: { shape, keys }, invocations }: BlockAttention): string {
  const { key, value, quadsOfChunk } = attentionSizes(shape);
  const chunks = key.chunks + value.chunks;
  const quads = key.quads + value.quads;
  const stores = chunkQuads(shape, 'read').map((quad, i) => `seen[n * ${quads}u + chunk * ${quadsOfChunk}u + ${i}u] = ${quad};`);
  return `fn fetchSeen(sequence: u32, kvHead: u32, position: u32, lane: u32) {
${laneLoop(keys * chunks, invocations, `    let n = k / ${chunks}u;
    let chunk = k % ${chunks}u;
    if (n < position) {
      let read = kv[keyAt(sequence, kvHead, n) + ${chunkPlace(shape)}];
      ${stores.join('\n      ')}
    }`)}
}`;
}

/** WGSL expression of a chunk's place behind a key's first, `chunk` being its number among those of key and value. */
function chunkPlace(shape: AttentionMiddle['shape']): string {
  const { key } = attentionSizes(shape);
  const after = valuesAfterKeys(shape) - key.chunks;
  return after === 0 ? 'chunk' : `select(chunk, chunk + ${after}u, chunk >= ${key.chunks}u)`;
}

function attendFunction({ middle: { shape, queryHeads, keys }, invocations }: BlockAttention): string {
  const { group, key, value } = attentionSizes(shape);
  const quads = key.quads + value.quads;
  const queries = queryHeads * key.quads;
  const factor = (name: 'q' | 'k', at: string) => (shape[name].norm ? `${name}Factor(${at})` : '1.0');
  const prepare = `    if (k < ${queries}u) {
      let first = k / ${key.quads}u * ${key.quads}u;
      queries[k] = qQuad(first, k - first, ${factor('q', 'first')}, position) * ${queryScale(shape, 'position')};
    } else {
      let own = k - ${queries}u;
      var quad = made[k];
      if (own < ${key.quads}u) { quad = kQuad(${queries}u, own, ${factor('k', `${queries}u`)}, position); }
      seen[position * ${quads}u + own] = kvRounded(quad);
    }`;
  const score = `    let head = k / ${keys}u;
    let n = k % ${keys}u;
    if (n <= position) {
      var score = 0.0;
      for (var j = 0u; j < ${key.quads}u; j++) { score += dot(queries[head * ${key.quads}u + j], seen[n * ${quads}u + j]); }
      scores[k] = score;
    }`;
  const sum = `    let head = k / ${value.quads}u;
    let quad = k % ${value.quads}u;
    var most = scores[head * ${keys}u];
    for (var n = 1u; n <= position; n++) { most = max(most, scores[head * ${keys}u + n]); }
    var total = vec4<f32>();
    var weights = 0.0;
    for (var n = 0u; n <= position; n++) {
      let weight = exp2(scores[head * ${keys}u + n] - most);
      weights += weight;
      total += weight * seen[n * ${quads}u + ${key.quads}u + quad];
    }
    mid[k] = total / weights;`;
  return `fn attend(sequence: u32, kvHead: u32, own: u32, position: u32, lane: u32) {
${laneLoop(queries + quads, invocations, prepare)}
  workgroupBarrier();
  if (own % ${group / queryHeads}u == 0u) {
    let at = keyAt(sequence, kvHead, position);
${writeText(shape, invocations)}
  }
${laneLoop(queryHeads * keys, invocations, score)}
  workgroupBarrier();
${laneLoop(queryHeads * value.quads, invocations, sum)}
  workgroupBarrier();
}`;
}

function writeText(shape: AttentionMiddle['shape'], invocations: number): string {
  const { key, value, quadsOfChunk } = attentionSizes(shape);
  const names = range(quadsOfChunk).map((i) => `quad${i}`);
  const reads = names.map((name, i) => `let ${name} = seen[position * ${key.quads + value.quads}u + k * ${quadsOfChunk}u + ${i}u];`);
  return laneLoop(key.chunks + value.chunks, invocations, `    let chunk = k;
    ${reads.join('\n    ')}
    kv[at + ${chunkPlace(shape)}] = ${chunkOf(shape, names)};`);
}
