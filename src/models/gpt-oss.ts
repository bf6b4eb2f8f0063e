/**
 * gpt-oss (OpenAI 2025); names as transformers' `gpt_oss` and GGUF's `gpt-oss`. Every second layer has a window, every head a sink, every
 * product a bias, and every layer a mixture of experts with a clamped gate in place of an MLP. Folders hold rows of gate and up in turn,
 * and floats transposed, blocks of MXFP4 not; GGUF and MLX have them apart.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { bool } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { isQuantized } from '../tensor/tensor-type.ts';
import type { Architecture } from './architecture.ts';
import type { WindowRule } from './attention-visibility.ts';
import { jsonNumber } from './config-fields.ts';
import { parseDecoderConfig } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, decoderGraph, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { decoderMetadata } from './decoder-metadata.ts';
import { decoderSettings } from './decoder-settings.ts';
import type { FamilySettings } from './decoder-settings.ts';
import { BLOCK_LINEARS, DECODER_SKIPS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { expertSpecs, mixtureMetadata, mixtureOfExperts, parseMixture } from './mixture.ts';
import type { ExpertNames, Mixture } from './mixture.ts';
import { ropeTable } from './rope-frequencies.ts';
import { checkSettings } from './setting-table.ts';
import { reshape, slice, tensor, transpose } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

export interface GptOssConfig extends DecoderConfig {
  readonly mixture: Mixture;
  /** Whether a folder's fused matrices are of blocks, as the model is published, and so lie along rows. */
  readonly hasBlocks: boolean;
}

/** `single` is of no file; `fused` is transformers', transposed. */
const EXPERTS: ExpertNames = {
  single: { prefix: 'mlp.experts', gate: 'gate_proj.weight', up: 'up_proj.weight', down: 'down_proj.weight' },
  stacked: { gate: 'mlp.experts.gate_proj.weight', up: 'mlp.experts.up_proj.weight', down: 'mlp.experts.down_proj.weight' },
  fused: { gateUp: 'mlp.experts.gate_up_proj', down: 'mlp.experts.down_proj' },
};

const KEYS = {
  experts: ['num_local_experts'], used: ['num_experts_per_tok', 'experts_per_token'], ffnDim: ['intermediate_size'],
} as const;

/** The first layer slides, the second sees all, and so on. */
const WINDOWS: WindowRule = { defaultSize: 128, slides: (n) => n % 2 === 0 };

const TRUNCATE = 'gpt-oss.rope.scaling.truncate';

/** What transformers and llama.cpp have in their code, whatever config.json says. */
const GATE_CLAMP = { limit: 7, offset: 1 } as const;

function parseConfig(checkpoint: Checkpoint): GptOssConfig {
  const { format, metadata, name, config } = checkpoint;
  const decoder = parseDecoderConfig(checkpoint, {
    rmsEps: 1e-5, headDim: 64, windows: WINDOWS, ropeTheta: 150_000, linears: {},
  });
  const limit = jsonNumber(config ?? {}, 'swiglu_limit', name) ?? GATE_CLAMP.limit;
  if (limit !== GATE_CLAMP.limit) throw new FormatError(`${name}: swiglu_limit must be ${GATE_CLAMP.limit}, found ${limit}.`);
  const layers = Array.from({ length: decoder.layers }, () => true);
  const mixture = parseMixture(checkpoint, { keys: KEYS, names: EXPERTS, layers });
  const { scaling } = decoder.rope;
  // Its GGUF files do not say that the edges of YaRN's ramp are not whole.
  const isUnsaid = format === 'gguf' && !metadata.has(TRUNCATE);
  const hasBlocks = [...checkpoint.tensors.values()].some(({ name: own, type }) => own.endsWith(EXPERTS.fused.gateUp) && isQuantized(type));
  const parsed = { ...decoder, mixture: { ...mixture, layers }, hasBlocks };
  if (scaling.kind !== 'yarn' || !isUnsaid) return parsed;
  return { ...parsed, rope: { ...decoder.rope, scaling: { ...scaling, truncate: false } } };
}

const SETTINGS: FamilySettings = {
  safetensors: {
    obeyed: ['sliding_window', 'num_local_experts', 'num_experts_per_tok', 'experts_per_token', 'swiglu_limit'],
    // Its initial context is that of YaRN's object.
    harmless: ['initial_context_length'],
    neutral: { attention_bias: [true] },
  },
  gguf: {
    obeyed: ['expert_count', 'expert_used_count', 'expert_feed_forward_length'],
    // A softmax of those chosen sums to 1 whatever the file says of it.
    neutral: { expert_gating_func: [1, 3], expert_weights_norm: [true, false], expert_weights_scale: [0, 1], expert_group_count: [0, 1] },
  },
};

// Weights.

type Part = 'gate' | 'up' | 'down';

/** Rows `start`, `start` + 2, ... of the matrices, or of the biases, of each expert. */
function everySecond(of: WeightExpression, rows: number, start: number): WeightExpression {
  return slice(of, start, rows, 2);
}

/** The experts' matrices as transformers stores them: [experts, in, out] of floats, [experts, out, in] of blocks, gate and up in turn. */
function fusedMatrix(part: Part, prefix: string, { dim, mixture: { experts, ffnDim }, hasBlocks }: GptOssConfig): WeightExpression {
  const matrix = (name: string, rows: number, cols: number) =>
    (hasBlocks ? tensor(`${prefix}.${name}`, [experts, rows, cols]) : transpose(tensor(`${prefix}.${name}`, [experts, cols, rows])));
  if (part === 'down') return matrix('down_proj', dim, ffnDim);
  return everySecond(matrix('gate_up_proj', 2 * ffnDim, dim), 2 * ffnDim, part === 'gate' ? 0 : 1);
}

function bothBiases(part: Part, prefix: string, { experts, ffnDim }: Mixture, dim: number): WeightExpression {
  if (part === 'down') return tensor(`${prefix}.down_proj_bias`, [experts, dim]);
  const columns = reshape(tensor(`${prefix}.gate_up_proj_bias`, [experts, 2 * ffnDim]), [experts, 2 * ffnDim, 1]);
  return reshape(everySecond(columns, 2 * ffnDim, part === 'gate' ? 0 : 1), [experts, ffnDim]);
}

function mixtureWeights(config: GptOssConfig, n: number): readonly WeightSpec[] {
  const { dim, mixture } = config;
  const { experts, ffnDim, stored } = mixture;
  const prefix = `model.layers.${n}.mlp.experts`;
  const isFused = stored.safetensors === 'fused';
  const parts = ['gate', 'up', 'down'] as const;
  const biases = parts.map((part): WeightSpec => {
    const shape = [experts, part === 'down' ? dim : ffnDim];
    return {
      id: `layers.${n}.moe.${part}.bias`, shape, gguf: tensor(`blk.${n}.ffn_${part}_exps.bias`, shape),
      safetensors: isFused ? bothBiases(part, prefix, mixture, dim) : tensor(`${prefix}.${part}_proj.bias`, shape),
    };
  });
  const matrices = expertSpecs(n, dim, mixture, EXPERTS);
  return [
    ...matrices.map((spec, i): WeightSpec =>
      (isFused ? { ...spec, safetensors: fusedMatrix(parts[i] as Part, prefix, config) } : spec)),
    ...biases,
  ];
}

function layerWeights(config: GptOssConfig, n: number): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim, mixture } = config;
  const matrix = (name: 'q' | 'k' | 'v' | 'o', ...shape: [number, number]) => linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: true });
  const router = { id: 'moe.router', gguf: 'ffn_gate_inp', safetensors: 'mlp.router', biasKey: '' };
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' }),
    ...matrix('q', heads * headDim, dim),
    ...matrix('k', kvHeads * headDim, dim),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'attn.sinks', [heads], { gguf: 'attn_sinks.weight', safetensors: 'self_attn.sinks' }),
    layerSpec(n, 'moe.norm', [dim], { gguf: 'post_attention_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...linearSpecs(n, router, { shape: [mixture.experts, dim], hasBias: true }),
    ...mixtureWeights(config, n),
  ];
}

// Layer. Values are [rows, width]; q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim].

const ATTENTION_BIASES = ['q', 'k', 'v', 'o'];

function attention(g: GraphBuilder, config: GptOssConfig, { n, x, positions }: LayerInput, table: RopeTable): Value {
  const { dim, heads, kvHeads, headDim, rmsEps } = config;
  const biases = ATTENTION_BIASES;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const turnedQ = rope(g, 'q_rope', q, { heads, headDim, table, positions });
  const turnedK = rope(g, 'k_rope', k, { heads: kvHeads, headDim, table, positions });
  const sinks = g.weight(g.path('sinks'), [heads]);
  const mixed = attend(g, [turnedQ, turnedK, v], { positions, sinks, ...attentionOptions(config, n) });
  return product(g, 'o', mixed, { out: dim, biases });
}

/** The softmax of the logits of those chosen is the softmax of all, normalised. */
function feedForward(g: GraphBuilder, { rmsEps, mixture: sizes }: GptOssConfig, x: Value): Value {
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const logits = product(g, 'router', normed, { out: sizes.experts, biases: ['router'] });
  return mixtureOfExperts(g, [normed, logits], {
    mixture: sizes, routing: { scores: 'softmax', normalise: { eps: 0 } }, activation: 'quickGelu', clamp: GATE_CLAMP, hasBiases: true,
  });
}

function layer(g: GraphBuilder, config: GptOssConfig, input: LayerInput, table: RopeTable): Value {
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => attention(g, config, input, table)));
  return add(g, 'moe.residual', h, g.scope('moe', () => feedForward(g, config, h)));
}

// Graph.

function ggufMetadata(config: GptOssConfig): GgufMetadata {
  const keys = new Map([...decoderMetadata('gpt-oss', config, 2), ...mixtureMetadata('gpt-oss', config.mixture)]);
  const { scaling } = config.rope;
  // What these files do not say is that the edges are not whole.
  if (scaling.kind !== 'yarn') return keys;
  if (scaling.truncate) keys.set(TRUNCATE, bool(true));
  else keys.delete(TRUNCATE);
  return keys;
}

export const gptOss: Architecture<GptOssConfig> = {
  gguf: 'gpt-oss',
  safetensors: ['gpt_oss'],
  parseConfig,
  checkSettings: (checkpoint, config) => checkSettings(checkpoint, decoderSettings(checkpoint, config, SETTINGS)),
  weights: (config) => [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => layerWeights(config, n)).flat()],
  skips: DECODER_SKIPS,
  metadata: ggufMetadata,
  graphs(config, { contextLength }) {
    const table = ropeTable(config.rope, { id: 'rope', headDim: config.headDim, contextLength });
    return decoderGraph(config, (g, input) => layer(g, config, input, table));
  },
};
