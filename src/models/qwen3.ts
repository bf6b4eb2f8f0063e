/**
 * Qwen3, dense. Yang et al. 2025; names as transformers' `qwen3` and GGUF's `qwen3`.
 * Llama's block with an RMS norm on every query and key head before the rotation; GGUF keeps the rows of q and k as they are.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { RopeTable } from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import { attentionInputs, attentionOutput, decoderGraph, swigluMlp, weightOf } from './decoder-graph.ts';
import { DECODER_SKIPS, layerSpecs, normSpec, outerSpecs } from './decoder-weights.ts';
import { ropeFrequencies } from './rope-frequencies.ts';
import type { WeightSpec } from './weight-spec.ts';

function attention(g: GraphBuilder, config: DecoderConfig, x: Value, table: RopeTable): Value {
  const { heads, kvHeads, headDim, rmsEps } = config;
  const { q, k, v } = attentionInputs(g, config, x);
  const normedQ = g.rmsNorm('q_norm', q, weightOf(g, 'q_norm', [headDim]), rmsEps, heads);
  const normedK = g.rmsNorm('k_norm', k, weightOf(g, 'k_norm', [headDim]), rmsEps, kvHeads);
  const turnedQ = g.rope('q_rope', normedQ, { heads, headDim, table });
  const turnedK = g.rope('k_rope', normedK, { heads: kvHeads, headDim, table });
  return attentionOutput(g, config, [turnedQ, turnedK, v]);
}

function layer(g: GraphBuilder, config: DecoderConfig, x: Value, table: RopeTable): Value {
  const h = g.add('attn.residual', x, g.scope('attn', () => attention(g, config, x, table)));
  return g.add('mlp.residual', h, g.scope('mlp', () => swigluMlp(g, config, h)));
}

function headNormSpecs(config: DecoderConfig, n: number): WeightSpec[] {
  return (['q', 'k'] as const).map((own) =>
    normSpec(`layers.${n}.attn.${own}_norm`, config.headDim, `blk.${n}.attn_${own}_norm`, `model.layers.${n}.self_attn.${own}_norm`),
  );
}

export const qwen3: Architecture = {
  name: 'qwen3',
  parseConfig: (checkpoint) => parseDecoderConfig(checkpoint, { ropeTheta: 1_000_000, rmsEps: 1e-6 }),
  weights: (config) => [
    ...outerSpecs(config),
    ...Array.from({ length: config.layers }, (_, n) => [
      ...layerSpecs(config, n, { interleavedQk: false }),
      ...headNormSpecs(config, n),
    ]).flat(),
  ],
  skips: DECODER_SKIPS,
  graph(config) {
    const table: RopeTable = { id: 'rope', frequencies: ropeFrequencies(config.rope, config.headDim) };
    return decoderGraph(config, (g, x) => layer(g, config, x, table));
  },
};
