/**
 * SmolLM3. Bakouch et al. 2025; names as transformers' `smollm3` and GGUF's `smollm3`.
 * Llama's block, some layers of which do not rotate queries and keys (Yang et al. 2025, "Rope to Nope and Back Again").
 */
import { bools } from '../tensor/gguf-value.ts';
import type { Checkpoint, JsonValue, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { Architecture } from './architecture.ts';
import type { WindowRule } from './attention-visibility.ts';
import { configFields } from './config-fields.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS } from './decoder-weights.ts';
import { blockLayer, blockWeights } from './llama-block.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';

// Config.

export interface SmolLm3Config extends DecoderConfig {
  /** Whether each layer rotates queries and keys. */
  readonly rotated: readonly boolean[];
}

/** Every so many layers one does not rotate, where the file does not say it layer by layer; in GGUF files always. */
const USUAL_INTERVAL = 4;

function everyLayerBut(interval: number, layers: number): readonly boolean[] {
  return Array.from({ length: layers }, (_, n) => (n + 1) % interval !== 0);
}

/** Only layers without rotation slide, where `use_sliding_window` asks for it. */
function windowsOf(rotated: readonly boolean[]): WindowRule {
  return { switch: 'use_sliding_window', slides: (layer) => rotated[layer] === false };
}

function parseConfig(checkpoint: Checkpoint): SmolLm3Config {
  const fields = configFields(checkpoint);
  const layers = fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, 4096);
  const isGguf = checkpoint.format === 'gguf';
  const interval = (isGguf ? undefined : fields.count({ hf: 'no_rope_layer_interval', gguf: '' })) ?? USUAL_INTERVAL;
  const rotated = rotationOf(checkpoint, layers) ?? everyLayerBut(interval, layers);
  const config = parseDecoderConfig(checkpoint, { rmsEps: 1e-6, ropeTheta: 2e6, windows: windowsOf(rotated), linears: BLOCK_LINEARS });
  return { ...config, rotated };
}

/** `no_rope_layers`, whose 1 stands for a layer that does rotate; in GGUF a key of that meaning. */
function rotationOf({ format, config, metadata, name, architecture }: Checkpoint, layers: number): readonly boolean[] | undefined {
  const isGguf = format === 'gguf';
  const key = isGguf ? `${architecture}.attention.rope_pattern` : 'no_rope_layers';
  const flags: JsonValue | MetadataValue | undefined = isGguf ? metadata.get(key) : config?.[key];
  if (flags === undefined || flags === null) return undefined;
  const list = Array.isArray(flags) || ArrayBuffer.isView(flags) ? Array.from(flags as ArrayLike<unknown>) : [];
  if (list.length < layers || list.some((flag) => typeof flag !== 'boolean' && flag !== 0 && flag !== 1))
    throw new FormatError(`${name}: ${key} must be an array of ${layers} numbers, 1 for a layer that rotates and 0 for one that does not.`);
  return list.slice(0, layers).map(Boolean);
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: ['no_rope_layers', 'no_rope_layer_interval', 'sliding_window'], neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] },
  },
  gguf: { obeyed: ['attention.rope_pattern'] },
};

// Weights and graph.

export const smollm3: Architecture<SmolLm3Config> = {
  gguf: 'smollm3',
  safetensors: ['smollm3'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => blockWeights(config, 'pairs'),
  skips: DECODER_SKIPS,
  /** llama.cpp has no key for layers without rotation: it takes every fourth, so that others are named for us alone. */
  metadata(config) {
    const isUsual = everyLayerBut(USUAL_INTERVAL, config.layers).every((rotates, n) => rotates === config.rotated[n]);
    const own = isUsual ? [] : [['smollm3.attention.rope_pattern', bools(config.rotated)] as const];
    return new Map([...decoderMetadata('smollm3', config), ...own]);
  },
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) =>
      blockLayer(g, config, input, { table: config.rotated[input.n] === true ? table : undefined }));
  },
};
