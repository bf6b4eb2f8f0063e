/** Whisper's sizes and settings, of config.json and of GGUF's keys. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { configFields } from './config-fields.ts';
import { MOST_LAYERS } from './decoder-config.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { FamilySettings } from './decoder-settings.ts';

/** What DecoderConfig says of layers, heads and the MLP is the decoder's. */
export interface WhisperConfig extends DecoderConfig {
  readonly melBands: number;
  /** Positions of the encoder: half the frames of a window. */
  readonly soundPositions: number;
  readonly encoderLayers: number;
  readonly encoderHeads: number;
  readonly encoderFfnDim: number;
  /** Heads of cross attention that look at where a token is said, [layer, head] each. */
  readonly alignmentHeads: readonly (readonly [layer: number, head: number])[];
}

const NORM_EPS = 1e-5;
/** Products that have one, by the names that `decoder-graph.ts` gives them. */
export const WHISPER_BIASES = ['q', 'v', 'o', 'up', 'down'];
/** Of both convolutions. */
export const WHISPER_TAPS = 3;

export function parseWhisperConfig(checkpoint: Checkpoint): WhisperConfig {
  const { name, tensors, format, architecture } = checkpoint;
  const fields = configFields(checkpoint);
  const dim = fields.requiredCount({ hf: 'd_model', gguf: 'decoder.embedding_length' });
  const heads = fields.requiredCount({ hf: 'decoder_attention_heads', gguf: 'decoder.attention.head_count' });
  const encoderHeads = fields.requiredCount({ hf: 'encoder_attention_heads', gguf: 'encoder.attention.head_count' });
  for (const count of [heads, encoderHeads])
    if (dim % count !== 0) throw new FormatError(`${name}: the width (${dim}) must be a multiple of the attention heads (${count}).`);
  const table = format === 'gguf' ? 'decoder.token_embedding.weight' : 'model.decoder.embed_tokens.weight';
  const vocabSize = tensors.get(table)?.shape[0];
  if (vocabSize === undefined) throw new FormatError(`${name}: expected tensor ${table}, found none. The file is incomplete.`);
  const layers = fields.requiredCount({ hf: 'decoder_layers', gguf: 'decoder.block_count' }, MOST_LAYERS);
  return {
    architecture, dim, layers,
    alignmentHeads: alignmentHeads(checkpoint, { layers, heads }), heads, kvHeads: heads, headDim: dim / heads, vocabSize, encoderHeads,
    melBands: fields.requiredCount({ hf: 'num_mel_bins', gguf: 'encoder.mels_count' }),
    soundPositions: fields.requiredCount({ hf: 'max_source_positions', gguf: 'encoder.context_length' }),
    contextLength: fields.requiredCount({ hf: 'max_target_positions', gguf: 'decoder.context_length' }),
    encoderLayers: fields.requiredCount({ hf: 'encoder_layers', gguf: 'encoder.block_count' }, MOST_LAYERS),
    ffnDim: fields.requiredCount({ hf: 'decoder_ffn_dim', gguf: 'decoder.feed_forward_length' }),
    encoderFfnDim: fields.requiredCount({ hf: 'encoder_ffn_dim', gguf: 'encoder.feed_forward_length' }),
    rmsEps: NORM_EPS,
    rope: { theta: 10_000, scaling: { kind: 'none' } },
    causal: true,
    tiedEmbeddings: true,
    biases: WHISPER_BIASES,
  };
}

export function whisperSettings({ vocabSize, encoderLayers, contextLength }: WhisperConfig): FamilySettings {
  return {
    safetensors: {
      obeyed: [
        'd_model', 'num_mel_bins', 'max_source_positions', 'max_target_positions', 'encoder_layers', 'decoder_layers',
        'encoder_attention_heads', 'decoder_attention_heads', 'encoder_ffn_dim', 'decoder_ffn_dim',
      ],
      // Training, a head for classes, and what generation_config.json says again.
      harmless: [
        'mask_*', 'apply_spec_augment', 'dropout', 'activation_dropout', 'encoder_layerdrop', 'decoder_layerdrop', 'init_std',
        'classifier_proj_size', 'median_filter_width', 'forced_decoder_ids', 'alignment_heads', 'lang_to_id', 'task_to_id',
      ],
      neutral: {
        activation_function: ['gelu'], is_encoder_decoder: [true], scale_embedding: [false], use_weighted_layer_sum: [false],
        vocab_size: [vocabSize], tie_word_embeddings: [true], num_hidden_layers: [encoderLayers], max_position_embeddings: [contextLength],
      },
    },
    gguf: {
      obeyed: [
        'encoder.mels_count', 'mel_filters',
        ...['context_length', 'block_count', 'embedding_length', 'attention.head_count', 'feed_forward_length']
          .flatMap((key) => [`encoder.${key}`, `decoder.${key}`]),
      ],
      neutral: {},
    },
  };
}

/** What generation_config.json lists; otherwise, as openai-whisper has it, all heads of the upper half of the layers. */
function alignmentHeads(
  { assets, name }: Checkpoint, { layers, heads }: { readonly layers: number; readonly heads: number },
): WhisperConfig['alignmentHeads'] {
  const text = assets.get('generation_config.json');
  const listed = text === undefined ? undefined : parseJsonObject(text, `${name}: generation_config.json`)['alignment_heads'];
  if (listed === undefined || listed === null) {
    const first = Math.floor(layers / 2);
    return Array.from({ length: (layers - first) * heads }, (_, i) => [first + Math.floor(i / heads), i % heads]);
  }
  const isBelow = (value: unknown, most: number): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) < most;
  if (Array.isArray(listed) && listed.length > 0 && listed.every((pair) =>
    Array.isArray(pair) && pair.length === 2 && isBelow(pair[0], layers) && isBelow(pair[1], heads)))
    return listed as unknown as WhisperConfig['alignmentHeads'];
  throw new FormatError(
    `${name}: alignment_heads of generation_config.json must be pairs of a layer below ${layers} and a head below ${heads}, ` +
      `found ${JSON.stringify(listed).slice(0, 80)}.`,
  );
}
