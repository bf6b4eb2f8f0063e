/** Weights of LFM2-Audio under the names of liquid_audio's folders, and of Ingot's own GGUF file of all parts. */
import { CONFORMER_SKIPS, conformerWeights, nemoNames } from './conformer.ts';
import { CODEBOOKS } from './lfm2-audio-config.ts';
import type { Lfm2AudioConfig } from './lfm2-audio-config.ts';
import { backboneName, VOCODER_FOLDER, VOCODER_PREFIX, vocoderName } from './lfm2-audio-parts.ts';
import { lfm2Weights } from './lfm2.ts';
import { permuteHeads, renameTensors, slice, stack, tensor } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** The specs of a part under the ids and names that it has in the whole. */
function renamedSpecs(
  specs: readonly WeightSpec[], idPrefix: string, names: Readonly<Record<'gguf' | 'safetensors', (name: string) => string>>,
): readonly WeightSpec[] {
  return specs.map(({ id, shape, gguf, safetensors }) => ({
    id: `${idPrefix}${id}`, shape, gguf: renameTensors(gguf, names.gguf), safetensors: renameTensors(safetensors, names.safetensors),
  }));
}

/** Rows `k` of `parts` equal parts of a tensor of the folder; a tensor of its own in a GGUF file. */
function partOf(id: string, names: Record<'gguf' | 'safetensors', string>, { k, parts, shape }: PartShape): WeightSpec {
  const [rows = 0, ...inner] = shape;
  const whole = tensor(names.safetensors, [rows * parts, ...inner]);
  return { id, shape, gguf: tensor(names.gguf, shape), safetensors: slice(whole, k * rows, (k + 1) * rows) };
}

interface PartShape {
  readonly k: number;
  readonly parts: number;
  /** Of a part. */
  readonly shape: readonly number[];
}

/** Tables of the codes that come in, those of what was said before. */
function frameWeights({ dim, audioVocab }: Lfm2AudioConfig): readonly WeightSpec[] {
  return Array.from({ length: CODEBOOKS }, (_, k) => partOf(`frames.${k}`, {
    gguf: `audio_embd.${k}.weight`, safetensors: 'audio_embedding.embedding.weight',
  }, { k, parts: CODEBOOKS, shape: [audioVocab, dim] }));
}

/** What makes the depth transformer's inputs of a state, those of all codebooks; a tensor each in a GGUF file. */
function inputWeights({ dim, depth }: Lfm2AudioConfig): readonly WeightSpec[] {
  const all = (id: string, kind: 'weight' | 'bias', [rows = 0, ...inner]: readonly number[]): WeightSpec => {
    const shape = [CODEBOOKS * rows, ...inner];
    const parts = Array.from({ length: CODEBOOKS }, (_, k) => tensor(`depth.input.${k}.${kind}`, [rows, ...inner]));
    return { id, shape, gguf: stack(parts), safetensors: tensor(`depth_linear.${kind}`, shape) };
  };
  return [all('depth.input', 'weight', [depth.dim, dim]), all('depth.input.bias', 'bias', [depth.dim])];
}

/** Of codebook k: the norm before its logits, and its table, which is its head too. */
function codebookWeights({ audioVocab, depth }: Lfm2AudioConfig, k: number): readonly WeightSpec[] {
  return [
    tensorSpec(`depth.norm.${k}`, [depth.dim], {
      gguf: `depth.norm.${k}.weight`, safetensors: `depth_embeddings.${k}.embedding_norm.weight`,
    }),
    tensorSpec(`depth.codes.${k}`, [audioVocab, depth.dim], {
      gguf: `depth.codes.${k}.weight`, safetensors: `depth_embeddings.${k}.embedding.weight`,
    }),
  ];
}

/** Neighbours of a head turn together in the folder, and halves in the graph; gains of the heads' norms go with them. */
function depthLayer({ depth: { dim, heads, kvHeads, headDim, ffnDim } }: Lfm2AudioConfig, n: number): readonly WeightSpec[] {
  const folder = `depthformer.layers.${n}`;
  const [id, gguf] = [`depth.layers.${n}`, `depth.blk.${n}`];
  const qkv = tensor(`${folder}.operator.qkv_proj.weight`, [(heads + 2 * kvHeads) * headDim, dim]);
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const own = (name: string, shape: readonly number[], ggufName: string, safetensors: WeightExpression): WeightSpec => ({
    id: `${id}.${name}`, shape, gguf: tensor(`${gguf}.${ggufName}.weight`, shape), safetensors,
  });
  const plain = (name: string, shape: readonly number[], ggufName: string, safetensors: string) =>
    own(name, shape, ggufName, tensor(`${folder}.${safetensors}.weight`, shape));
  const headGain = (part: 'q' | 'k') => own(`attn.${part}_norm`, [headDim], `attn_${part}_norm`, permuteHeads(
    tensor(`${folder}.operator.bounded_attention.${part}_layernorm.weight`, [headDim]), 1, 'halves',
  ));
  return [
    plain('attn.norm', [dim], 'attn_norm', 'operator_norm'),
    own('attn.q', [q, dim], 'attn_q', permuteHeads(slice(qkv, 0, q), heads, 'halves')),
    own('attn.k', [kv, dim], 'attn_k', permuteHeads(slice(qkv, q, q + kv), kvHeads, 'halves')),
    own('attn.v', [kv, dim], 'attn_v', slice(qkv, q + kv, q + 2 * kv)),
    plain('attn.o', [dim, q], 'attn_output', 'operator.out_proj'),
    headGain('q'),
    headGain('k'),
    plain('mlp.norm', [dim], 'ffn_norm', 'ffn_norm'),
    plain('mlp.gate', [ffnDim, dim], 'ffn_gate', 'feed_forward.w1'),
    plain('mlp.up', [ffnDim, dim], 'ffn_up', 'feed_forward.w3'),
    plain('mlp.down', [dim, ffnDim], 'ffn_down', 'feed_forward.w2'),
  ];
}

function vocoderWeights({ vocoder, audioVocab, bins }: Lfm2AudioConfig): readonly WeightSpec[] {
  const layers = lfm2Weights(vocoder).filter(({ id }) => id !== 'embedding');
  const codes = Array.from({ length: CODEBOOKS }, (_, k): WeightSpec => {
    const [rows, shape] = [audioVocab - 1, [audioVocab - 1, vocoder.dim]];
    const whole = (name: string) => slice(tensor(name, [CODEBOOKS * rows, vocoder.dim]), k * rows, (k + 1) * rows);
    const names = { gguf: `${VOCODER_PREFIX}codes.weight`, safetensors: `${VOCODER_FOLDER}.emb.emb.weight` };
    return { id: `vocoder.codes.${k}`, shape, gguf: whole(names.gguf), safetensors: whole(names.safetensors) };
  });
  const spectrum = { gguf: `${VOCODER_PREFIX}spectrum`, safetensors: `${VOCODER_FOLDER}.lin` };
  const of = (kind: 'weight' | 'bias') => ({ gguf: `${spectrum.gguf}.${kind}`, safetensors: `${spectrum.safetensors}.${kind}` });
  return [
    ...codes,
    ...renamedSpecs(layers, 'vocoder.', { gguf: (name) => `${VOCODER_PREFIX}${name}`, safetensors: vocoderName }),
    tensorSpec('vocoder.spectrum', [2 * bins, vocoder.dim], of('weight')),
    tensorSpec('vocoder.spectrum.bias', [2 * bins], of('bias')),
  ];
}

/** What brings what was heard to the backbone's width. */
function adapterWeights({ dim, ears }: Lfm2AudioConfig): readonly WeightSpec[] {
  const part = (id: string, number: number, shape: readonly number[]) => (['weight', 'bias'] as const).map((kind) => tensorSpec(
    `adapter.${id}${kind === 'bias' ? '.bias' : ''}`, kind === 'bias' ? shape.slice(0, 1) : shape,
    { gguf: `adapter.${id}.${kind}`, safetensors: `audio_adapter.model.${number}.${kind}` },
  ));
  return [...part('norm', 0, [ears.dim]), ...part('up', 1, [dim, ears.dim]), ...part('out', 3, [dim, dim])];
}

export function lfm2AudioWeights(config: Lfm2AudioConfig): readonly WeightSpec[] {
  return [
    ...conformerWeights(config.ears, 'ears', nemoNames('conformer.')),
    ...adapterWeights(config),
    ...renamedSpecs(lfm2Weights(config.backbone), '', { gguf: (name) => name, safetensors: backboneName }),
    ...frameWeights(config),
    ...inputWeights(config),
    ...Array.from({ length: CODEBOOKS }, (_, k) => codebookWeights(config, k)).flat(),
    ...Array.from({ length: config.depth.layers }, (_, n) => depthLayer(config, n)).flat(),
    ...vocoderWeights(config),
  ];
}

export const LFM2_AUDIO_SKIPS: readonly SkipRule[] = [
  { pattern: /^(codebook_offsets|audio_loss_weights)$/, reason: 'of training, and numbers of rows' },
  { pattern: /^audio_embedding\.(embedding_norm|to_logits)\.weight$/, reason: 'no step reads it' },
  { pattern: /^depth_embeddings\.\d+\.to_logits\.weight$/, reason: "tied to the codebook's table" },
  { pattern: /^audio_detokenizer\.(istft\.window|lfm\.embed_tokens\.weight)$/, reason: 'computed, or read by no step' },
  ...CONFORMER_SKIPS,
];
