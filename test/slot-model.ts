/**
 * A decoder with states of every kind: two short convolutions, attention over a window of 16 (or without one), attention over everything,
 * a layer for each of these two that shares its keys and values, and a gated delta rule.
 */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { ProgramRequest } from '../src/graph/executor.ts';
import type { Graph } from '../src/graph/graph.ts';
import { modelOfDecoder } from '../src/graph/model-graphs.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { deltaRule } from '../src/graph/ops/delta-rule.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { rope } from '../src/graph/ops/rope.ts';
import { shortConvolution } from '../src/graph/ops/short-convolution.ts';
import { storedAttention } from '../src/graph/ops/stored-attention.ts';
import type { PagedState } from '../src/graph/state.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import type { Value } from '../src/graph/value.ts';
import type { DecoderModel } from '../src/models/open-decoder.ts';
import { FAKE_VOCAB } from './fake-model.ts';
import { syntheticRequest } from './synthetic-graph.ts';

const DIM = 32;
const HEADS = 4;
const HEAD_DIM = 8;
export const SLOT_WINDOW = 16;
export const SLOT_CONTEXT = 2048;

const table = { id: 'rope', frequencies: Float64Array.from({ length: HEAD_DIM / 2 }, (_, i) => 10000 ** (-i / (HEAD_DIM / 2))) };

const product = (g: GraphBuilder, name: string, x: Value, out: number) =>
  linear(g, name, x, g.weight(g.path(name), [out, x.shape[1] as number]));

function convolutionLayer(g: GraphBuilder, x: Value, { width, bias }: { readonly width: number; readonly bias: boolean }): Value {
  const normed = rmsNorm(g, 'norm', x, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 });
  const mixed = shortConvolution(g, 'conv', product(g, 'in', normed, DIM), {
    weight: g.weight(g.path('conv'), [DIM, width]),
    bias: bias ? g.weight(g.path('conv.bias'), [DIM]) : undefined,
    state: g.slotState({ shape: [width - 1, DIM], dtype: 'f32' }),
  });
  return add(g, 'residual', x, product(g, 'out', mixed, DIM));
}

function deltaRuleLayer(g: GraphBuilder, x: Value): Value {
  const [keyHeads, valueHeads, keyDim, valueDim] = [2, 4, 8, 8];
  const normed = rmsNorm(g, 'norm', x, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 });
  const gates = [product(g, 'a', normed, valueHeads), product(g, 'b', normed, valueHeads)] as const;
  const y = deltaRule(g, 'rule', [product(g, 'qkv', normed, 2 * keyHeads * keyDim + valueHeads * valueDim), ...gates], {
    decay: g.weight(g.path('decay'), [valueHeads]), dtBias: g.weight(g.path('dt'), [valueHeads]), keyHeads, valueHeads, keyDim, valueDim,
    keyHeadMap: 'grouped', state: g.slotState({ shape: [valueHeads, valueDim, keyDim], dtype: 'f32' }),
  });
  return add(g, 'residual', x, product(g, 'out', y, DIM));
}

interface AttentionLayer {
  readonly positions: Value;
  readonly state: PagedState;
  /** The state is another layer's: this one has no keys and values. */
  readonly isShared?: boolean;
}

function attentionLayer(g: GraphBuilder, x: Value, { positions, state, isShared = false }: AttentionLayer): Value {
  const normed = rmsNorm(g, 'norm', x, { weight: g.weight(g.path('norm'), [DIM]), eps: 1e-5 });
  const turned = (name: string) =>
    rope(g, `${name}_rope`, product(g, name, normed, DIM), { heads: HEADS, headDim: HEAD_DIM, table, positions });
  const fields = { positions, heads: HEADS, scale: HEAD_DIM ** -0.5, state };
  if (isShared) return add(g, 'residual', x, product(g, 'out', storedAttention(g, 'attend', turned('q'), fields), DIM));
  const qkv = [turned('q'), turned('k'), product(g, 'v', normed, DIM)] as const;
  return add(g, 'residual', x, product(g, 'out', attention(g, 'attend', qkv, fields), DIM));
}

export interface SlotModelOptions {
  /** Default {@link SLOT_WINDOW}; null: none, as hybrids have it. */
  readonly window?: number | null;
  /** Default {@link SLOT_CONTEXT}. */
  readonly contextLength?: number;
}

export function slotGraph({ window = SLOT_WINDOW }: SlotModelOptions = {}): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    let x = embed(g, 'embed', tokens, g.weight('embedding', [FAKE_VOCAB, DIM]));
    x = g.scope('layers.0', () => convolutionLayer(g, x, { width: 4, bias: false }));
    const shape = { heads: HEADS, keyDim: HEAD_DIM, valueDim: HEAD_DIM };
    const [windowed, whole] = [g.pagedState({ ...shape, window: window ?? undefined }), g.pagedState(shape)];
    x = g.scope('layers.1', () => attentionLayer(g, x, { positions, state: windowed }));
    x = g.scope('layers.2', () => convolutionLayer(g, x, { width: 3, bias: true }));
    x = g.scope('layers.3', () => attentionLayer(g, x, { positions, state: whole }));
    x = g.scope('layers.4', () => attentionLayer(g, x, { positions, state: windowed, isShared: true }));
    x = g.scope('layers.5', () => attentionLayer(g, x, { positions, state: whole, isShared: true }));
    x = g.scope('layers.6', () => deltaRuleLayer(g, x));
    g.tap('hidden.0', x);
    const last = rmsNorm(g, 'norm', gatherRows(g, 'last', x, outIndices), { weight: g.weight('norm', [DIM]), eps: 1e-5 });
    g.output('logits', linear(g, 'output', last, g.weight('output', [FAKE_VOCAB, DIM])));
  });
}

export function slotRequest(maxRows = 32, options: SlotModelOptions = {}): ProgramRequest {
  // Vectors are around 1, and rates of decay below 0: of a state 85 to 97 parts of 100 are left from row to row.
  const scaleOf = (id: string) => (id.endsWith('decay') ? -0.05 : 1);
  return syntheticRequest({ graph: slotGraph(options), typeOf: () => 'f32', maxRows, seed: 3, scaleOf });
}

export function slotDecoder(options: SlotModelOptions = {}): DecoderModel {
  const { contextLength = SLOT_CONTEXT } = options;
  const { model, weights } = slotRequest(32, options);
  const config = {
    architecture: 'slots', vocabSize: FAKE_VOCAB, contextLength, dim: DIM, layers: 7, heads: HEADS, kvHeads: HEADS,
    headDim: HEAD_DIM, ffnDim: DIM, rmsEps: 1e-5, rope: { theta: 10_000, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: false,
    biases: [],
  } as const;
  return { config, model: modelOfDecoder(model.graphs.get('decoder') as Graph), weights, skipped: [], warnings: [] };
}
