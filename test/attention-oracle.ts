/** Attention over a paged state on an executor, against softmax(q k^T * scale) v in plain loops over all positions of a sequence. */
import { expect } from 'vitest';
import { randomSource } from '../src/tensor/codec/random-weights.ts';
import type { Executor, GraphRun, KvType, ProgramRequest } from '../src/graph/executor.ts';
import { buildModel, DECODER } from '../src/graph/model-graphs.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { f16ToF32, f32ToF16 } from '../src/tensor/half.ts';
import { sourceOfBytes } from './synthetic-graph.ts';

export interface AttentionWidths {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly kv: KvType;
  readonly window?: number | undefined;
}

const MOST_ROWS = 32;
const PAGE_TOKENS = 8;

/** Numbers of all positions of a sequence, a row each. */
interface Rows {
  readonly q: readonly Float32Array[];
  readonly k: readonly Float32Array[];
  readonly v: readonly Float32Array[];
}

const scaleOf = ({ keyDim }: AttentionWidths) => 1.3 * keyDim ** -0.5;

/** A decoder that is nothing but attention over q, k and v that the host gives: tokens add zeros to it. */
function requestOf(widths: AttentionWidths): ProgramRequest {
  const { heads, kvHeads, keyDim, valueDim, kv, window } = widths;
  const model = buildModel('attention', (m) => {
    m.graph(DECODER.graph, (g) => {
      const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
      const positions = g.input(DECODER.positions, 'i32', ['rows']);
      const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
      const q = g.input('q', 'f32', ['rows', heads * keyDim]);
      const k = g.input('k', 'f32', ['rows', kvHeads * keyDim]);
      const v = g.input('v', 'f32', ['rows', kvHeads * valueDim]);
      const state = g.pagedState({ heads: kvHeads, keyDim, valueDim, window });
      const mixed = attention(g, 'attend', [q, k, v], { positions, heads, scale: scaleOf(widths), state });
      const nothing = embed(g, 'embed', tokens, g.weight('nothing', [1, heads * valueDim]));
      const [wanted, zeros] = [gatherRows(g, 'wanted', mixed, outIndices), gatherRows(g, 'zeros', nothing, outIndices)];
      g.output(DECODER.logits, add(g, 'sum', wanted, zeros));
    });
  });
  const sizes = { rows: MOST_ROWS, outRows: MOST_ROWS };
  const shape = [1, heads * valueDim];
  const weights = new Map([['nothing', sourceOfBytes('nothing', { type: 'f32', shape, bytes: new Uint8Array(4 * heads * valueDim) })]]);
  return { model, weights, kv: { type: kv, pageTokens: PAGE_TOKENS, maxPages: 16 }, sizes };
}

/** Row `position` of the result, [heads * valueDim]. */
function expectedRow({ q, k, v }: Rows, position: number, widths: AttentionWidths): number[] {
  const { heads, kvHeads, keyDim, valueDim, kv, window = Infinity } = widths;
  const stored = (x: number) => (kv === 'f16' ? f16ToF32(f32ToF16(x)) : x);
  const y: number[] = [];
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor((head * kvHeads) / heads);
    const first = Math.max(0, position - window + 1);
    const weights: number[] = [];
    for (let at = first; at <= position; at++) {
      let dot = 0;
      for (let i = 0; i < keyDim; i++) dot += q[position]![head * keyDim + i]! * stored(k[at]![kvHead * keyDim + i]!);
      weights.push(Math.exp(dot * scaleOf(widths)));
    }
    const total = weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < valueDim; i++) {
      let sum = 0;
      weights.forEach((weight, n) => (sum += (weight / total) * stored(v[first + n]![kvHead * valueDim + i]!)));
      y.push(sum);
    }
  }
  return y;
}

function makeRows({ heads, kvHeads, keyDim, valueDim }: AttentionWidths, positions: number, seed: number): Rows {
  const random = randomSource(seed);
  const rows = (width: number) =>
    Array.from({ length: positions }, () => Float32Array.from({ length: width }, () => 2 * random() - 1));
  return { q: rows(heads * keyDim), k: rows(kvHeads * keyDim), v: rows(kvHeads * valueDim) };
}

/** New positions [start, end) of a sequence. */
interface Part {
  readonly of: Rows;
  readonly pages: readonly number[];
  readonly start: number;
  readonly end: number;
}

function runOf(parts: readonly Part[]): GraphRun {
  const rows = parts.flatMap(({ of, start, end }) => Array.from({ length: end - start }, (_, i) => ({ of, position: start + i })));
  const all = (name: keyof Rows) => rows.flatMap(({ of, position }) => [...of[name][position]!]);
  return {
    graph: DECODER.graph,
    dims: { rows: rows.length, outRows: rows.length },
    inputs: {
      [DECODER.tokens]: rows.map(() => 0),
      [DECODER.positions]: rows.map(({ position }) => position),
      [DECODER.outIndices]: rows.map((_, i) => i),
      q: all('q'), k: all('k'), v: all('v'),
    },
    sequences: parts.map(({ start, end, pages }) => ({ rows: end - start, start, pages: [pages] })),
    wanted: [DECODER.logits],
  };
}

/** Prompts in chunks, single rows after them, alone and together, every row of each; `tolerance` is in units of values up to 1. */
export async function checkAttentionWidths(executor: Executor, widths: AttentionWidths, tolerance: number): Promise<void> {
  const [a, b] = [makeRows(widths, 32, 1), makeRows(widths, 16, 2)];
  const [ofA, ofB] = [{ of: a, pages: [3, 0, 5, 1] }, { of: b, pages: [2, 4] }];
  const lists: readonly (readonly Part[])[] = [
    [{ ...ofA, start: 0, end: 13 }],
    [{ ...ofA, start: 13, end: 14 }],
    [{ ...ofA, start: 14, end: 21 }, { ...ofB, start: 0, end: 6 }],
    [{ ...ofA, start: 21, end: 22 }, { ...ofB, start: 6, end: 7 }],
    [{ ...ofA, start: 22, end: 31 }],
    [{ ...ofA, start: 31, end: 32 }],
  ];
  const program = await executor.load(requestOf(widths));
  try {
    program.ensurePages(0, 6);
    for (const parts of lists) {
      const got = [...(await program.run([runOf(parts)]))[0]!.get(DECODER.logits)!];
      const want = parts.flatMap(({ of, start, end }) =>
        Array.from({ length: end - start }, (_, i) => expectedRow(of, start + i, widths)).flat(),
      );
      expect(got.length).toBe(want.length);
      const worst = want.reduce((most, value, i) => (Math.abs(value - got[i]!) <= most ? most : Math.abs(value - got[i]!)), 0);
      expect(worst, `positions ${parts.map(({ start, end }) => `${start}..${end}`).join(', ')}`).toBeLessThan(tolerance);
    }
  } finally {
    await program.dispose();
  }
}

/** Keys and values of different widths, both ways, odd ones among them; windows; in both types of the state. */
export const WIDTH_CASES: readonly AttentionWidths[] = (['f32', 'f16'] as const).flatMap((kv) => [
  { heads: 4, kvHeads: 2, keyDim: 96, valueDim: 64, kv },
  { heads: 4, kvHeads: 2, keyDim: 64, valueDim: 128, kv },
  { heads: 3, kvHeads: 1, keyDim: 20, valueDim: 36, kv, window: 5 },
  { heads: 2, kvHeads: 2, keyDim: 192, valueDim: 128, kv, window: 17 },
]);

export function nameOfWidths({ heads, kvHeads, keyDim, valueDim, kv, window }: AttentionWidths): string {
  const seen = window === undefined ? '' : `, a window of ${window}`;
  return `${heads} heads on ${kvHeads}, keys of ${keyDim}, values of ${valueDim}, ${kv}${seen}`;
}
