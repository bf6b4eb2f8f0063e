/** Attention over paged states on an executor, against softmax(q k^T * scale) v in plain loops over all positions of a sequence. */
import { expect } from 'vitest';
import { randomSource } from '../src/tensor/codec/random-weights.ts';
import type { Executor, GraphRun, ProgramRequest } from '../src/graph/executor.ts';
import { roundKv } from '../src/graph/kv-codec.ts';
import { parseKvTypes } from '../src/graph/kv-types.ts';
import type { KvChoice } from '../src/graph/kv-types.ts';
import { buildModel, DECODER } from '../src/graph/model-graphs.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import type { Scores } from '../src/graph/ops/attention.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { storedAttention } from '../src/graph/ops/stored-attention.ts';
import { stateGroups } from '../src/graph/state.ts';
import type { PagedState } from '../src/graph/state.ts';
import type { Value } from '../src/graph/value.ts';
import { sourceOfBytes } from './synthetic-graph.ts';

export interface AttentionWidths extends Pick<Scores, 'softcap' | 'temperature'> {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly kv: KvChoice;
  readonly window?: number | undefined;
  /** Each head has a {@link sinkOf}. */
  readonly sinks?: boolean;
  /** Rows see what follows them, a window lies on both sides. */
  readonly bidirectional?: boolean;
  /** It has no keys and values of its own: those of the layer before. */
  readonly stored?: boolean;
}

/** Layers beside each other, whose results are added up: heads * valueDim and `kv` are the same in all. */
export type AttentionLayers = readonly [AttentionWidths, ...AttentionWidths[]];

const MOST_ROWS = 32;
const PAGE_TOKENS = 8;

/** Numbers of all positions of a sequence, a row each. */
interface Rows {
  readonly q: readonly Float32Array[];
  readonly k: readonly Float32Array[];
  readonly v: readonly Float32Array[];
}

const scaleOf = ({ keyDim }: AttentionWidths) => 1.3 * keyDim ** -0.5;
/** Some above every score of its head, and some below. */
const sinkOf = (head: number) => Math.fround(2 * Math.sin(2 * head + 1));

function sourceOfFloats(id: string, shape: readonly number[], values: Float32Array) {
  return [id, sourceOfBytes(id, { type: 'f32', shape, bytes: new Uint8Array(values.buffer) })] as const;
}

/** A decoder that is nothing but attention over q, k and v of each layer, which the host gives: tokens add zeros to it. */
function requestOf(layers: AttentionLayers): ProgramRequest {
  const [{ heads: mostHeads, valueDim: width, kv }] = layers;
  const model = buildModel('attention', (m) => {
    m.graph(DECODER.graph, (g) => {
      const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
      const positions = g.input(DECODER.positions, 'i32', ['rows']);
      const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
      let state: PagedState | undefined;
      const mixed = layers.map((layer, n) => {
        const { heads, kvHeads, keyDim, valueDim, window, sinks, bidirectional, stored, softcap, temperature } = layer;
        const weight = sinks ? g.weight(`sinks${n}`, [heads]) : undefined;
        const fields = { positions, heads, scale: scaleOf(layer), softcap, temperature, sinks: weight };
        const q = g.input(`q${n}`, 'f32', ['rows', heads * keyDim]);
        if (stored) return storedAttention(g, `attend${n}`, q, { ...fields, state: state as PagedState });
        const k = g.input(`k${n}`, 'f32', ['rows', kvHeads * keyDim]);
        const v = g.input(`v${n}`, 'f32', ['rows', kvHeads * valueDim]);
        state = g.pagedState({ heads: kvHeads, keyDim, valueDim, window: bidirectional ? undefined : window });
        return attention(g, `attend${n}`, [q, k, v], { ...fields, state, causal: !bidirectional, window });
      });
      const nothing = embed(g, 'embed', tokens, g.weight('nothing', [1, mostHeads * width]));
      const zeros = gatherRows(g, 'zeros', nothing, outIndices);
      const wanted = mixed.map((value, n) => gatherRows(g, `wanted${n}`, value, outIndices));
      g.output(DECODER.logits, wanted.reduce((sum: Value, value, n) => add(g, `sum${n}`, sum, value), zeros));
    });
  });
  const weights = new Map([
    sourceOfFloats('nothing', [1, mostHeads * width], new Float32Array(mostHeads * width)),
    ...layers.flatMap(({ heads, sinks }, n) =>
      sinks ? [sourceOfFloats(`sinks${n}`, [heads], Float32Array.from({ length: heads }, (_, head) => sinkOf(head)))] : []),
  ]);
  const sizes = { rows: MOST_ROWS, outRows: MOST_ROWS };
  return { model, weights, kv: { ...parseKvTypes(kv), pageTokens: PAGE_TOKENS, maxPages: 128 }, sizes };
}

/** First and last position that the row at `position` sees, `end` being the last that there is. */
function seenBy({ window = Infinity, bidirectional }: AttentionWidths, position: number, end: number): readonly [number, number] {
  if (!bidirectional) return [Math.max(0, position - window + 1), position];
  const side = Math.floor(window / 2);
  return [Math.max(0, position - side), Math.min(end, position + side)];
}

/** Row `position` of a layer's result, [heads * valueDim]. */
function expectedRow({ q, k, v }: Rows, position: number, end: number, layer: AttentionWidths): number[] {
  const { heads, kvHeads, keyDim, valueDim, softcap, sinks, temperature } = layer;
  const factor = temperature === undefined ? 1 : 1 + temperature.beta * Math.log1p(Math.floor(position / temperature.length));
  const [first, last] = seenBy(layer, position, end);
  const y: number[] = [];
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor((head * kvHeads) / heads);
    const weights: number[] = [];
    for (let at = first; at <= last; at++) {
      let dot = 0;
      for (let i = 0; i < keyDim; i++) dot += q[position]![head * keyDim + i]! * k[at]![kvHead * keyDim + i]!;
      const score = dot * scaleOf(layer) * factor;
      weights.push(Math.exp(softcap === undefined ? score : softcap * Math.tanh(score / softcap)));
    }
    const total = weights.reduce((a, b) => a + b, sinks ? Math.exp(sinkOf(head)) : 0);
    for (let i = 0; i < valueDim; i++) {
      let sum = 0;
      weights.forEach((weight, n) => (sum += (weight / total) * v[first + n]![kvHead * valueDim + i]!));
      y.push(sum);
    }
  }
  return y;
}

/** The rows as the state keeps them. */
function storedRows({ q, k, v }: Rows, { kv, keyDim, valueDim }: AttentionWidths): Rows {
  const { type, valueType = type } = parseKvTypes(kv);
  const rounded = (rows: readonly Float32Array[], of: typeof type, dim: number) =>
    rows.map((row) => Float32Array.from(roundKv(of, Float64Array.from(row), dim)));
  return { q, k: rounded(k, type, keyDim), v: rounded(v, valueType, valueDim) };
}

function makeRows({ heads, kvHeads, keyDim, valueDim }: AttentionWidths, positions: number, seed: number): Rows {
  const random = randomSource(seed);
  const rows = (width: number) =>
    Array.from({ length: positions }, () => Float32Array.from({ length: width }, () => 2 * random() - 1));
  return { q: rows(heads * keyDim), k: rows(kvHeads * keyDim), v: rows(kvHeads * valueDim) };
}

/** Of each layer; a stored one has the keys and values of the one before. */
function rowsOfLayers(layers: AttentionLayers, positions: number, seed: number): readonly Rows[] {
  const made: Rows[] = [];
  for (const [n, layer] of layers.entries()) {
    const own = makeRows(layer, positions, seed + 10 * n);
    const owner = layer.stored ? made[n - 1] : undefined;
    made.push(owner ? { ...owner, q: own.q } : own);
  }
  return made;
}

/** New positions [start, end) of a sequence. */
interface Part {
  readonly of: readonly Rows[];
  readonly pages: readonly number[];
  readonly start: number;
  readonly end: number;
}

function runOf(layers: AttentionLayers, groups: number, parts: readonly Part[]): GraphRun {
  const rows = parts.flatMap(({ of, start, end }) => Array.from({ length: end - start }, (_, i) => ({ of, position: start + i })));
  const all = (name: keyof Rows, layer: number) => rows.flatMap(({ of, position }) => [...of[layer]![name][position]!]);
  const heads = layers.flatMap(({ stored }, n) =>
    (stored ? ['q'] as const : ['q', 'k', 'v'] as const).map((name) => [`${name}${n}`, all(name, n)] as const));
  return {
    graph: DECODER.graph,
    dims: { rows: rows.length, outRows: rows.length },
    inputs: {
      [DECODER.tokens]: rows.map(() => 0),
      [DECODER.positions]: rows.map(({ position }) => position),
      [DECODER.outIndices]: rows.map((_, i) => i),
      ...Object.fromEntries(heads),
    },
    sequences: parts.map(({ start, end, pages }) => ({ rows: end - start, start, pages: Array.from({ length: groups }, () => pages) })),
    wanted: [DECODER.logits],
  };
}

interface Steps {
  readonly pages: number;
  readonly lists: readonly (readonly (Part & { readonly isKnown?: boolean })[])[];
}

/** Runs steps, and compares every row of those whose result is not known already. */
async function checkSteps(executor: Executor, layers: AttentionLayers, { pages, lists }: Steps, tolerance: number): Promise<void> {
  const request = requestOf(layers);
  const groups = stateGroups(request.model.states).length;
  const program = await executor.load(request);
  try {
    for (let group = 0; group < groups; group++) program.ensurePages(group, pages);
    const stored = new Map<readonly Rows[], readonly Rows[]>();
    const storedOf = (of: readonly Rows[]) => {
      if (!stored.has(of)) stored.set(of, of.map((rows, n) => storedRows(rows, layers[n]!)));
      return stored.get(of)!;
    };
    for (const parts of lists) {
      const got = [...(await program.run([runOf(layers, groups, parts)]))[0]!.get(DECODER.logits)!];
      if (parts.every(({ isKnown }) => isKnown)) continue;
      const want = parts.flatMap(({ of, start, end }) =>
        Array.from({ length: end - start }, (_, i) => {
          const perLayer = layers.map((layer, n) => expectedRow(storedOf(of)[n]!, start + i, end - 1, layer));
          return perLayer[0]!.map((_value, at) => perLayer.reduce((sum, row) => sum + row[at]!, 0));
        }).flat(),
      );
      expect(got.length).toBe(want.length);
      const worst = want.reduce((most, value, i) => (Math.abs(value - got[i]!) <= most ? most : Math.abs(value - got[i]!)), 0);
      expect(worst, `positions ${parts.map(({ start, end }) => `${start}..${end}`).join(', ')}`).toBeLessThan(tolerance);
    }
  } finally {
    await program.dispose();
  }
}

/** Prompts in chunks, single rows after them, alone and together, every row of each; `tolerance` is in units of values up to 1. */
export async function checkAttention(executor: Executor, layers: AttentionLayers, tolerance: number): Promise<void> {
  const [a, b] = [rowsOfLayers(layers, 32, 1), rowsOfLayers(layers, 16, 2)];
  const [ofA, ofB] = [{ of: a, pages: [3, 0, 5, 1] }, { of: b, pages: [2, 4] }];
  const lists: readonly (readonly Part[])[] = [
    [{ ...ofA, start: 0, end: 13 }],
    [{ ...ofA, start: 13, end: 14 }],
    [{ ...ofA, start: 14, end: 21 }, { ...ofB, start: 0, end: 6 }],
    [{ ...ofA, start: 21, end: 22 }, { ...ofB, start: 6, end: 7 }],
    [{ ...ofA, start: 22, end: 31 }],
    [{ ...ofA, start: 31, end: 32 }],
  ];
  await checkSteps(executor, layers, { pages: 6, lists }, tolerance);
}

/** Single rows after so many keys that executors share them out, of a sequence alone and of two. */
export async function checkLongAttention(executor: Executor, layers: AttentionLayers, tolerance: number): Promise<void> {
  const [long, short] = [rowsOfLayers(layers, 900, 3), rowsOfLayers(layers, 8, 4)];
  const ofLong = { of: long, pages: Array.from({ length: 113 }, (_, i) => (i * 7) % 113) };
  const before = Array.from({ length: Math.ceil(897 / MOST_ROWS) }, (_, i) =>
    [{ ...ofLong, isKnown: true, start: i * MOST_ROWS, end: Math.min(897, (i + 1) * MOST_ROWS) }]);
  const lists = [
    ...before,
    [{ ...ofLong, start: 897, end: 898 }],
    [{ ...ofLong, start: 898, end: 899 }, { of: short, pages: [113], start: 0, end: 1 }],
    [{ ...ofLong, start: 899, end: 900 }, { of: short, pages: [113], start: 1, end: 5 }],
  ];
  await checkSteps(executor, layers, { pages: 114, lists }, tolerance);
}

/** {@link checkAttention} of one layer. */
export async function checkAttentionWidths(executor: Executor, widths: AttentionWidths, tolerance: number): Promise<void> {
  await checkAttention(executor, [widths], tolerance);
}

/** Keys and values of different widths, both ways, odd ones among them; windows; in both types of the state. */
export const WIDTH_CASES: readonly AttentionWidths[] = (['f32', 'f16'] as const).flatMap((kv) => [
  { heads: 4, kvHeads: 2, keyDim: 96, valueDim: 64, kv },
  { heads: 4, kvHeads: 2, keyDim: 64, valueDim: 128, kv },
  { heads: 3, kvHeads: 1, keyDim: 20, valueDim: 36, kv, window: 5 },
  { heads: 2, kvHeads: 2, keyDim: 192, valueDim: 128, kv, window: 17 },
]);

/** Codes, of keys and values alike and apart, at two widths: whole scale words and none. */
export const CODED: readonly AttentionWidths[] = (['q8', 'q4', 'q8/q4', 'q4/f16', 'f16/q8'] as const).flatMap((kv, i) => [
  { heads: 4, kvHeads: 2, keyDim: 64, valueDim: 64, kv, window: i === 1 ? 17 : undefined },
  { heads: 3, kvHeads: 1, keyDim: 80, valueDim: 112, kv },
]);

export function nameOfWidths({ heads, kvHeads, keyDim, valueDim, kv, window }: AttentionWidths): string {
  const seen = window === undefined ? '' : `, a window of ${window}`;
  return `${heads} heads on ${kvHeads}, keys of ${keyDim}, values of ${valueDim}, ${kv}${seen}`;
}
