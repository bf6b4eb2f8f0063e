/** Decoders of nothing but attention, with what a graph may say of it beside heads and scale. */
import { buildGraph } from '../../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../../src/graph/graph-builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { gated } from '../../src/graph/ops/activation.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import type { Scores } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { fullAttention } from '../../src/graph/ops/full-attention.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import type { RopeTable } from '../../src/graph/ops/rope.ts';
import { storedAttention } from '../../src/graph/ops/stored-attention.ts';
import type { PagedState } from '../../src/graph/state.ts';
import type { Value } from '../../src/graph/value.ts';

export interface AttentionLayer extends Pick<Scores, 'softcap' | 'temperature'> {
  /** Of a head's query, key and value. */
  readonly width: number;
  /** Values of a head that turn; layers of equal numbers share a table. */
  readonly rotaryDim: number;
  readonly sinks?: true;
  readonly window?: number;
  /** The norms of q's and k's heads have no gains. */
  readonly ungained?: true;
  /** v's heads are normed too, without gains. */
  readonly vNorm?: true;
  /** Values are the product that keys are made of. */
  readonly keysAsValues?: true;
  /** The sigmoid of a gate multiplies the result. */
  readonly gate?: true;
  /** Index of the layer whose keys and values it uses. */
  readonly owner?: number;
}

const DIM = 32;
const HEADS = 4;
const KV_HEADS = 2;

interface Heads {
  readonly product: Value;
  readonly positions: Value;
  readonly shift: Value | undefined;
  readonly heads: number;
  readonly width: number;
  readonly table: RopeTable;
  readonly ungained: true | undefined;
}

const productOf = (g: GraphBuilder, name: string, x: Value, width: number) => linear(g, name, x, g.weight(g.path(name), [width, DIM]));

/** Heads of a product, normed and turned. */
function preparedHeads(g: GraphBuilder, name: string, { product, positions, shift, heads, width, table, ungained }: Heads): Value {
  const weight = ungained ? undefined : g.weight(g.path(`${name}_norm`), [width]);
  const normed = rmsNorm(g, `${name}_norm`, product, { weight, eps: 1e-5, groups: heads });
  return rope(g, `${name}_rope`, normed, { heads, headDim: width, table, positions, shift });
}

/** Layers of nothing but a norm, attention and an output product. `shifted`: rows turn by other positions than those at which they are. */
export function attentionGraph(layers: readonly AttentionLayer[], causal = true, shifted = false): Graph {
  const tables = new Map(layers.map(({ rotaryDim }) => [rotaryDim, {
    id: `rope.${rotaryDim}`, frequencies: Float64Array.from({ length: rotaryDim / 2 }, (_, i) => 100 ** (-i / rotaryDim)),
  }]));
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const shift = shifted ? g.input('shift', 'i32', ['rows']) : undefined;
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const states: (PagedState | undefined)[] = [];
    const mixed = (x: Value, layer: AttentionLayer): Value => {
      const { width, rotaryDim, window, owner, sinks, ungained, vNorm, keysAsValues, gate, ...scores } = layer;
      const from = { positions, shift, width, table: tables.get(rotaryDim)!, ungained };
      const q = preparedHeads(g, 'q', { ...from, product: productOf(g, 'q', x, HEADS * width), heads: HEADS });
      const fields = { ...scores, sinks: sinks && g.weight(g.path('sinks'), [HEADS]), positions, heads: HEADS, scale: width ** -0.5 };
      const shared = states[owner ?? -1];
      states.push(shared ?? g.pagedState({ heads: KV_HEADS, keyDim: width, valueDim: width, window: causal ? window : undefined }));
      const state = states.at(-1) as PagedState;
      if (shared !== undefined) return storedAttention(g, 'attend', q, { ...fields, state });
      const product = productOf(g, 'k', x, KV_HEADS * width);
      const k = preparedHeads(g, 'k', { ...from, product, heads: KV_HEADS });
      const v = keysAsValues ? product : productOf(g, 'v', x, KV_HEADS * width);
      const values = vNorm ? rmsNorm(g, 'v_norm', v, { weight: undefined, eps: 1e-5, groups: KV_HEADS }) : v;
      const attended = attention(g, 'attend', [q, k, values], { ...fields, state, causal, window });
      return gate ? gated(g, 'gated', 'sigmoid', [productOf(g, 'gate', x, HEADS * width), attended]) : attended;
    };
    const x = layers.reduce((before, layer, n) => g.scope(`layers.${n}`, () => {
      const normed = rmsNorm(g, 'norm', before, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 });
      return add(g, 'sum', before, linear(g, 'o', mixed(normed, layer), g.weight(g.path('o'), [DIM, HEADS * layer.width])));
    }), embed(g, 'embed', tokens, g.weight('embedding', [50, DIM])));
    g.output('logits', linear(g, 'output', gatherRows(g, 'last', x, outIndices), g.weight('output', [50, DIM])));
  });
}

/** A decoder of attention without a state over all rows of a step, of two heads of each width in turn. */
export function fullAttentionGraph(widths: readonly number[], dim: number): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const matrix = (name: string, x: Value, out: number) => linear(g, name, x, g.weight(name, [out, x.shape[1] as number]));
    const x = widths.reduce((sum, width) => {
      const parts = (['q', 'k', 'v'] as const).map((name) => matrix(`${name}.${width}`, sum, 2 * width)) as [Value, Value, Value];
      const shape = { heads: 2, kvHeads: 2, keyDim: width, valueDim: width, scale: width ** -0.5 };
      return add(g, `sum.${width}`, sum, matrix(`o.${width}`, fullAttention(g, `attend.${width}`, parts, shape), dim));
    }, embed(g, 'embed', tokens, g.weight('embedding', [50, dim])));
    // A state, so that rows are of sequences.
    const qkv = (['q', 'k', 'v'] as const).map((name) => matrix(name, x, 4)) as [Value, Value, Value];
    const state = g.pagedState({ heads: 1, keyDim: 4, valueDim: 4 });
    const last = attention(g, 'attend', qkv, { heads: 1, scale: 0.5, state, positions, causal: true, window: undefined });
    g.output('logits', matrix('output', gatherRows(g, 'last', add(g, 'all', x, matrix('o', last, dim)), outIndices), 50));
  });
}
