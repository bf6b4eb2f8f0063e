/**
 * The language model of Qwen3-VL, dense. Qwen Team 2025; names as transformers' `qwen3_vl_text` and GGUF's `qwen3vl`. Qwen3, whose rows
 * turn by time, row and column of an image; those of a text by its position alone.
 */
import { int32s, uint32 } from '../tensor/gguf-value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Architecture } from './architecture.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS } from './decoder-weights.ts';
import { parseQwen3Config, qwen3Layer, qwen3Weights } from './qwen3.ts';
import { ropeTable } from './rope-frequencies.ts';
import { interleavedAxes, ropeSectionsOf } from './rope-sections.ts';
import { checkSettings } from './setting-table.ts';
import { DEEP_LAYERS } from './text-part.ts';

// Config.

export interface Qwen3VlConfig extends DecoderConfig {
  readonly ropeSections: readonly number[];
  /** Layers behind which rows of pictures get more of them, as the file says; the tower has them. */
  readonly deepLayers: number;
}

const USUAL_SECTIONS = [24, 20, 20];
const USUAL_THETA = 5e6;

function parseConfig(checkpoint: Checkpoint): Qwen3VlConfig {
  const { format, metadata, config = {} } = checkpoint;
  const listed = config[DEEP_LAYERS];
  const deep = format === 'gguf' ? metadata.get('qwen3vl.n_deepstack_layers') : Array.isArray(listed) ? listed.length : 0;
  return {
    ...parseQwen3Config(checkpoint, { ropeTheta: USUAL_THETA }),
    ropeSections: ropeSectionsOf(checkpoint, USUAL_SECTIONS),
    deepLayers: typeof deep === 'number' ? deep : 0,
  };
}

const ROPE_KEYS = ['rope_scaling', 'rope_parameters'];

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: ['sliding_window', 'max_window_layers', DEEP_LAYERS, ...ROPE_KEYS.map((object) => `${object}.mrope_section`)],
    neutral: Object.fromEntries(ROPE_KEYS.map((object) => [`${object}.mrope_interleaved`, [true]])),
  },
  gguf: { obeyed: ['rope.dimension_sections', 'n_deepstack_layers'] },
};

// Graph.

export const qwen3Vl: Architecture<Qwen3VlConfig> = {
  gguf: 'qwen3vl',
  safetensors: ['qwen3_vl_text', 'qwen3_vl'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: qwen3Weights,
  skips: DECODER_SKIPS,
  metadata: (config) => new Map([
    ...decoderMetadata('qwen3vl', config),
    ['qwen3vl.rope.dimension_sections', int32s([...config.ropeSections, 0])],
    ['qwen3vl.n_deepstack_layers', uint32(config.deepLayers)],
  ]),
  sees: ['qwen-vl'],
  graphs(config, { contextLength, vision }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => qwen3Layer(g, config, input, table), {
      vision: vision && { tower: vision, table: interleavedAxes(table, config.ropeSections) },
    });
  },
};
