/**
 * Decode attention without subgroups, for software adapters and browsers that have none: blocks of as many keys as there are
 * invocations; each scores one key for all heads, then each owns one chunk of one head and adds up values over a slice of the keys.
 */
import { LOWEST_MAX, queryScale, scoreText } from '../../attention-scores.ts';
import {
  attentionSizes,
  bringsKeys,
  cacheChunk,
  chunkOf,
  chunkQuads,
  dividedBy,
  headsText,
  headSource,
  remainderOf,
  valuesAfterKeys,
  turnOf,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import type { AttentionDecodeVariant, DecodeForm } from './attention-decode-variant.ts';

/** Ranges of a block's keys whose maxima are taken in parallel. */
const MAX_RANGES = 16;

interface Places {
  readonly variant: AttentionDecodeVariant;
  /** Chunks of values of all heads of the workgroup: what the invocations of a slice own. */
  readonly owned: number;
  /** Sets of invocations that share the keys of a block in the second half. */
  readonly slices: number;
  readonly heads: readonly number[];
  readonly w: readonly number[];
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const lines = (indices: readonly number[], text: (i: number) => string): string => indices.map(text).join('\n');

/** Whether there are invocations enough for every chunk of the heads, and for the ranges of their maxima. */
export function hasInvocationsFor({ shape, queryHeads, invocations }: AttentionDecodeVariant): boolean {
  const { key, value } = attentionSizes(shape);
  const least = Math.max(queryHeads * Math.max(value.chunks, MAX_RANGES), key.chunks);
  return least <= invocations && invocations % MAX_RANGES === 0;
}

/** @throws Error where they are not enough */
export function checkInvocations(variant: AttentionDecodeVariant): void {
  const { shape, queryHeads, invocations } = variant;
  if (hasInvocationsFor(variant)) return;
  throw new Error(
    `attention-decode: ${invocations} invocations are too few for ${queryHeads} of the heads ${headsText(shape)} at a time, ` +
      `or no multiple of ${MAX_RANGES}`,
  );
}

function placesOf(variant: AttentionDecodeVariant): Places {
  const { value, quadsOfChunk } = attentionSizes(variant.shape);
  const { queryHeads, invocations } = variant;
  const owned = queryHeads * value.chunks;
  return { variant, owned, slices: Math.floor(invocations / owned), heads: upTo(queryHeads), w: upTo(quadsOfChunk) };
}

export function invocationForm(variant: AttentionDecodeVariant): DecodeForm {
  const places = placesOf(variant);
  const { queryHeads, invocations } = variant;
  const { value: { paddedQuads } } = attentionSizes(variant.shape);
  const vectors = preparedVectors(variant) * vectorQuads(variant.shape);
  const merged = places.slices * queryHeads;
  return {
    memory: `var<workgroup> prepared: array<vec4<f32>, ${vectors}>;
var<workgroup> scores: array<f32, ${queryHeads * invocations}>;
var<workgroup> rangeMaxima: array<f32, ${queryHeads * MAX_RANGES}>;
var<workgroup> merged: array<vec4<f32>, ${merged * paddedQuads}>;
var<workgroup> weights: array<f32, ${merged}>;
var<workgroup> highest: array<f32, ${queryHeads}>;`,
    body: `${prepareText(places)}
${bringsKeys(variant.shape) ? `${cacheText(places)}\n` : ''}${blocksText(places)}
${mergeText(places)}`,
    slices: places.slices,
  };
}

/** Vectors of `prepared`: queries, then the new key and value where there are any. */
function preparedVectors({ shape, queryHeads }: AttentionDecodeVariant): number {
  return bringsKeys(shape) ? queryHeads + 2 : queryHeads;
}

/** Quads of a vector of `prepared`: queries, the new key and the new value lie in it, whichever is longer. */
function vectorQuads(shape: AttentionShape): number {
  const { key, value } = attentionSizes(shape);
  return Math.max(key.paddedQuads, value.paddedQuads);
}

/** Into `prepared` [queryHeads + 2][vectorQuads]: q of every head, scaled, then the new key and value as the cache will hold them. */
function prepareText({ variant }: Places): string {
  const { shape, queryHeads, invocations } = variant;
  const { key: { quads }, value } = attentionSizes(shape);
  const paddedQuads = vectorQuads(shape);
  const vectors = preparedVectors(variant) * paddedQuads;
  const isQuery = !bringsKeys(shape);
  const turn = turnOf(shape, 'position', 'row');
  const ownQuads = quads === value.quads || isQuery ? `${quads}u` : `select(${quads}u, ${value.quads}u, head > ${queryHeads}u)`;
  const factor = (name: 'q' | 'k', at: string) => (shape[name].norm ? `${name}Factor(${at})` : '1.0');
  const newValue = shape.v ? 'vQuad(valueFrom, quad, vFactor(valueFrom), position)' : `${headSource(shape, 'v')}[valueFrom + quad]`;
  const ofNew = ` else if (head == ${queryHeads}u) {
        x = kvRounded(kQuad(keyFrom, quad, ${factor('k', 'keyFrom')}, ${turn}));
      } else {
        x = kvRounded(${newValue});
      }`;
  return `  for (var n = 0u; n < ${Math.ceil(vectors / invocations)}u; n++) {
    let i = n * ${invocations}u + lane;
    let head = ${dividedBy('i', paddedQuads)};
    let quad = ${remainderOf('i', paddedQuads)};
    var x = vec4<f32>();
    if (quad < ${ownQuads}) {
      if (head < ${queryHeads}u) {
        let first = queryFrom + head * ${quads}u;
        x = qQuad(first, quad, ${factor('q', 'first')}, ${turn}) * ${queryScale(shape, 'position')};
      }${isQuery ? '' : ofNew}
    }
    if (i < ${vectors}u) { prepared[i] = x; }
  }
  workgroupBarrier();`;
}

function cacheText({ variant, w }: Places): string {
  const { shape, queryHeads } = variant;
  const { key: { chunks }, value, quadsOfChunk } = attentionSizes(shape);
  const quad = (vector: number, i: number) => `prepared[${vector * vectorQuads(shape) + i}u + lane * ${quadsOfChunk}u]`;
  if (chunks !== value.chunks) return unequalCacheText(shape, { w, quad, queryHeads });
  return `  if (writesCache && lane < ${chunks}u) {
    let at = keyAt(sequence, kvHead, position) + lane;
${lines(w, (i) => `    let key${i} = ${quad(queryHeads, i)};\n    let value${i} = ${quad(queryHeads + 1, i)};`)}
    kv[at] = ${chunkOf(shape, w.map((i) => `key${i}`))};
    kv[at + ${valuesAfterKeys(shape)}u] = ${chunkOf(shape, w.map((i) => `value${i}`))};
  }`;
}

interface CachePlaces extends Pick<Places, 'w'> {
  readonly queryHeads: number;
  /** WGSL expression of a lane's quad of a vector of `prepared`. */
  quad(vector: number, i: number): string;
}

/** The same where keys and values have different numbers of chunks. */
function unequalCacheText(shape: AttentionShape, { w, quad, queryHeads }: CachePlaces): string {
  const { key, value } = attentionSizes(shape);
  const store = ({ chunks }: typeof key, vector: number, offset: number) => `    if (lane < ${chunks}u) {
${lines(w, (i) => `      let quad${i} = ${quad(vector, i)};`)}
      kv[at + ${offset}u] = ${chunkOf(shape, w.map((i) => `quad${i}`))};
    }`;
  return `  if (writesCache) {
    let at = keyAt(sequence, kvHead, position) + lane;
${store(key, queryHeads, 0)}
${store(value, queryHeads + 1, valuesAfterKeys(shape))}
  }`;
}

/** The keys of a workgroup: those of the cache, then the new one where it is its own. */
function blocksText(places: Places): string {
  const { variant, heads, w, owned } = places;
  const { shape, invocations } = variant;
  const { value: { chunks } } = attentionSizes(shape);
  return `  let keys = ${bringsKeys(shape) ? 'select(cachedKeys, cachedKeys + 1u, hasNew)' : 'cachedKeys'};
  let slice = lane / ${owned}u;
  let ownHead = ${dividedBy(remainderOf('lane', owned), chunks)};
  let ownChunk = ${remainderOf(remainderOf('lane', owned), chunks)};
${lines(heads, (h) => `  var most${h} = ${LOWEST_MAX};`)}
  var weight = 0.0;
${lines(w, (i) => `  var y${i} = vec4<f32>();`)}
  let blocks = (keys + ${invocations - 1}u) / ${invocations}u;
  for (var block = 0u; block < blocks; block++) {
    let start = block * ${invocations}u;
    let here = min(keys - start, ${invocations}u);
    let cachedHere = min(cachedKeys - start, ${invocations}u);
${scoresText(places)}
    workgroupBarrier();
${weightsText(places)}
    workgroupBarrier();
${valuesText(places)}
    if (block + 1u < blocks) { workgroupBarrier(); }
  }`;
}

function scoresText({ variant, heads, w }: Places): string {
  const { shape, queryHeads, invocations } = variant;
  const { key: { chunks }, quadsOfChunk } = attentionSizes(shape);
  const paddedQuads = vectorQuads(shape);
  const add = (h: number, i: number, key: string) => `s${h} += dot(prepared[${h * paddedQuads + i}u + chunk * ${quadsOfChunk}u], ${key});`;
  const addKey = (i: number, quad: string) =>
    `          let key${i} = ${quad};\n          ${heads.map((h) => add(h, i, `key${i}`)).join(' ')}`;
  const ofCache = `let at = keyAt(sequence, kvHead, firstKey + start + lane);
        for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
          let stored = ${cacheChunk(shape, 'key', { at: 'at', chunk: 'chunk', plain: 'kv[at + chunk]' })};
${lines(w, (i) => addKey(i, chunkQuads(shape, 'stored')[i] as string))}
        }`;
  const ofEither = `if (lane < cachedHere) {
        ${ofCache}
      } else {
        for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
${lines(w, (i) => addKey(i, `prepared[${queryHeads * paddedQuads + i}u + chunk * ${quadsOfChunk}u]`))}
        }
      }`;
  return `    if (lane < here) {
${lines(heads, (h) => `      var s${h} = 0.0;`)}
      ${bringsKeys(shape) ? ofEither : ofCache}
${lines(heads, (h) => `      scores[${h * invocations}u + lane] = ${scoreText(shape, `s${h}`)};`)}
    }`;
}

/** Scores become weights against the maximum so far; the sums so far fade to it. */
function weightsText({ variant, heads, w }: Places): string {
  const { queryHeads, invocations } = variant;
  const range = invocations / MAX_RANGES;
  // [queryHeads][invocations]
  const score = `scores[(lane / ${MAX_RANGES}u) * ${invocations}u + i]`;
  return `    if (lane < ${queryHeads * MAX_RANGES}u) {
      let first = (lane & ${MAX_RANGES - 1}u) * ${range}u;
      var most = ${LOWEST_MAX};
      for (var i = first; i < min(first + ${range}u, here); i++) { most = max(most, ${score}); }
      rangeMaxima[lane] = most;
    }
    workgroupBarrier();
    var fade = 1.0;
${lines(heads, (h) => `    {
      var most = most${h};
      for (var i = 0u; i < ${MAX_RANGES}u; i++) { most = max(most, rangeMaxima[${h * MAX_RANGES}u + i]); }
      if (ownHead == ${h}u) { fade = exp2(most${h} - most); }
      most${h} = most;
      if (lane < here) { scores[${h * invocations}u + lane] = exp2(scores[${h * invocations}u + lane] - most); }
    }`)}
    weight *= fade;
${lines(w, (i) => `    y${i} *= fade;`)}`;
}

function valuesText({ variant, owned, slices, w }: Places): string {
  const { shape, queryHeads, invocations } = variant;
  const { quadsOfChunk } = attentionSizes(shape);
  const paddedQuads = vectorQuads(shape);
  const at = 'keyAt(sequence, kvHead, firstKey + start + i)';
  const plain = `kv[${at} + ${valuesAfterKeys(shape)}u + ownChunk]`;
  const ofCache = `let stored = ${cacheChunk(shape, 'value', { at, chunk: 'ownChunk', plain })};
${lines(w, (i) => `          y${i} += p * ${chunkQuads(shape, 'stored')[i]};`)}`;
  const ofEither = `if (i < cachedHere) {
          ${ofCache}
        } else {
${lines(w, (i) => `          y${i} += p * prepared[${(queryHeads + 1) * paddedQuads + i}u + ownChunk * ${quadsOfChunk}u];`)}
        }`;
  return `    if (lane < ${slices * owned}u) {
      let rounds = (here + ${slices - 1}u - slice) / ${slices}u;
      for (var n = 0u; n < rounds; n++) {
        let i = n * ${slices}u + slice;
        let p = scores[ownHead * ${invocations}u + i];
        weight += p;
        ${bringsKeys(shape) ? ofEither : ofCache}
      }
    }`;
}

function mergeText({ variant, owned, slices, heads, w }: Places): string {
  const { queryHeads, shape } = variant;
  const { value: { paddedQuads }, quadsOfChunk } = attentionSizes(shape);
  return `  if (lane < ${slices * owned}u) {
    let at = slice * ${queryHeads}u + ownHead;
${lines(w, (i) => `    merged[at * ${paddedQuads}u + ownChunk * ${quadsOfChunk}u + ${i}u] = y${i};`)}
    if (ownChunk == 0u) { weights[at] = weight; }
  }
  if (lane == 0u) {
${lines(heads, (h) => `    highest[${h}u] = most${h};`)}
  }
  workgroupBarrier();`;
}
