/** Sizes that every decoder-only transformer has, read from config.json or GGUF metadata. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { parseVisibility } from './attention-visibility.ts';
import type { AttentionVisibility, WindowRule } from './attention-visibility.ts';
import { configFields, jsonBoolean } from './config-fields.ts';
import type { FieldName } from './config-fields.ts';
import { parseEmbeddingHead } from './embedding-head.ts';
import type { EmbeddingHead } from './embedding-head.ts';
import { parseRope } from './rope-frequencies.ts';
import type { RopeConfig } from './rope-frequencies.ts';

export interface DecoderConfig extends AttentionVisibility {
  readonly architecture: string;
  readonly vocabSize: number;
  /** Positions the model was trained for. */
  readonly contextLength: number;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly rmsEps: number;
  readonly rope: RopeConfig;
  /** The output matrix is the embedding table. */
  readonly tiedEmbeddings: boolean;
  /** The matrices of a layer whose products have a bias. */
  readonly biases: readonly string[];
  /** How its states become embeddings, where the file is of a model of embeddings, which then has no output matrix. */
  readonly embedding?: EmbeddingHead | undefined;
}

/** A matrix of every layer. */
export interface LinearNames {
  /** Its weight's id within the layer: `attn.q`. */
  readonly id: string;
  /** After `blk.N.` in GGUF, before `.weight` and `.bias`. */
  readonly gguf: string;
  /** After `model.layers.N.` in Hugging Face's files, before `.weight` and `.bias`. */
  readonly safetensors: string;
  /** The key of config.json that gives it a bias. */
  readonly biasKey: string;
}

/** The matrices of a layer, by the names that the graph gives them. */
export type LinearTable = Readonly<Record<string, LinearNames>>;

/** What differs between families. */
export interface DecoderDefaults {
  /** Where config.json has none. */
  readonly rmsEps: number;
  /** Where config.json has none. Undefined: dim / heads. */
  readonly headDim?: number | undefined;
  /** Undefined: the family's attention has no windows. */
  readonly windows?: WindowRule | undefined;
  /** Base of the rotation where config.json has none; a GGUF file without one means 10,000. Default 10,000. */
  readonly ropeTheta?: number | undefined;
  /** True: only a part of each head may turn (`partial_rotary_factor`, `rope.dimension_count`). */
  readonly partialRotation?: boolean | undefined;
  readonly linears: LinearTable;
}

export const MOST_LAYERS = 4096;

/** @throws FormatError where a size is absent, of another type, or at odds with the others. */
export function parseDecoderConfig(checkpoint: Checkpoint, defaults: DecoderDefaults): DecoderConfig {
  const fields = configFields(checkpoint);
  const dim = fields.requiredCount({ hf: 'hidden_size', gguf: 'embedding_length' });
  const isGguf = checkpoint.format === 'gguf';
  const layers = fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, MOST_LAYERS);
  const required = (name: FieldName) => fields.layerCount(name, layers) ?? fields.requiredCount(name);
  const heads = required({ hf: 'num_attention_heads', gguf: 'attention.head_count' });
  const kvHeads = fields.layerCount({ hf: 'num_key_value_heads', gguf: 'attention.head_count_kv' }, layers) ?? heads;
  const headDim = fields.count({ hf: 'head_dim', gguf: 'attention.key_length' }) ?? (isGguf ? undefined : defaults.headDim) ?? dim / heads;
  const valueDim = isGguf ? fields.count({ hf: '', gguf: 'attention.value_length' }) : undefined;
  const rope = parseRope(checkpoint, { headDim, defaultTheta: defaults.ropeTheta, isPartial: defaults.partialRotation });
  const rotaryDim = defaults.partialRotation === true ? undefined : (rope.rotaryDim ?? headDim);
  checkHeads(checkpoint.name, { heads, kvHeads, headDim, valueDim, rotaryDim });
  const embedding = parseEmbeddingHead(checkpoint);
  return {
    architecture: checkpoint.architecture,
    vocabSize: vocabSizeOf(checkpoint),
    contextLength: fields.requiredCount({ hf: 'max_position_embeddings', gguf: 'context_length' }, 2 ** 31),
    dim,
    layers,
    heads,
    kvHeads,
    headDim,
    ffnDim: required({ hf: 'intermediate_size', gguf: 'feed_forward_length' }),
    rmsEps: fields.positive({ hf: 'rms_norm_eps', gguf: 'attention.layer_norm_rms_epsilon' }) ?? defaults.rmsEps,
    rope,
    ...parseVisibility(checkpoint, layers, defaults.windows),
    tiedEmbeddings: embedding !== undefined || isTied(checkpoint),
    biases: biasesOf(checkpoint, defaults.linears),
    embedding,
  };
}

interface HeadSizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly valueDim: number | undefined;
  readonly rotaryDim: number | undefined;
}

function checkHeads(where: string, { heads, kvHeads, headDim, valueDim, rotaryDim }: HeadSizes): void {
  if (heads % kvHeads !== 0) {
    throw new FormatError(`${where}: the number of attention heads (${heads}) must be a multiple of the key/value heads (${kvHeads}).`);
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new FormatError(`${where}: the head dimension must be an even integer for rotary embedding, found ${headDim}.`);
  }
  if ((valueDim ?? headDim) !== headDim || (rotaryDim ?? headDim) !== headDim) {
    throw new FormatError(
      `${where}: key, value and rotary dimensions must be equal, found ${headDim}, ${valueDim ?? headDim} and ${rotaryDim ?? headDim}.`,
    );
  }
}

/** The embedding table decides: vocab_size may be absent from GGUF, and tables are often padded past the tokenizer. */
export function vocabSizeOf(checkpoint: Checkpoint): number {
  const name = checkpoint.format === 'gguf' ? 'token_embd.weight' : 'model.embed_tokens.weight';
  const rows = checkpoint.tensors.get(name)?.shape[0];
  if (rows === undefined) {
    const hint = checkpoint.tensors.size === 0 ? 'The file holds no weights (a vocabulary only?).' : 'The file is incomplete.';
    throw new FormatError(`${checkpoint.name}: expected tensor ${name}, found none. ${hint}`);
  }
  const named = configFields(checkpoint).count({ hf: 'vocab_size', gguf: 'vocab_size' });
  if (named !== undefined && named !== rows) {
    throw new FormatError(`${checkpoint.name}: ${name} must have as many rows as the vocabulary (${named}), found ${rows}.`);
  }
  return rows;
}

/** GGUF says it by the absence of a tensor; transformers leaves the key out where it is the class's default: tied only where said so. */
export function isTied({ format, config, name, tensors }: Checkpoint): boolean {
  if (format === 'gguf' || config === undefined) return !tensors.has('output.weight');
  return jsonBoolean(config, 'tie_word_embeddings', name) ?? !tensors.has('lm_head.weight');
}

/** GGUF says by the presence of tensors what config.json says in words. */
export function biasesOf({ format, config, name, tensors }: Checkpoint, linears: LinearTable): readonly string[] {
  const all = Object.keys(linears);
  const names = (own: string) => linears[own] as LinearNames;
  if (format === 'gguf' || config === undefined) return all.filter((own) => tensors.has(`blk.0.${names(own).gguf}.bias`));
  const isPresent = (own: string) => tensors.has(`model.layers.0.${names(own).safetensors}.bias`);
  return all.filter((own) => {
    const { biasKey } = names(own);
    if (jsonBoolean(config, biasKey, name) !== true) return false;
    // Where the key says so, those that are there; transformers takes the others as zeros.
    return isPresent(own) || !all.some((other) => names(other).biasKey === biasKey && isPresent(other));
  });
}
