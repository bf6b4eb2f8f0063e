/** The parts that decoders of Llama's layout share, as graph ops. Weight ids follow the scope: `layers.3.attn.q`. */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { buildModel, DECODER } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { gated } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { linear } from '../graph/ops/linear.ts';
import { rmsNorm } from '../graph/ops/rms-norm.ts';
import type { Value, WeightRef } from '../graph/value.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { LinearName } from './decoder-linears.ts';

/** The weight whose id is the current scope and `name`. */
export function weightOf(g: GraphBuilder, name: string, shape: readonly number[]): WeightRef {
  return g.weight(g.path(name), shape);
}

interface LinearShape {
  readonly config: DecoderConfig;
  readonly shape: readonly [number, number];
}

function linearOf(g: GraphBuilder, name: LinearName, x: Value, { config, shape }: LinearShape): Value {
  return linear(g, name, x, weightOf(g, name, shape), config.biases.includes(name) ? weightOf(g, `${name}.bias`, [shape[0]]) : undefined);
}

/** Norm and the three projections. x [rows, dim] -> q [rows, heads * headDim], k and v [rows, kvHeads * headDim]. */
export function attentionInputs(g: GraphBuilder, config: DecoderConfig, x: Value) {
  const { dim, heads, kvHeads, headDim } = config;
  const normed = rmsNorm(g, 'norm', x, { weight: weightOf(g, 'norm', [dim]), eps: config.rmsEps });
  return {
    q: linearOf(g, 'q', normed, { config, shape: [heads * headDim, dim] }),
    k: linearOf(g, 'k', normed, { config, shape: [kvHeads * headDim, dim] }),
    v: linearOf(g, 'v', normed, { config, shape: [kvHeads * headDim, dim] }),
  };
}

/** What a layer reads and adds to. */
export interface LayerInput {
  /** The layer's number. */
  readonly n: number;
  /** [rows, dim]. */
  readonly x: Value;
  /** [rows]. */
  readonly positions: Value;
}

/** Attention over what the layer sees of the sequence, and the output projection -> [rows, dim]. */
export function attentionOutput(
  g: GraphBuilder,
  config: DecoderConfig,
  qkv: readonly [Value, Value, Value],
  { n, positions }: LayerInput,
): Value {
  const { dim, heads, kvHeads, headDim, causal, rope } = config;
  // A factor on both rotated vectors is its square on their product.
  const scale = headDim ** -0.5 * (rope.attentionFactor ?? 1) ** 2;
  const window = config.window?.layers[n] === true ? config.window.size : undefined;
  const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim, window });
  const mixed = attention(g, 'attend', qkv, { positions, heads, scale, state, causal });
  return linearOf(g, 'o', mixed, { config, shape: [dim, heads * headDim] });
}

/** down(silu(gate(x)) * up(x)) after a norm. x [rows, dim] -> [rows, dim]. */
export function swigluMlp(g: GraphBuilder, config: DecoderConfig, x: Value): Value {
  const { dim, ffnDim } = config;
  const normed = rmsNorm(g, 'norm', x, { weight: weightOf(g, 'norm', [dim]), eps: config.rmsEps });
  const gate = linearOf(g, 'gate', normed, { config, shape: [ffnDim, dim] });
  const up = linearOf(g, 'up', normed, { config, shape: [ffnDim, dim] });
  return linearOf(g, 'down', gated(g, 'act', 'silu', [gate, up]), { config, shape: [dim, ffnDim] });
}

/** Attention and then the MLP, each with a norm before it and its sum with what it read. */
export function residualLayer(g: GraphBuilder, config: DecoderConfig, { x }: LayerInput, attend: () => Value): Value {
  const h = add(g, 'attn.residual', x, g.scope('attn', attend));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => swigluMlp(g, config, h)));
}

/**
 * Embedding, `layers` times `layer`, final norm and output matrix. `rows` is all tokens of a step, `outRows` those whose logits are wanted.
 * Taps `hidden.0` .. `hidden.L` lie before the final norm.
 */
export function decoderGraph(config: DecoderConfig, layer: (g: GraphBuilder, input: LayerInput) => Value): ModelGraphs {
  const { vocabSize, dim, layers, rmsEps, tiedEmbeddings, architecture } = config;
  return buildModel(architecture, (m) => m.graph(DECODER.graph, (g) => {
    const tokens = g.input(DECODER.tokens, 'i32', ['rows']);
    const positions = g.input(DECODER.positions, 'i32', ['rows']);
    const outIndices = g.input(DECODER.outIndices, 'i32', ['outRows']);
    const embedding = g.weight('embedding', [vocabSize, dim]);
    let x = embed(g, 'embed', tokens, embedding);
    g.tap('hidden.0', x);
    for (let n = 0; n < layers; n++) {
      x = g.scope(`layers.${n}`, () => layer(g, { n, x, positions }));
      g.tap(`hidden.${n + 1}`, x);
    }
    const normed = rmsNorm(g, 'norm', gatherRows(g, 'last', x, outIndices), { weight: g.weight('norm', [dim]), eps: rmsEps });
    g.output(DECODER.logits, linear(g, 'output', normed, tiedEmbeddings ? embedding : g.weight('output', [vocabSize, dim])));
  }));
}
