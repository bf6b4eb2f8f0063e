/**
 * Llama 2 to 3.x, and the many that are stored as it: Yi, Mistral 7B in GGUF files, DeepSeek's distillates. Touvron et al. 2023,
 * Grattafiori et al. 2024; names as transformers' `llama` and GGUF's `llama`. Its block is the one of `llama-block.ts`.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS } from './decoder-weights.ts';
import { blockLayer, blockWeights } from './llama-block.ts';
import { ROPE_DIVISORS, ropeDivisors, ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';

// Config.

function parseConfig(checkpoint: Checkpoint): DecoderConfig {
  return parseDecoderConfig(checkpoint, { rmsEps: 1e-6, linears: BLOCK_LINEARS });
}

function warnings(checkpoint: Checkpoint, config: DecoderConfig): readonly string[] {
  const { sliding_window: window, use_sliding_window: isUsed } = checkpoint.config ?? {};
  // Transformers' Llama has no windows, whatever the file says: a length that a prompt may reach is worth a warning.
  const isIdle = isUsed === false || (typeof window === 'number' && window >= config.contextLength);
  const safetensors = { harmless: isIdle ? ['sliding_window'] : [], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] } };
  // What GGUF calls the order of the rows of q and k (below).
  const gguf = { neutral: { tensor_data_layout: ['Meta AI original pth'] } };
  return checkSettings(checkpoint, decoderSettings(checkpoint, config, { safetensors, gguf }));
}

// Weights and graph.

export const llama: Architecture = {
  gguf: 'llama',
  safetensors: ['llama'],
  parseConfig,
  checkSettings: warnings,
  // GGUF has the rows of q and k, and their biases, in the order of interleaved rotation.
  weights: (config) => blockWeights(config, 'pairs'),
  skips: DECODER_SKIPS,
  // GGUF has Llama 3's scaling of the frequencies as divisors.
  constants: ({ headDim }) => [{ name: ROPE_DIVISORS, length: headDim / 2 }],
  exportedConstants: ({ rope: rotation, headDim }) =>
    new Map(rotation.scaling.kind === 'llama3' ? [[ROPE_DIVISORS, ropeDivisors(rotation, headDim)]] : []),
  metadata: (config) => decoderMetadata('llama', config),
  graphs(config, { constants, contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength, divisors: constants.get(ROPE_DIVISORS) });
    return decoderGraph(config, (g, input) => blockLayer(g, config, input, { table }));
  },
};
