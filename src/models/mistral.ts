/**
 * Mistral 7B and those of its kind. Jiang et al. 2023; names as transformers' `mistral`, alone or as the text part of `mistral3`.
 * Llama's block with a window in every layer. Its GGUF files say `llama`, and `llama.ts` reads them.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import type { WindowRule } from './attention-visibility.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { llama } from './llama.ts';
import { checkSettings } from './setting-table.ts';

// Config.

const WINDOWS: WindowRule = { defaultSize: 4096, slides: () => true };

function parseConfig(checkpoint: Checkpoint): DecoderConfig {
  return parseDecoderConfig(checkpoint, { rmsEps: 1e-6, windows: WINDOWS, linears: {} });
}

const SETTINGS: FamilySettings = {
  safetensors: { obeyed: ['sliding_window'], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] } },
};

// Weights and graph are Llama's.

export const mistral: Architecture = {
  ...llama,
  safetensors: ['mistral'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
};
