/**
 * Llama's block for the families that have it as it is: attention and then a gated MLP, each after a norm and each added to what it read.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import type { QueryTemperature } from '../graph/ops/attention.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import type { Value } from '../graph/value.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { attend, attentionOptions, gatedMlp, norm, product } from './decoder-graph.ts';
import type { LayerInput } from './decoder-graph.ts';
import { BLOCK_LINEARS, layerSpec, linearSpecs, outerSpecs } from './decoder-weights.ts';
import { permuteHeads } from './weight-expression.ts';
import type { HeadOrder } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

/** All weights of a decoder of such blocks. `ggufRows`: the order of the rows of q and k in its GGUF files; folders have halves. */
export function blockWeights(config: DecoderConfig, ggufRows: HeadOrder): readonly WeightSpec[] {
  return [...outerSpecs(config), ...Array.from({ length: config.layers }, (_, n) => blockSpecs(config, n, ggufRows)).flat()];
}

function blockSpecs(config: DecoderConfig, n: number, ggufRows: HeadOrder): readonly WeightSpec[] {
  const { dim, heads, kvHeads, headDim, ffnDim, biases } = config;
  const matrix = (name: keyof typeof BLOCK_LINEARS, ...shape: [number, number]) =>
    linearSpecs(n, BLOCK_LINEARS[name], { shape, hasBias: biases.includes(name) });
  const rotated = (specs: readonly WeightSpec[], count: number) =>
    ggufRows === 'halves' ? specs : specs.map((spec): WeightSpec => ({ ...spec, gguf: permuteHeads(spec.gguf, count, 'halves') }));
  return [
    layerSpec(n, 'attn.norm', [dim], { gguf: 'attn_norm.weight', safetensors: 'input_layernorm.weight' }),
    ...rotated(matrix('q', heads * headDim, dim), heads),
    ...rotated(matrix('k', kvHeads * headDim, dim), kvHeads),
    ...matrix('v', kvHeads * headDim, dim),
    ...matrix('o', dim, heads * headDim),
    layerSpec(n, 'mlp.norm', [dim], { gguf: 'ffn_norm.weight', safetensors: 'post_attention_layernorm.weight' }),
    ...matrix('gate', ffnDim, dim),
    ...matrix('up', ffnDim, dim),
    ...matrix('down', dim, ffnDim),
  ];
}

/** How queries meet keys in a layer, beside what the config says. */
export interface BlockAttention {
  /** Undefined: queries and keys of this layer do not turn. */
  readonly table: RopeTable | undefined;
  readonly temperature?: QueryTemperature | undefined;
}

/** x [rows, dim] -> [rows, dim]. */
export function blockLayer(g: GraphBuilder, config: DecoderConfig, input: LayerInput, how: BlockAttention): Value {
  const h = add(g, 'attn.residual', input.x, g.scope('attn', () => blockAttention(g, config, input, how)));
  return add(g, 'mlp.residual', h, g.scope('mlp', () => mlp(g, config, h)));
}

/** q is [rows, heads * headDim], k and v are [rows, kvHeads * headDim]. */
function blockAttention(g: GraphBuilder, config: DecoderConfig, { n, x, positions }: LayerInput, how: BlockAttention): Value {
  const { dim, heads, kvHeads, headDim, rmsEps, biases } = config;
  const { table, temperature } = how;
  const normed = norm(g, 'norm', x, { eps: rmsEps });
  const q = product(g, 'q', normed, { out: heads * headDim, biases });
  const k = product(g, 'k', normed, { out: kvHeads * headDim, biases });
  const v = product(g, 'v', normed, { out: kvHeads * headDim, biases });
  const turned = (name: string, value: Value, count: number) =>
    table === undefined ? value : rope(g, name, value, { heads: count, headDim, table, positions });
  const qkv = [turned('q_rope', q, heads), turned('k_rope', k, kvHeads), v] as const;
  const mixed = attend(g, qkv, { positions, ...attentionOptions(config, n), ...(temperature && { temperature }) });
  return product(g, 'o', mixed, { out: dim, biases });
}

function mlp(g: GraphBuilder, { ffnDim, rmsEps, biases }: DecoderConfig, x: Value): Value {
  return gatedMlp(g, norm(g, 'norm', x, { eps: rmsEps }), { ffnDim, activation: 'silu', biases });
}
