/**
 * Weights that decoders of Llama's layout declare alike: ids as the graph's scopes make them, names as GGUF and Hugging Face's folders
 * have them.
 */
import { denseSpecs } from './embedding-head.ts';
import type { DecoderConfig, LinearNames, LinearTable } from './decoder-config.ts';
import { tensorSpec } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** What one tensor is called in each format. */
export type TensorNames = Pick<LinearNames, 'gguf' | 'safetensors'>;

/** The matrices of a block of attention and gated MLP, as Llama and those who followed it call them, by the names that graphs give them. */
export const BLOCK_LINEARS = {
  q: { id: 'attn.q', gguf: 'attn_q', safetensors: 'self_attn.q_proj', biasKey: 'attention_bias' },
  k: { id: 'attn.k', gguf: 'attn_k', safetensors: 'self_attn.k_proj', biasKey: 'attention_bias' },
  v: { id: 'attn.v', gguf: 'attn_v', safetensors: 'self_attn.v_proj', biasKey: 'attention_bias' },
  o: { id: 'attn.o', gguf: 'attn_output', safetensors: 'self_attn.o_proj', biasKey: 'attention_bias' },
  gate: { id: 'mlp.gate', gguf: 'ffn_gate', safetensors: 'mlp.gate_proj', biasKey: 'mlp_bias' },
  up: { id: 'mlp.up', gguf: 'ffn_up', safetensors: 'mlp.up_proj', biasKey: 'mlp_bias' },
  down: { id: 'mlp.down', gguf: 'ffn_down', safetensors: 'mlp.down_proj', biasKey: 'mlp_bias' },
} as const satisfies LinearTable;

/** A tensor of layer `n`: `id` in the layer's scope, `names` without the layer's prefix. */
export function layerSpec(n: number, id: string, shape: readonly number[], names: TensorNames): WeightSpec {
  return tensorSpec(`layers.${n}.${id}`, shape, { gguf: `blk.${n}.${names.gguf}`, safetensors: `model.layers.${n}.${names.safetensors}` });
}

/** The matrix [out, in] of a linear op of layer `n`, and its bias where it has one. */
export function linearSpecs(
  n: number,
  { id, gguf, safetensors }: LinearNames,
  { shape, hasBias }: { readonly shape: readonly [number, number]; readonly hasBias: boolean },
): WeightSpec[] {
  const weight = layerSpec(n, id, shape, { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` });
  const bias = layerSpec(n, `${id}.bias`, [shape[0]], { gguf: `${gguf}.bias`, safetensors: `${safetensors}.bias` });
  return hasBias ? [weight, bias] : [weight];
}

type OuterSizes = Pick<DecoderConfig, 'vocabSize' | 'dim' | 'tiedEmbeddings' | 'embedding'>;

/** Embedding, final norm and, unless it is the embedding, output matrix; dense layers of a model of embeddings. */
export function outerSpecs({ vocabSize, dim, tiedEmbeddings, embedding }: OuterSizes): WeightSpec[] {
  const table = [vocabSize, dim];
  const outer = [
    tensorSpec('embedding', table, { gguf: 'token_embd.weight', safetensors: 'model.embed_tokens.weight' }),
    tensorSpec('norm', [dim], { gguf: 'output_norm.weight', safetensors: 'model.norm.weight' }),
    ...denseSpecs(embedding),
  ];
  return tiedEmbeddings ? outer : [...outer, tensorSpec('output', table, { gguf: 'output.weight', safetensors: 'lm_head.weight' })];
}

export const DECODER_SKIPS: readonly SkipRule[] = [
  { pattern: /^lm_head\.weight$/, reason: 'the output matrix is tied to the embedding' },
  { pattern: /rotary_emb\.inv_freq$/, reason: 'rotary frequencies are computed' },
];
