/**
 * Ministral 3. Names as transformers' `ministral3`, alone or as the text part of `mistral3`, and GGUF's `mistral3`, which also stands for
 * Mistral Small 3.1 there. Llama's block with YaRN (Peng et al. 2023) and queries that grow with their position beyond the original length.
 */
import type { QueryTemperature } from '../graph/ops/attention.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { float32 } from '../tensor/gguf-value.ts';
import { metadataNumber } from '../tensor/metadata.ts';
import type { Architecture } from './architecture.ts';
import { WINDOWS_EVERYWHERE } from './attention-visibility.ts';
import { jsonNumber, jsonObject } from './config-fields.ts';
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

export interface Ministral3Config extends DecoderConfig {
  readonly temperature: QueryTemperature | undefined;
}

function parseConfig(checkpoint: Checkpoint): Ministral3Config {
  const config = parseDecoderConfig(checkpoint, { rmsEps: 1e-5, ropeTheta: 1e6, windows: WINDOWS_EVERYWHERE, linears: {} });
  return { ...config, temperature: temperatureOf(checkpoint, config) };
}

const ROPE_OBJECTS = ['rope_scaling', 'rope_parameters'];
const BETA = 'llama_4_scaling_beta';
const GGUF_BETA = 'attention.temperature_scale';

/** Its steps are as long as YaRN's original length. @throws FormatError for a temperature without that */
function temperatureOf(
  { format, config = {}, metadata, architecture, name }: Checkpoint,
  { rope }: DecoderConfig,
): QueryTemperature | undefined {
  const isGguf = format === 'gguf';
  const beta = isGguf
    ? metadataNumber(metadata, `${architecture}.${GGUF_BETA}`, name)
    : ROPE_OBJECTS.map((key) => jsonNumber(jsonObject(config, key, name) ?? {}, BETA, name)).find((value) => value !== undefined);
  if (beta === undefined || beta === 0) return undefined;
  const key = isGguf ? `${architecture}.${GGUF_BETA}` : BETA;
  if (!(Number.isFinite(beta) && beta > 0)) throw new FormatError(`${name}: ${key} must be a number of at least 0, found ${beta}.`);
  if (rope.scaling.kind !== 'yarn')
    throw new FormatError(`${name}: ${key} needs rope scaling of type yarn, whose original length it counts in.`);
  return { beta, length: rope.scaling.originalContextLength };
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: ['sliding_window', ...ROPE_OBJECTS.map((object) => `${object}.${BETA}`)],
    harmless: ROPE_OBJECTS.map((object) => `${object}.max_position_embeddings`),
    neutral: { qk_norm: [], use_qk_norm: [], qk_layernorm: [] },
  },
  gguf: { obeyed: [GGUF_BETA] },
};

// Weights and graph.

export const ministral3: Architecture<Ministral3Config> = {
  gguf: 'mistral3',
  safetensors: ['ministral3'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  // GGUF has the rows of q and k in the order of interleaved rotation.
  weights: (config) => blockWeights(config, 'pairs'),
  skips: DECODER_SKIPS,
  metadata(config) {
    const { temperature } = config;
    const own = temperature === undefined ? [] : [[`mistral3.${GGUF_BETA}`, float32(temperature.beta)] as const];
    return new Map([...decoderMetadata('mistral3', config), ...own]);
  },
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => blockLayer(g, config, input, { table, temperature: config.temperature }));
  },
};
