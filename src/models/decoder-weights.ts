/** Tensor names shared by the decoders that follow Llama's layout. */
import type { DecoderConfig } from './decoder-config.ts';
import { LINEARS } from './decoder-linears.ts';
import type { LinearName } from './decoder-linears.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

interface LinearNames {
  readonly id: string;
  readonly gguf: string;
  readonly safetensors: string;
  readonly shape: readonly [number, number];
  readonly bias: boolean;
  readonly interleavedHeads?: number | undefined;
}

/** The matrix and, where the model has one, the bias of a linear op. Ids are `ID` and `ID.bias`. */
export function linearSpecs(names: LinearNames): WeightSpec[] {
  const heads = names.interleavedHeads === undefined ? {} : { interleavedHeads: names.interleavedHeads };
  const spec = (suffix: 'weight' | 'bias'): WeightSpec => ({
    id: suffix === 'weight' ? names.id : `${names.id}.bias`,
    shape: suffix === 'weight' ? names.shape : [names.shape[0]],
    gguf: `${names.gguf}.${suffix}`,
    safetensors: `${names.safetensors}.${suffix}`,
    ...heads,
  });
  return names.bias ? [spec('weight'), spec('bias')] : [spec('weight')];
}

export function normSpec(id: string, width: number, gguf: string, safetensors: string): WeightSpec {
  return { id, shape: [width], gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` };
}

/** Embedding, final norm and output matrix. */
export function outerSpecs(config: DecoderConfig): WeightSpec[] {
  const table = { shape: [config.vocabSize, config.dim] };
  const embedding = { ...table, id: 'embedding', gguf: 'token_embd.weight', safetensors: 'model.embed_tokens.weight' };
  const output = { ...table, id: 'output', gguf: 'output.weight', safetensors: 'lm_head.weight' };
  const norm = normSpec('norm', config.dim, 'output_norm', 'model.norm');
  return config.tiedEmbeddings ? [embedding, norm] : [embedding, norm, output];
}

/** Attention and MLP matrices and the two norms of layer `n`; `interleavedQk` as llama's GGUF files store q and k. */
export function layerSpecs(config: DecoderConfig, n: number, options: { readonly interleavedQk: boolean }): WeightSpec[] {
  const { dim, heads, kvHeads, headDim, ffnDim } = config;
  const id = `layers.${n}`;
  const gguf = `blk.${n}`;
  const hf = `model.layers.${n}`;
  const linear = (own: LinearName, shape: readonly [number, number], interleavedHeads?: number) => {
    const names = LINEARS[own];
    return linearSpecs({
      id: `${id}.${names.id}`,
      gguf: `${gguf}.${names.gguf}`,
      safetensors: `${hf}.${names.safetensors}`,
      shape,
      bias: config.biases.includes(own),
      interleavedHeads,
    });
  };
  return [
    normSpec(`${id}.attn.norm`, dim, `${gguf}.attn_norm`, `${hf}.input_layernorm`),
    ...linear('q', [heads * headDim, dim], options.interleavedQk ? heads : undefined),
    ...linear('k', [kvHeads * headDim, dim], options.interleavedQk ? kvHeads : undefined),
    ...linear('v', [kvHeads * headDim, dim]),
    ...linear('o', [dim, heads * headDim]),
    normSpec(`${id}.mlp.norm`, dim, `${gguf}.ffn_norm`, `${hf}.post_attention_layernorm`),
    ...linear('gate', [ffnDim, dim]),
    ...linear('up', [ffnDim, dim]),
    ...linear('down', [dim, ffnDim]),
  ];
}

export const DECODER_SKIPS: readonly SkipRule[] = [
  { pattern: /^lm_head\.weight$/, reason: 'the output matrix is tied to the embedding' },
  { pattern: /rotary_emb\.inv_freq$/, reason: 'rotary frequencies are computed' },
];
