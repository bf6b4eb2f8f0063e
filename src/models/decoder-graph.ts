/** The parts that decoders of Llama's layout share, as graph ops. Weight ids follow the scope: `layers.3.attn.q`. */
import { buildGraph } from '../graph/graph-builder.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Value, WeightRef } from '../graph/value.ts';
import type { DecoderConfig } from './decoder-config.ts';

/** The weight whose id is the current scope and `name`. */
export function weightOf(g: GraphBuilder, name: string, shape: readonly number[]): WeightRef {
  return g.weight(g.path(name), shape);
}

function linearOf(g: GraphBuilder, name: string, x: Value, shape: readonly [number, number], bias: boolean): Value {
  return g.linear(name, x, weightOf(g, name, shape), bias ? weightOf(g, `${name}.bias`, [shape[0]]) : undefined);
}

/** Norm and the three projections. x [rows, dim] -> q [rows, heads * headDim], k and v [rows, kvHeads * headDim]. */
export function attentionInputs(g: GraphBuilder, config: DecoderConfig, x: Value) {
  const { dim, heads, kvHeads, headDim, attentionBias } = config;
  const normed = g.rmsNorm('norm', x, weightOf(g, 'norm', [dim]), config.rmsEps);
  return {
    q: linearOf(g, 'q', normed, [heads * headDim, dim], attentionBias),
    k: linearOf(g, 'k', normed, [kvHeads * headDim, dim], attentionBias),
    v: linearOf(g, 'v', normed, [kvHeads * headDim, dim], attentionBias),
  };
}

/** Attention over the sequence and the output projection -> [rows, dim]. */
export function attentionOutput(g: GraphBuilder, config: DecoderConfig, qkv: readonly [Value, Value, Value]): Value {
  const { dim, heads, kvHeads, headDim, attentionBias } = config;
  const state = g.kvState(kvHeads, headDim);
  const mixed = g.attention('attend', qkv, { heads, kvHeads, headDim, scale: headDim ** -0.5, state });
  return linearOf(g, 'o', mixed, [dim, heads * headDim], attentionBias);
}

/** down(silu(gate(x)) * up(x)) after a norm. x [rows, dim] -> [rows, dim]. */
export function swigluMlp(g: GraphBuilder, config: DecoderConfig, x: Value): Value {
  const { dim, ffnDim, mlpBias } = config;
  const normed = g.rmsNorm('norm', x, weightOf(g, 'norm', [dim]), config.rmsEps);
  const gate = linearOf(g, 'gate', normed, [ffnDim, dim], mlpBias);
  const up = linearOf(g, 'up', normed, [ffnDim, dim], mlpBias);
  return linearOf(g, 'down', g.swiglu('act', gate, up), [dim, ffnDim], mlpBias);
}

/** Embedding, `layers` times `layer`, final norm and output matrix. Taps `hidden.0` .. `hidden.L` lie before the final norm. */
export function decoderGraph(config: DecoderConfig, layer: (g: GraphBuilder, x: Value) => Value): Graph {
  const { vocabSize, dim, layers, rmsEps, tiedEmbeddings, architecture } = config;
  return buildGraph(architecture, (g) => {
    const embedding = g.weight('embedding', [vocabSize, dim]);
    let x = g.embed('embed', embedding);
    g.tap('hidden.0', x);
    for (let n = 0; n < layers; n++) {
      x = g.scope(`layers.${n}`, () => layer(g, x));
      g.tap(`hidden.${n + 1}`, x);
    }
    const normed = g.rmsNorm('norm', g.gatherRows('last', x), g.weight('norm', [dim]), rmsEps);
    return g.linear('output', normed, tiedEmbeddings ? embedding : g.weight('output', [vocabSize, dim]));
  });
}
