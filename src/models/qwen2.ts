/**
 * Qwen2 and Qwen2.5, dense. Yang et al. 2024; names as transformers' `qwen2` and GGUF's `qwen2`.
 * Llama's block with biases on q, k and v. Files of both formats store all tensors alike. llama.cpp computes these models without windows,
 * and its files name none; ours do.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import { QWEN_WINDOWS } from './attention-visibility.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS } from './decoder-weights.ts';
import { blockLayer, blockWeights } from './llama-block.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';

// Config.

/** No key asks for the biases: they are always there. */
function parseConfig(checkpoint: Checkpoint): DecoderConfig {
  return { ...parseDecoderConfig(checkpoint, { rmsEps: 1e-6, windows: QWEN_WINDOWS, linears: {} }), biases: ['q', 'k', 'v'] };
}

const SETTINGS: FamilySettings = {
  safetensors: { obeyed: ['sliding_window', 'max_window_layers'], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] } },
};

// Weights and graph.

export const qwen2: Architecture = {
  gguf: 'qwen2',
  safetensors: ['qwen2'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => blockWeights(config, 'halves'),
  skips: DECODER_SKIPS,
  metadata: (config) => decoderMetadata('qwen2', config),
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => blockLayer(g, config, input, { table }));
  },
};
