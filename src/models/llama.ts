/**
 * Llama 2 to 3.x. Touvron et al. 2023, Grattafiori et al. 2024; names as transformers' `llama` and GGUF's `llama`.
 * GGUF stores q and k for interleaved rotation and may hold the scaled rotary frequencies as divisors.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import { attentionInputs, attentionOutput, decoderGraph, residualLayer } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { DECODER_SKIPS, layerSpecs, outerSpecs } from './decoder-weights.ts';
import { decoderSettings } from './decoder-settings.ts';
import { ropeFrequencies } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';

function attention(g: GraphBuilder, config: DecoderConfig, input: LayerInput, table: RopeTable): Value {
  const { heads, kvHeads, headDim } = config;
  const { q, k, v } = attentionInputs(g, config, input.x);
  const turnedQ = rope(g, 'q_rope', q, { heads, headDim, table, positions: input.positions });
  const turnedK = rope(g, 'k_rope', k, { heads: kvHeads, headDim, table, positions: input.positions });
  return attentionOutput(g, config, [turnedQ, turnedK, v], input);
}

export const llama: Architecture = {
  name: 'llama',
  parseConfig: (checkpoint) => parseDecoderConfig(checkpoint, { rmsEps: 1e-6, hfWindows: 'none' }),
  checkSettings(checkpoint, config) {
    const { sliding_window: window, use_sliding_window: isUsed } = checkpoint.config ?? {};
    // Transformers' Llama has no windows, whatever the file says: a length that a prompt may reach is worth a warning.
    const isIdle = isUsed === false || (typeof window === 'number' && window >= config.contextLength);
    const safetensors = { harmless: isIdle ? ['sliding_window'] : [], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] } };
    return checkSettings(checkpoint, decoderSettings(checkpoint, config, { safetensors }));
  },
  weights: (config) => [
    ...outerSpecs(config),
    ...Array.from({ length: config.layers }, (_, n) => layerSpecs(config, n, { interleavedQk: true })).flat(),
  ],
  ropeDivisors: 'rope_freqs.weight',
  skips: [...DECODER_SKIPS, { pattern: /^rope_freqs\.weight$/, reason: 'read into the rotary frequencies' }],
  graphs(config, ropeDivisors) {
    const table: RopeTable = { id: 'rope', frequencies: ropeFrequencies(config.rope, config.headDim, ropeDivisors) };
    return decoderGraph(config, (g, input) => residualLayer(g, config, input, () => attention(g, config, input, table)));
  },
};
