/**
 * EmbeddingGemma. Schechter Vera et al. 2025; transformers' `gemma3_text` with `use_bidirectional_attention`, GGUF's `gemma-embedding`.
 * Gemma 3's layers, whose rows see what follows them too, in a window of both sides; dense layers between the mean and the unit vector.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { Architecture } from './architecture.ts';
import { decoderGraph } from './decoder-graph.ts';
import { requiredEmbeddingHead } from './embedding-head.ts';
import {
  checkGemma3Settings, GEMMA3_SKIPS, GEMMA3_WINDOWS, gemma3Layer, gemma3Metadata, gemma3Weights, parseGemma3Config,
} from './gemma3.ts';
import type { Gemma3Config } from './gemma3.ts';
import { layerTypeTables } from './layer-type-ropes.ts';

/** The config without the switch that makes it one of this family's. */
function withoutSwitch(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.config === undefined) return checkpoint;
  const { use_bidirectional_attention: _, ...config } = checkpoint.config;
  return { ...checkpoint, config };
}

function parseConfig(checkpoint: Checkpoint): Gemma3Config {
  const { format, name, architecture, metadata } = checkpoint;
  const key = format === 'gguf' ? `${architecture}.attention.causal` : 'is_causal';
  if ((format === 'gguf' ? metadata.get(key) : checkpoint.config?.[key]) === true)
    throw new FormatError(`${name}: ${key} must be false for a model of embeddings whose rows see what follows them, found true.`);
  const config = parseGemma3Config(withoutSwitch(checkpoint), { ...GEMMA3_WINDOWS, bothSides: true });
  return { ...config, causal: false, embedding: requiredEmbeddingHead(checkpoint) };
}

export const embeddingGemma: Architecture<Gemma3Config> = {
  gguf: 'gemma-embedding',
  safetensors: ['gemma3_text'],
  isOfFamily: ({ format, config }) => format === 'gguf' || config?.['use_bidirectional_attention'] === true,
  parseConfig,
  checkSettings: (checkpoint, config) => checkGemma3Settings(withoutSwitch(checkpoint), config),
  weights: gemma3Weights,
  skips: GEMMA3_SKIPS,
  metadata: (config) => gemma3Metadata('gemma-embedding', config),
  graphs(config, { contextLength }) {
    const tables = layerTypeTables(config, contextLength);
    return decoderGraph(config, (g, input) => gemma3Layer(g, config, input, tables), { embeddingScale: config.embeddingScale });
  },
};
