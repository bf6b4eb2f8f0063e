/** Steps of attention in plain arrays: what the GPU is given, and what float64 says must come of it (src/reference/ops). */
import { stepOf } from './step-of.ts';
import { hasCodes } from '../../src/gpu/attention-shape.ts';
import type { AttentionShape, HeadPreparationShape } from '../../src/gpu/attention-shape.ts';
import type { RopeTable } from '../../src/graph/ops/rope.ts';
import { attendRow, keysSeen, temperatureAt } from '../../src/reference/ops/attention.ts';
import { rmsNorm } from '../../src/reference/ops/rms-norm.ts';
import { rope } from '../../src/reference/ops/rope.ts';
import { encodeKv, roundKv } from '../../src/graph/kv-codec.ts';
import type { KvType } from '../../src/graph/kv-types.ts';
import { bf16ToF32, F16_TO_F32, f32ToF16 } from '../../src/tensor/half.ts';
import type { BufferData } from '../gpu-harness.ts';

/** New rows of a sequence: positions start..start + rows - 1, all before them being in the cache. */
export interface CaseSequence {
  readonly rows: number;
  readonly start: number;
}

export interface AttentionCase {
  readonly shape: AttentionShape;
  readonly sequences: readonly CaseSequence[];
  readonly rows: number;
  /** By binding name. What no position has been written to in `kv` is NaN. */
  readonly buffers: Readonly<Record<string, BufferData>>;
  readonly positions: Uint32Array;
  readonly rowSequence: Uint32Array;
  /** [rows, heads * keyDim], [rows, kvHeads * keyDim], [rows, kvHeads * valueDim]: q and k after norm and rotation, v after its norm. */
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
}

/** Pages of 16 positions, so that short sequences have several. */
export const BASE_SHAPE: AttentionShape = {
  heads: 4, kvHeads: 2, keyDim: 16, valueDim: 16, scale: 0.25, kv: 'f32', pageTokens: 16, maxPages: 16, input: 'joined',
  q: { norm: { eps: 1e-6 }, rotaryDim: 16 }, k: { norm: { eps: 1e-6 }, rotaryDim: 16 }, output: 'f32',
};

/** `headDim` is the width of keys and values alike. */
export function shapeOf({ headDim = 16, ...change }: Partial<AttentionShape> & { readonly headDim?: number }): AttentionShape {
  const { keyDim = headDim, valueDim = headDim } = change;
  const heads = { norm: { eps: 1e-6 }, rotaryDim: keyDim };
  return { ...BASE_SHAPE, keyDim, valueDim, q: heads, k: heads, scale: 1 / Math.sqrt(keyDim), ...change };
}

/** Of the key (part 0) or the value (part 1). */
function widthOf({ keyDim, valueDim }: AttentionShape, part: number): number {
  return part === 0 ? keyDim : valueDim;
}

function randomSource(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function randomFloats(count: number, scale: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => random() * scale);
}

function typeOf({ kv, valueKv = kv }: AttentionShape, part: number): KvType {
  return part === 0 ? kv : valueKv;
}

/** Values of a key (part 0) or value (part 1) in the cache, with the pad of floats. */
function headStride(shape: AttentionShape, part: number): number {
  const unit = { f32: 4, f16: 8, q8: 1, q4: 1 }[typeOf(shape, part)];
  return Math.ceil(widthOf(shape, part) / unit) * unit;
}

/** Bytes of the same, scales and pads of codes among them. */
function vectorBytes(shape: AttentionShape, part: number): number {
  const groups = Math.ceil(widthOf(shape, part) / 16);
  switch (typeOf(shape, part)) {
    case 'f32':
      return 4 * headStride(shape, part);
    case 'f16':
      return 2 * headStride(shape, part);
    case 'q8':
      return 16 * (groups + Math.ceil(groups / 8));
    case 'q4':
      return 8 * (groups + Math.ceil(groups / 4));
  }
}

/** Byte where a key (part 0) or value (part 1) of a head at a position begins. */
function cacheIndex(
  shape: AttentionShape,
  table: Uint32Array,
  at: { sequence: number; part: number; kvHead: number; position: number },
): number {
  const page = table[at.sequence * shape.maxPages + Math.floor(at.position / shape.pageTokens)]!;
  const slot = at.position % shape.pageTokens;
  const [key, value] = [vectorBytes(shape, 0), vectorBytes(shape, 1)];
  // [page][keys, values][kvHeads][pageTokens], or [page][kvHeads][pageTokens][key, value] where the two are of different sizes.
  if (key === value) return (((page * 2 + at.part) * shape.kvHeads + at.kvHead) * shape.pageTokens + slot) * key;
  return ((page * shape.kvHeads + at.kvHead) * shape.pageTokens + slot) * (key + value) + at.part * key;
}

/** Values of a key or value in the cache in float64, pads of floats included. */
function readCache(shape: AttentionShape, data: BufferData, part: number, index: number): Float64Array {
  const type = typeOf(shape, part);
  const length = headStride(shape, part);
  const view = new DataView(data.buffer, data.byteOffset + index);
  if (type === 'f32') return Float64Array.from({ length }, (_, i) => view.getFloat32(4 * i, true));
  if (type === 'f16') return Float64Array.from({ length }, (_, i) => F16_TO_F32[view.getUint16(2 * i, true)]!);
  const scales = Math.ceil(length / 16) * (type === 'q8' ? 16 : 8);
  return Float64Array.from({ length }, (_, i) => {
    const scale = bf16ToF32(view.getUint16(scales + 2 * (i >> 4), true));
    // A byte of four bits has values 8 n + i and 8 n + i + 4.
    const pair = view.getUint8(4 * (i >> 3) + (i & 3));
    return scale * (type === 'q8' ? view.getInt8(i) : ((pair >> (i & 4)) & 15) - 8);
  });
}

function writeCache(shape: AttentionShape, data: BufferData, part: number, index: number, values: Float32Array): void {
  const type = typeOf(shape, part);
  const view = new DataView(data.buffer, data.byteOffset + index);
  if (type === 'f32') values.forEach((x, i) => view.setFloat32(4 * i, x, true));
  if (type === 'f16') values.forEach((x, i) => view.setUint16(2 * i, f32ToF16(x), true));
  if (type === 'f32' || type === 'f16') return;
  const { codes, scales } = encodeKv(type, values);
  const codeBytes = type === 'q8' ? codes.length : codes.length / 2;
  for (let i = 0; i < codeBytes; i++) {
    const low = 8 * (i >> 2) + (i & 3);
    view.setUint8(i, type === 'q8' ? codes[i]! & 255 : codes[low]! + 8 + ((codes[low + 4]! + 8) << 4));
  }
  scales.forEach((scale, i) => view.setUint16(codeBytes + 2 * i, scale, true));
}

export function ropeTable(rotaryDim: number): RopeTable {
  return { id: 'test', frequencies: Float64Array.from({ length: rotaryDim / 2 }, (_, i) => 10000 ** ((-2 * i) / rotaryDim)) };
}

function ropeBuffer(rotaryDim: number, positions: number): Float32Array {
  const { frequencies } = ropeTable(Math.max(2, rotaryDim));
  return Float32Array.from({ length: positions * frequencies.length * 2 }, (_, i) => {
    const angle = Math.floor(i / 2 / frequencies.length) * frequencies[(i >> 1) % frequencies.length]!;
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** Shuffled pages, no page in two tables. */
function makePageTable(
  shape: AttentionShape,
  sequences: readonly CaseSequence[],
  random: () => number,
): { table: Uint32Array; pages: number } {
  const needed = sequences.map(({ start, rows }) => Math.ceil((start + rows) / shape.pageTokens));
  const pages = needed.reduce((a, b) => a + b, 1);
  const numbers = Array.from({ length: pages }, (_, i) => i)
    .map((page) => ({ page, key: random() }))
    .sort((a, b) => a.key - b.key);
  const table = new Uint32Array(sequences.length * shape.maxPages).fill(pages - 1);
  let next = 0;
  needed.forEach((count, sequence) => {
    if (count > shape.maxPages) throw new Error(`test: ${count} pages, at most ${shape.maxPages}`);
    for (let i = 0; i < count; i++) table[sequence * shape.maxPages + i] = numbers[next++]!.page;
  });
  return { table, pages };
}

function emptyCache(shape: AttentionShape, pages: number): BufferData {
  const words = (pages * shape.kvHeads * shape.pageTokens * (vectorBytes(shape, 0) + vectorBytes(shape, 1))) / 4;
  if (shape.kv === 'f32') return new Float32Array(words).fill(NaN);
  // NaN in f16, and in bf16.
  return new Uint32Array(words).fill(hasCodes(shape) ? 0x7fc07fc0 : 0x7e007e00);
}

/** What the positions before the step hold: random, with zero pads. */
function fillCache(
  shape: AttentionShape,
  sequences: readonly CaseSequence[],
  table: Uint32Array,
  kv: BufferData,
  random: () => number,
): void {
  sequences.forEach(({ start }, sequence) => {
    for (let position = 0; position < start; position++) {
      for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
        for (const part of [0, 1]) {
          const values = new Float32Array(headStride(shape, part));
          values.set(randomFloats(widthOf(shape, part), part === 0 ? 1.5 : 1, random));
          writeCache(shape, kv, part, cacheIndex(shape, table, { sequence, part, kvHead, position }), values);
        }
      }
    }
  });
}

/** Heads of `width` after their norm and rotation. */
function prepared(
  x: Float32Array,
  { norm, rotaryDim }: HeadPreparationShape,
  { gain, positions, heads }: { readonly gain: Float32Array; readonly positions: Uint32Array; readonly heads: number },
): Float64Array {
  const own = norm?.ungained ? new Float32Array(gain.length).fill(1) : gain;
  const normed = norm ? rmsNorm(Float64Array.from(x), own, norm) : Float64Array.from(x);
  if (rotaryDim === 0) return normed;
  return rope(normed, Int32Array.from(positions), { heads, headDim: gain.length, table: ropeTable(rotaryDim) });
}

export function makeAttentionCase(shape: AttentionShape, sequences: readonly CaseSequence[], seed = 1): AttentionCase {
  const random = randomSource(seed);
  const { heads, kvHeads, keyDim, valueDim } = shape;
  const positions = Uint32Array.from(sequences.flatMap(({ start, rows }) => Array.from({ length: rows }, (_, i) => start + i)));
  const rowSequence = Uint32Array.from(sequences.flatMap(({ rows }, n) => Array.from({ length: rows }, () => n)));
  const rows = positions.length;
  const q = randomFloats(rows * heads * keyDim, 2, random);
  const k = randomFloats(rows * kvHeads * keyDim, 2, random);
  const v = randomFloats(rows * kvHeads * valueDim, 1, random);
  const [qGain, kGain] = [0, 1].map(() => Float32Array.from(randomFloats(keyDim, 0.5, random), (value) => value + 1)) as [
    Float32Array,
    Float32Array,
  ];
  const { table, pages } = makePageTable(shape, sequences, random);
  const kv = emptyCache(shape, pages);
  fillCache(shape, sequences, table, kv, random);
  const qkv = Float32Array.from(
    Array.from({ length: rows }, (_, row) =>
      [q, k, v].flatMap((values) => [...values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows)]),
    ).flat(),
  );
  const rotaryDim = Math.max(shape.q.rotaryDim, shape.k.rotaryDim);
  const vNorm = shape.v && { ...shape.v.norm, ungained: true as const };
  return {
    shape,
    sequences,
    rows,
    positions,
    rowSequence,
    buffers: {
      q,
      k,
      v,
      qkv,
      qGain,
      kGain,
      positions,
      rowSequence,
      pageTable: table,
      kv,
      // Below, within and above the scores.
      sinks: randomFloats(heads, 6, randomSource(seed + 1)),
      rope: ropeBuffer(rotaryDim, Math.max(...positions) + 1),
      step: stepOf(rows),
      y: new Float32Array(rows * heads * valueDim).fill(NaN),
      yCodes: new Uint32Array((rows * heads * valueDim) / 4),
      yStats: new Float32Array(Math.ceil((rows * 3 * heads * valueDim) / 16)).fill(NaN),
    },
    q: prepared(q, shape.q, { gain: qGain, positions, heads }),
    k: prepared(k, shape.k, { gain: kGain, positions, heads: kvHeads }),
    v: prepared(v, { norm: vNorm, rotaryDim: 0 }, { gain: new Float32Array(valueDim), positions, heads: kvHeads }),
  };
}

/** The key (part 0) or value (part 1) of a head at a position, as the cache holds it, pads of floats included. */
export function storedVector(
  { shape, buffers }: AttentionCase, at: { sequence: number; part: number; kvHead: number; position: number },
): Float64Array {
  return readCache(shape, buffers['kv'] as BufferData, at.part, cacheIndex(shape, buffers['pageTable'] as Uint32Array, at));
}

/** The same step after its keys and values have gone to the cache. */
export function withRowsWritten(problem: AttentionCase): AttentionCase {
  const { shape, buffers, positions, rowSequence, k, v } = problem;
  const kv = (buffers['kv'] as BufferData).slice();
  positions.forEach((position, row) => {
    for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
      for (const [part, source] of [[0, k], [1, v]] as const) {
        const width = widthOf(shape, part);
        const first = (row * shape.kvHeads + kvHead) * width;
        const values = new Float32Array(headStride(shape, part));
        values.set(source.subarray(first, first + width));
        const index = cacheIndex(shape, buffers['pageTable'] as Uint32Array, { sequence: rowSequence[row]!, part, kvHead, position });
        writeCache(shape, kv, part, index, values);
      }
    }
  });
  return { ...problem, buffers: { ...buffers, kv } };
}

/** A copy of the cache in which some positions of all sequences hold NaN. */
export function withoutPositions({ shape, sequences, buffers }: AttentionCase, isLost: (position: number) => boolean): BufferData {
  const kv = (buffers['kv'] as BufferData).slice();
  sequences.forEach(({ start, rows }, sequence) => {
    for (let position = 0; position < start + rows; position++) {
      for (let kvHead = 0; kvHead < shape.kvHeads && isLost(position); kvHead++) {
        for (const part of [0, 1]) {
          const index = cacheIndex(shape, buffers['pageTable'] as Uint32Array, { sequence, part, kvHead, position });
          writeCache(shape, kv, part, index, new Float32Array(headStride(shape, part)).fill(NaN));
        }
      }
    }
  });
  return kv;
}

/** What float32's error of a few sums and products, and its being on the other side of a middle, leave of a stored value near x. */
function storedTolerance(shape: AttentionShape, part: number, { x, step }: { readonly x: number; readonly step: number }): number {
  const own = 4e-6 * Math.max(1, Math.abs(x));
  const type = typeOf(shape, part);
  if (type === 'f32') return own;
  return own + (type === 'f16' ? Math.max(Math.abs(x) * 2 ** -11, 2 ** -25) : 1.01 * step);
}

/** Steps of codes, a value each; 0 for floats. */
function stepsOf(shape: AttentionShape, part: number, values: Float64Array): Float64Array {
  const type = typeOf(shape, part);
  if (type === 'f32' || type === 'f16') return new Float64Array(values.length);
  const { scales } = encodeKv(type, values);
  return values.map((_, i) => Math.abs(bf16ToF32(scales[i >> 4]!)));
}

/**
 * What is wrong with the cache after the step: new keys and values at their places (f32: within 4e-6; f16 and codes: what the record says,
 * or its neighbour where f32's error decides, which is rare), zeros in the pads of floats, and nothing else changed. Undefined if nothing
 * is.
 */
export function compareCache({ shape, buffers, positions, rowSequence, k, v }: AttentionCase, got: BufferData): string | undefined {
  const want = new Uint8Array((buffers['kv'] as BufferData).slice().buffer);
  const bytes = new Uint8Array(got.slice().buffer);
  let [neighbours, all] = [0, 0];
  for (let row = 0; row < positions.length; row++) {
    for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
      for (const [part, source] of [[0, k], [1, v]] as const) {
        const place = { sequence: rowSequence[row]!, part, kvHead, position: positions[row]! };
        const index = cacheIndex(shape, buffers['pageTable'] as Uint32Array, place);
        const [width, stride] = [widthOf(shape, part), headStride(shape, part)];
        const values = readCache(shape, got, part, index);
        const own = source.slice((row * shape.kvHeads + kvHead) * width, (row * shape.kvHeads + kvHead + 1) * width);
        const steps = stepsOf(shape, part, own);
        const coded = hasCodes(shape) && steps[0] !== 0 ? roundKv(typeOf(shape, part), own, width) : own;
        for (let i = 0; i < stride; i++) {
          const expected = i < width ? coded[i]! : 0;
          const step = steps[i] ?? 0;
          if (!(Math.abs(values[i]! - expected) <= storedTolerance(shape, part, { x: expected, step })))
            return `cache ${JSON.stringify(place)} value ${i} is ${values[i]}, expected ${expected}`;
          if (step > 0) all++;
          if (step > 0 && Math.abs(values[i]! - expected) > step / 8) neighbours++;
        }
        const end = index + vectorBytes(shape, part);
        want.set(bytes.subarray(index, end), index);
      }
    }
  }
  if (neighbours > all / 1000) return `cache: ${neighbours} of ${all} codes are neighbours of what the record says`;
  const changed = bytes.findIndex((byte, i) => byte !== want[i]);
  return changed < 0 ? undefined : `cache byte ${changed} changed, which belongs to no new row`;
}

/** Most kernels read codes as f16. */
const asHalf = (x: number): number => F16_TO_F32[f32ToF16(x)]!;

/** The result [rows, heads * valueDim], attending to keys and values as `cache` (after the step) holds them; codes as f16 or exactly. */
export function expectedAttention(
  { shape, sequences, buffers, positions, rowSequence, q }: AttentionCase,
  cache: BufferData,
  read: 'asHalves' | 'exactly' = 'asHalves',
): Float64Array {
  const { heads, kvHeads, keyDim, valueDim, window, causal = true, softcap } = shape;
  const sinks = shape.sinks && (buffers['sinks'] as Float32Array);
  const width = heads * keyDim;
  const y = new Float64Array(positions.length * heads * valueDim);
  positions.forEach((own, row) => {
    const known = new Map<number, Float64Array>();
    const vectorsOf = (part: 0 | 1, position: number): Float64Array => {
      const key = position * 2 + part;
      let all = known.get(key);
      if (all === undefined) {
        const each = widthOf(shape, part);
        all = new Float64Array(kvHeads * each);
        for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
          const index = cacheIndex(shape, buffers['pageTable'] as Uint32Array, { sequence: rowSequence[row]!, part, kvHead, position });
          const stored = readCache(shape, cache, part, index).subarray(0, each);
          all.set(hasCodes(shape) && read === 'asHalves' ? stored.map(asHalf) : stored, kvHead * each);
        }
        known.set(key, all);
      }
      return all;
    };
    const { start, rows } = sequences[rowSequence[row]!]!;
    const seen = keysSeen({ causal, window }, own, start + rows - 1);
    const scale = shape.scale * temperatureAt(shape.temperature, own);
    y.set(
      attendRow(q.subarray(row * width, (row + 1) * width), seen, vectorsOf, { heads, kvHeads, keyDim, valueDim, scale, softcap, sinks }),
      row * heads * valueDim,
    );
  });
  return y;
}

/**
 * Keys of the cache are up to 1.5 a value, so scores reach about 10 at headDim 128, and f32 leaves them uncertain by a few 1e-6: weights,
 * and sums of values up to 1, by as much.
 */
export const ATTENTION_TOLERANCE = 1e-5;

/** The first value that lies further than the tolerance from what is expected; values of v are at most 1. */
export function compareAttention(got: BufferData, want: Float64Array): string | undefined {
  const at = want.findIndex((value, i) => !(Math.abs(got[i]! - value) <= ATTENTION_TOLERANCE));
  return at < 0 ? undefined : `value ${at} is ${got[at]}, expected ${want[at]}`;
}
