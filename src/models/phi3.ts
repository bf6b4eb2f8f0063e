/**
 * Phi-3, Phi-3.5, Phi-4 and Phi-4-mini, dense. Abdin et al. 2024; names as transformers' `phi3` and GGUF's `phi3`.
 * Llama's block; the matrices of q, k and v, and those of gate and up, are one tensor each in files of both formats. A part of each head
 * may turn, and LongRoPE (Ding et al. 2024) has one set of factors for contexts within the original length and one for those beyond it: the
 * context that a model is loaded with decides, for all of its positions.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { WINDOWS_EVERYWHERE } from './attention-visibility.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderGraph } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { DECODER_SKIPS, layerSpec, outerSpecs } from './decoder-weights.ts';
import type { TensorNames } from './decoder-weights.ts';
import { blockLayer } from './llama-block.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { slice } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

function parseConfig(checkpoint: Checkpoint): DecoderConfig {
  return parseDecoderConfig(checkpoint, { rmsEps: 1e-5, windows: WINDOWS_EVERYWHERE, partialRotation: true, linears: {} });
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: [
      'sliding_window', 'partial_rotary_factor', 'rope_scaling.partial_rotary_factor', 'rope_parameters.partial_rotary_factor',
    ],
    // Of the code that the first uploads brought along.
    neutral: { interpolate_factor: [1], full_attn_mod: [1], lm_head_bias: [] },
  },
};

// Weights.

/** Weights of equal width that follow each other in the rows of one tensor. */
function fusedSpecs(n: number, names: TensorNames, cols: number, parts: readonly (readonly [id: string, rows: number])[]): WeightSpec[] {
  const total = parts.reduce((sum, [, rows]) => sum + rows, 0);
  let start = 0;
  return parts.map(([id, rows]) => {
    const { gguf, safetensors } = layerSpec(n, id, [total, cols], names);
    const [from, to] = [start, start + rows];
    start = to;
    return { id: `layers.${n}.${id}`, shape: [rows, cols], gguf: slice(gguf, from, to), safetensors: slice(safetensors, from, to) };
  });
}

/** GGUF calls the fused gate and up `ffn_up`. */
function layerWeights({ dim, heads, kvHeads, headDim, ffnDim }: DecoderConfig, n: number): readonly WeightSpec[] {
  const qkv = { gguf: 'attn_qkv.weight', safetensors: 'self_attn.qkv_proj.weight' };
  const gateUp = { gguf: 'ffn_up.weight', safetensors: 'mlp.gate_up_proj.weight' };
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' }),
    ...fusedSpecs(n, qkv, dim, [['attn.q', heads * headDim], ['attn.k', kvHeads * headDim], ['attn.v', kvHeads * headDim]]),
    layerSpec(n, 'attn.o', [dim, heads * headDim], { gguf: 'attn_output.weight', safetensors: 'self_attn.o_proj.weight' }),
    layerSpec(n, 'mlp.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...fusedSpecs(n, gateUp, dim, [['mlp.gate', ffnDim], ['mlp.up', ffnDim]]),
    layerSpec(n, 'mlp.down', [dim, ffnDim], { gguf: 'ffn_down.weight', safetensors: 'mlp.down_proj.weight' }),
  ];
}

// Graph, of Llama's layers.

/** GGUF's tensors of LongRoPE's factors, f32 [rotaryDim / 2]. */
const SHORT_FACTORS = 'rope_factors_short.weight';
const LONG_FACTORS = 'rope_factors_long.weight';

export const phi3: Architecture = {
  gguf: 'phi3',
  safetensors: ['phi3'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()],
  skips: DECODER_SKIPS,
  constants({ rope, headDim }) {
    const length = (rope.rotaryDim ?? headDim) / 2;
    return [{ name: SHORT_FACTORS, length }, { name: LONG_FACTORS, length }];
  },
  exportedConstants({ rope: { scaling } }) {
    if (scaling.kind !== 'longrope') return new Map();
    const { longFactors = [], shortFactors = [] } = scaling;
    return new Map([[LONG_FACTORS, Float32Array.from(longFactors)], [SHORT_FACTORS, Float32Array.from(shortFactors)]]);
  },
  // Some versions of llama.cpp refuse a file that says nothing of a window: 0 is none.
  metadata: (config) => new Map([['phi3.attention.sliding_window', uint32(0)], ...decoderMetadata('phi3', config)]),
  graphs(config, { constants, contextLength }) {
    const { rope, headDim } = config;
    const isLong = rope.scaling.kind === 'longrope' && contextLength > rope.scaling.originalContextLength;
    const divisors = constants.get(isLong ? LONG_FACTORS : SHORT_FACTORS);
    const table = ropeTable(rope, { id: 'rope', headDim, contextLength, divisors });
    return decoderGraph(config, (g, input) => blockLayer(g, config, input, { table }));
  },
};
