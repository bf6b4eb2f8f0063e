/**
 * Qwen3, dense. Yang et al. 2025; names as transformers' `qwen3` and GGUF's `qwen3`.
 * Llama's block with an RMS norm on every query and key head before the rotation; GGUF keeps the rows of q and k as they are.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { rmsNorm } from '../graph/ops/rms-norm.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import { attentionInputs, attentionOutput, decoderGraph, residualLayer, weightOf } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { DECODER_SKIPS, layerSpecs, normSpec, outerSpecs } from './decoder-weights.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { ropeFrequencies } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import type { WeightSpec } from './weight-spec.ts';

function attention(g: GraphBuilder, config: DecoderConfig, input: LayerInput, table: RopeTable): Value {
  const { heads, kvHeads, headDim, rmsEps } = config;
  const { q, k, v } = attentionInputs(g, config, input.x);
  const normedQ = rmsNorm(g, 'q_norm', q, { weight: weightOf(g, 'q_norm', [headDim]), eps: rmsEps, groups: heads });
  const normedK = rmsNorm(g, 'k_norm', k, { weight: weightOf(g, 'k_norm', [headDim]), eps: rmsEps, groups: kvHeads });
  const turnedQ = rope(g, 'q_rope', normedQ, { heads, headDim, table, positions: input.positions });
  const turnedK = rope(g, 'k_rope', normedK, { heads: kvHeads, headDim, table, positions: input.positions });
  return attentionOutput(g, config, [turnedQ, turnedK, v], input);
}

function headNormSpecs(config: DecoderConfig, n: number): WeightSpec[] {
  return (['q', 'k'] as const).map((own) =>
    normSpec(`layers.${n}.attn.${own}_norm`, config.headDim, `blk.${n}.attn_${own}_norm`, `model.layers.${n}.self_attn.${own}_norm`),
  );
}

const SETTINGS: FamilySettings = {
  safetensors: { obeyed: ['sliding_window', 'max_window_layers'], neutral: { qk_norm: [true], use_qk_norm: [true], qk_layernorm: [true] } },
};

export const qwen3: Architecture = {
  name: 'qwen3',
  parseConfig: (checkpoint) => parseDecoderConfig(checkpoint, { rmsEps: 1e-6, headDim: 128, hfWindows: 'qwen3' }),
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => [
    ...outerSpecs(config),
    ...Array.from({ length: config.layers }, (_, n) => [
      ...layerSpecs(config, n, { interleavedQk: false }),
      ...headNormSpecs(config, n),
    ]).flat(),
  ],
  skips: DECODER_SKIPS,
  graphs(config) {
    const table: RopeTable = { id: 'rope', frequencies: ropeFrequencies(config.rope, config.headDim) };
    return decoderGraph(config, (g, input) => residualLayer(g, config, input, () => attention(g, config, input, table)));
  },
};
