/**
 * Attention over pages with a streaming softmax (Milakov and Gimelshein 2018; Dao et al. 2022).
 * A work item is one tile of rows of a sequence and one key head: keys and values are read once for all query heads
 * that share them. Offsets of the op record are mirrored in program-writer.ts, those of a tile in attention-tiles.ts.
 */
import { addHalves, QUERY_FACTOR, scoreHalves, SUM_FACTOR, WEIGHT_FACTOR } from './attention-halves';
import { addValues } from './attention-values';
import { SCORE_STRIDE, TILE_KEYS, tileScores } from './attention-scores';
import { AttentionWork } from './attention-work';
import { scaleRow, softcapRow } from './elementwise';
import { exp1, inlineExp4, maxLanes, sumLanes } from './float-math';
import { unpackBytes, unpackNibbles } from './kv-codes';
import { KV_F16, KV_F32, KV_Q4, KV_Q8, unpackAnyHalves, unpackHalves } from './kv-element';
import { wordsOfLines } from './words-of-lines';

/** From this many query vectors on, f16 tiles are unpacked once instead of in the inner loops. */
const UNPACK_FROM: i32 = 9;

export function attend(work: AttentionWork, scratch: usize): void {
  const group = work.heads / work.kvHeads;
  work.count = work.rows * group;
  layOut(work, scratch);
  gatherQueries(work, group);
  for (let key = work.keyBegin; key < work.keyEnd; ) {
    const tile = tileAt(work, key);
    const page = <usize>load<u32>(work.pages + <usize>((key / work.pageTokens) * 4)) + work.stateOffset;
    const slot = key % work.pageTokens;
    const vector = work.kvHead * work.pageTokens + slot;
    const keys = page + <usize>(vector * work.keyBytes);
    const values = page + work.valueOffset + <usize>(vector * work.valueBytes);
    if (slot == 0 || key == work.keyBegin) touchPage(work, keys, values, min(work.pageTokens - slot, work.keyEnd - key));
    scoreKeys(work, keys, tile);
    weighTile(work, key, tile);
    sumValues(work, values, tile);
    key += tile;
  }
  if (work.partial >= 0) storePartials(work, group);
  else storeResults(work, group);
}

/** The weights of one query head at all keys, the `index`-th of those that each row of the result has `positions` numbers of. */
export function storeWeights(work: AttentionWork, head: i32, index: i32, positions: i32, scratch: usize): void {
  const group = work.heads / work.kvHeads;
  work.kvHead = head / group;
  work.count = work.rows * group;
  layOut(work, scratch);
  gatherQueries(work, group);
  for (let key = work.keyBegin; key < work.keyEnd; key += tileAt(work, key)) {
    scoreKeys(work, keysAt(work, key), tileAt(work, key));
    weighTile(work, key, tileAt(work, key));
  }
  const bytes = <usize>(positions * 4);
  for (let row = 0; row < work.rows; row++) memory.fill(resultAt(work, row) + <usize>index * bytes, 0, bytes);
  for (let key = work.keyBegin; key < work.keyEnd; key += tileAt(work, key)) {
    const tile = tileAt(work, key);
    scoreKeys(work, keysAt(work, key), tile);
    for (let row = 0; row < work.rows; row++) {
      const i = row * group + head % group;
      const maximum = load<f32>(work.maxima + <usize>(i * 4));
      const scale: f32 = <f32>1.0 / load<f32>(work.totals + <usize>(i * 4));
      const scores = work.scores + <usize>i * SCORE_STRIDE;
      const to = resultAt(work, row) + <usize>index * bytes;
      for (let at = 0; at < min(tile, positions - key); at++)
        store<f32>(to + <usize>((key + at) * 4), exp1(load<f32>(scores + <usize>(at * 4)) - maximum) * scale);
    }
  }
}

// @ts-ignore: decorator
@inline
function resultAt(work: AttentionWork, row: i32): usize {
  return work.out + <usize>(work.firstRow + row) * work.outStride;
}

/** Keys of the tile that begins at one: those up to the end of its page. */
// @ts-ignore: decorator
@inline
function tileAt(work: AttentionWork, key: i32): i32 {
  return min(min(TILE_KEYS, work.pageTokens - key % work.pageTokens), work.keyEnd - key);
}

/** Address of a key of the work's head. */
// @ts-ignore: decorator
@inline
function keysAt(work: AttentionWork, key: i32): usize {
  const page = <usize>load<u32>(work.pages + <usize>((key / work.pageTokens) * 4)) + work.stateOffset;
  return page + <usize>((work.kvHead * work.pageTokens + key % work.pageTokens) * work.keyBytes);
}

/**
 * Reads a word of every cache line of a head's keys and values in a page, upwards, so that they come from memory side by side: the
 * products take turns of four keys and of 32 values, which no prefetcher follows.
 */
function touchPage(work: AttentionWork, keys: usize, values: usize, count: i32): void {
  work.touched = wordsOfLines(keys, count * work.keyBytes) | wordsOfLines(values, count * work.valueBytes);
}

function layOut(work: AttentionWork, scratch: usize): void {
  const count = <usize>work.count;
  work.queries = scratch;
  work.sums = work.queries + count * <usize>(work.keyWidth * 4);
  work.scores = work.sums + count * <usize>(work.valueWidth * 4);
  work.maxima = work.scores + count * SCORE_STRIDE;
  work.totals = work.maxima + count * 4;
  work.unpacked = (work.totals + count * 4 + 15) & ~15;
  const areHalves = isReadAsHalves(work, work.valueType, work.valueWidth);
  work.weightFactor = areHalves ? WEIGHT_FACTOR : 1;
  work.sumFactor = areHalves ? SUM_FACTOR : 1;
}

/** Whether keys, or values, are read straight from their pages, as 2^-112 of what they are (attention-halves.ts). */
// @ts-ignore: decorator
@inline
function isReadAsHalves(work: AttentionWork, type: i32, width: i32): bool {
  return type == KV_F16 && work.count < UNPACK_FROM && !work.wildHalves && (width & 7) == 0;
}

/** Factor of the products of the query at a position with keys. */
// @ts-ignore: decorator
@inline
function scaleAt(work: AttentionWork, position: i32): f32 {
  if (work.beta == 0) return work.scale;
  return work.scale * (<f32>1.0 + work.beta * NativeMathf.log(<f32>1.0 + floor<f32>(<f32>position / work.length)));
}

/**
 * Scaled query vectors, rows outermost; sums and totals at zero, maxima at minus infinity, or as sinks leave them, which of split keys
 * join when the parts do.
 */
function gatherQueries(work: AttentionWork, group: i32): void {
  const width = work.keyWidth, keyDim = work.keyDim;
  const factor: f32 = isReadAsHalves(work, work.keyType, width) ? QUERY_FACTOR : 1;
  let to = work.queries;
  for (let row = 0; row < work.rows; row++) {
    const from = work.q + <usize>(work.firstRow + row) * work.qStride + <usize>(work.kvHead * group * keyDim * 4);
    const scale = scaleAt(work, work.firstPosition + row) * factor;
    for (let head = 0; head < group; head++) {
      for (let i = 0; i < keyDim; i++) {
        store<f32>(to + <usize>(i * 4), load<f32>(from + <usize>((head * keyDim + i) * 4)) * scale);
      }
      for (let i = keyDim; i < width; i++) store<f32>(to + <usize>(i * 4), 0);
      to += <usize>(width * 4);
    }
  }
  memory.fill(work.sums, 0, <usize>(work.count * work.valueWidth * 4));
  for (let i = 0; i < work.count; i++) {
    const hasSink = work.sinks != 0 && work.partial < 0;
    store<f32>(work.maxima + <usize>(i * 4), hasSink ? sinkOf(work, work.kvHead * group + i % group) : -Infinity);
    store<f32>(work.totals + <usize>(i * 4), hasSink ? 1 : 0);
  }
}

// @ts-ignore: decorator
@inline
function sinkOf(work: AttentionWork, head: i32): f32 {
  return load<f32>(work.sinks + <usize>(head * 4));
}

/** Scores of all query vectors, and of keys past the tile's end up to a multiple of 4, which are masked. */
function scoreKeys(work: AttentionWork, keys: usize, tile: i32): void {
  const count = work.count, width = work.keyWidth;
  if (isReadAsHalves(work, work.keyType, width)) {
    scoreHalves(work.queries, count, keys, tile, width, work.scores);
    return;
  }
  const at = floatsOf(work, keys, tile, false);
  tileScores(work.queries, count, at, tile, width, work.scores);
}

function sumValues(work: AttentionWork, values: usize, tile: i32): void {
  const count = work.count, width = work.valueWidth;
  if (isReadAsHalves(work, work.valueType, width)) {
    addHalves(work.scores, count, values, tile, width, work.sums);
    return;
  }
  const at = floatsOf(work, values, tile, true);
  addValues(work.scores, count, at, tile, width, work.sums);
}

/** Where the f32 of a tile's keys or values are: where they lie, or unpacked. */
function floatsOf(work: AttentionWork, from: usize, tile: i32, isValue: bool): usize {
  const type = isValue ? work.valueType : work.keyType;
  const width = isValue ? work.valueWidth : work.keyWidth;
  const bytes = isValue ? work.valueBytes : work.keyBytes;
  const unpacked = isValue ? work.unpacked + <usize>((TILE_KEYS + 4) * work.keyWidth * 4) : work.unpacked;
  if (type == KV_F32) return from;
  if (type == KV_Q8) unpackBytes(from, unpacked, tile, width, bytes);
  else if (type == KV_Q4) unpackNibbles(from, unpacked, tile, width, bytes);
  else if (work.wildHalves) unpackAnyHalves(from, unpacked, tile, width);
  else unpackHalves(from, unpacked, tile, width);
  return unpacked;
}

function weighTile(work: AttentionWork, key: i32, tile: i32): void {
  const group = work.heads / work.kvHeads;
  for (let i = 0; i < work.count; i++) {
    const position = work.firstPosition + i / group;
    const begin = max(position - work.before - key, 0);
    const end = min(position + work.after + 1 - key, tile);
    const scores = work.scores + <usize>i * SCORE_STRIDE;
    if (work.softcap != 0) softcapRow(scores, work.softcap, scores, (tile + 3) & ~3);
    weigh(work, i, begin, end, tile);
  }
}

/**
 * Turns the scores of one query vector, which sees the keys [begin, end) of the tile, into weights against its new maximum, and
 * rescales what it has so far.
 */
function weigh(work: AttentionWork, index: i32, begin: i32, end: i32, tile: i32): void {
  const scores = work.scores + <usize>index * SCORE_STRIDE;
  const padded = (tile + 3) & ~3;
  if (begin >= end) {
    memory.fill(scores, 0, <usize>(padded * 4));
    return;
  }
  for (let i = 0; i < begin; i++) store<f32>(scores + <usize>(i * 4), -Infinity);
  for (let i = end; i < padded; i++) store<f32>(scores + <usize>(i * 4), -Infinity);
  let top = f32x4.splat(-Infinity);
  for (let i = 0; i < padded; i += 4) top = f32x4.pmax(top, v128.load(scores + <usize>(i * 4)));
  const old = load<f32>(work.maxima + <usize>(index * 4));
  const maximum = max<f32>(old, maxLanes(top));
  const factors = f32x4.splat(work.weightFactor);
  let sum = f32x4.splat(0);
  for (let i = 0; i < padded; i += 4) {
    const at = scores + <usize>(i * 4);
    const weight = inlineExp4(f32x4.sub(v128.load(at), f32x4.splat(maximum)));
    v128.store(at, f32x4.mul(weight, factors));
    sum = f32x4.add(sum, weight);
  }
  const total = work.totals + <usize>(index * 4);
  if (maximum == old) {
    store<f32>(total, load<f32>(total) + sumLanes(sum));
    return;
  }
  const shrink = exp1(old - maximum);
  store<f32>(total, load<f32>(total) * shrink + sumLanes(sum));
  store<f32>(work.maxima + <usize>(index * 4), maximum);
  const sums = work.sums + <usize>(index * work.valueWidth * 4);
  scaleRow(sums, shrink, sums, work.valueWidth);
}

function storeResults(work: AttentionWork, group: i32): void {
  for (let i = 0; i < work.count; i++) {
    const row = work.firstRow + i / group;
    const head = work.kvHead * group + i % group;
    const out = work.out + <usize>row * work.outStride + <usize>(head * work.valueDim * 4);
    const scale: f32 = work.sumFactor / load<f32>(work.totals + <usize>(i * 4));
    const sums = work.sums + <usize>(i * work.valueWidth * 4);
    scaleRow(sums, scale, sums, work.valueWidth);
    memory.copy(out, sums, <usize>(work.valueDim * 4));
  }
}

// @ts-ignore: decorator
@inline
function partialOf(work: AttentionWork, partial: i32, head: i32): usize {
  return work.partials + <usize>((partial * work.heads + head) * (work.valueWidth + 4) * 4);
}

function storePartials(work: AttentionWork, group: i32): void {
  for (let i = 0; i < work.count; i++) {
    const to = partialOf(work, work.partial, work.kvHead * group + i);
    const bytes = <usize>(work.valueWidth * 4);
    scaleRow(work.sums + <usize>i * bytes, work.sumFactor, to, work.valueWidth);
    store<f32>(to + bytes, load<f32>(work.maxima + <usize>(i * 4)));
    store<f32>(to + bytes, load<f32>(work.totals + <usize>(i * 4)), 4);
  }
}

/** Merges the partial results [first, first + count) of one head of `row`. */
export function combine(work: AttentionWork, row: i32, head: i32, first: i32, count: i32, scratch: usize): void {
  const width = work.valueWidth;
  const bytes = <usize>(width * 4);
  let maximum: f32 = work.sinks ? sinkOf(work, head) : -Infinity;
  for (let i = 0; i < count; i++) maximum = max<f32>(maximum, load<f32>(partialOf(work, first + i, head) + bytes));
  memory.fill(scratch, 0, bytes);
  let total: f32 = work.sinks ? exp1(sinkOf(work, head) - maximum) : 0;
  for (let i = 0; i < count; i++) {
    const from = partialOf(work, first + i, head);
    const weight = exp1(load<f32>(from + bytes) - maximum);
    total += weight * load<f32>(from + bytes, 4);
    for (let at: usize = 0; at < bytes; at += 16) {
      const part = f32x4.mul(v128.load(from + at), f32x4.splat(weight));
      v128.store(scratch + at, f32x4.add(v128.load(scratch + at), part));
    }
  }
  scaleRow(scratch, <f32>1.0 / total, scratch, width);
  const outBytes = <usize>(work.valueDim * 4);
  memory.copy(work.out + <usize>row * work.outStride + <usize>head * outBytes, scratch, outBytes);
}
