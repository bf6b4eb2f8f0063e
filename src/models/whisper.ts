/**
 * Whisper: speech to text and translation. Radford et al. 2022; names as transformers' `whisper`, and as OpenAI's checkpoints, which ggml
 * files keep.
 * The encoder takes a log mel spectrogram of 30 s through two convolutions, the second of which halves the frames, and adds a table of
 * positions; its layers see all frames. The decoder adds a table of its own positions, and reads the keys and values that the encoder left.
 * Keys have no bias.
 */
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { Architecture } from './architecture.ts';
import { decoderSettings } from './decoder-settings.ts';
import { checkSettings } from './setting-table.ts';
import { reshape, tensor, transpose } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';
import { parseWhisperConfig, WHISPER_TAPS as TAPS, whisperSettings } from './whisper-config.ts';
import type { WhisperConfig } from './whisper-config.ts';
import { whisperGraphs } from './whisper-graphs.ts';

// Weights.

/** What OpenAI calls the parts of attention, and transformers. */
const PARTS = {
  q: { gguf: 'query', safetensors: 'q_proj' }, k: { gguf: 'key', safetensors: 'k_proj' }, v: { gguf: 'value', safetensors: 'v_proj' },
  o: { gguf: 'out', safetensors: 'out_proj' },
} as const;

interface Names {
  readonly id: string;
  readonly gguf: string;
  readonly safetensors: string;
}

function weightAndBias({ id, gguf, safetensors }: Names, shape: readonly [number] | readonly [number, number]): readonly WeightSpec[] {
  return [
    tensorSpec(id, shape, { gguf: `${gguf}.weight`, safetensors: `${safetensors}.weight` }),
    tensorSpec(`${id}.bias`, [shape[0]], { gguf: `${gguf}.bias`, safetensors: `${safetensors}.bias` }),
  ];
}

function attentionWeights(dim: number, { id, gguf, safetensors }: Names): readonly WeightSpec[] {
  return (['q', 'k', 'v', 'o'] as const).flatMap((part): readonly WeightSpec[] => {
    const names = { id: `${id}.${part}`, gguf: `${gguf}.${PARTS[part].gguf}`, safetensors: `${safetensors}.${PARTS[part].safetensors}` };
    const both = weightAndBias(names, [dim, dim]);
    return part === 'k' ? both.slice(0, 1) : both;
  });
}

function layerWeights(dim: number, ffnDim: number, { id, gguf, safetensors }: Names): readonly WeightSpec[] {
  return [
    ...weightAndBias({ id: `${id}.norm`, gguf: `${gguf}.attn_ln`, safetensors: `${safetensors}.self_attn_layer_norm` }, [dim]),
    ...attentionWeights(dim, { id: `${id}.attn`, gguf: `${gguf}.attn`, safetensors: `${safetensors}.self_attn` }),
    ...weightAndBias({ id: `${id}.mlp_norm`, gguf: `${gguf}.mlp_ln`, safetensors: `${safetensors}.final_layer_norm` }, [dim]),
    ...weightAndBias({ id: `${id}.mlp.up`, gguf: `${gguf}.mlp.0`, safetensors: `${safetensors}.fc1` }, [ffnDim, dim]),
    ...weightAndBias({ id: `${id}.mlp.down`, gguf: `${gguf}.mlp.2`, safetensors: `${safetensors}.fc2` }, [dim, ffnDim]),
  ];
}

/** Taps come before channels in the graph, behind them in files. */
function convolutionWeights(n: number, from: number, to: number): readonly WeightSpec[] {
  const shape = [to, TAPS * from];
  const tapsFirst = (name: string) => reshape(transpose(tensor(name, [to, from, TAPS])), shape);
  return [
    { id: `encoder.conv${n}`, shape, gguf: tapsFirst(`encoder.conv${n}.weight`), safetensors: tapsFirst(`model.encoder.conv${n}.weight`) },
    tensorSpec(`encoder.conv${n}.bias`, [to], { gguf: `encoder.conv${n}.bias`, safetensors: `model.encoder.conv${n}.bias` }),
  ];
}

function weights(config: WhisperConfig): readonly WeightSpec[] {
  const { dim, melBands, ffnDim, encoderFfnDim, layers, encoderLayers, soundPositions, contextLength, vocabSize } = config;
  const table = (id: string, rows: number, gguf: string, safetensors: string) =>
    tensorSpec(id, [rows, dim], { gguf, safetensors: `model.${safetensors}` });
  const names = (side: 'encoder' | 'decoder', n: number): Names =>
    ({ id: `${side}.layers.${n}`, gguf: `${side}.blocks.${n}`, safetensors: `model.${side}.layers.${n}` });
  return [
    ...convolutionWeights(1, melBands, dim),
    ...convolutionWeights(2, dim, dim),
    table('encoder.positions', soundPositions, 'encoder.positional_embedding', 'encoder.embed_positions.weight'),
    ...Array.from({ length: encoderLayers }, (_, n) => layerWeights(dim, encoderFfnDim, names('encoder', n))).flat(),
    ...weightAndBias({ id: 'encoder.norm', gguf: 'encoder.ln_post', safetensors: 'model.encoder.layer_norm' }, [dim]),
    table('embedding', vocabSize, 'decoder.token_embedding.weight', 'decoder.embed_tokens.weight'),
    table('positions', contextLength, 'decoder.positional_embedding', 'decoder.embed_positions.weight'),
    ...Array.from({ length: layers }, (_, n) => {
      const { id, gguf, safetensors } = names('decoder', n);
      const crossNorm = { id: `${id}.cross_norm`, gguf: `${gguf}.cross_attn_ln`, safetensors: `${safetensors}.encoder_attn_layer_norm` };
      return [
        ...layerWeights(dim, ffnDim, { id, gguf, safetensors }),
        ...weightAndBias(crossNorm, [dim]),
        ...attentionWeights(dim, { id: `${id}.cross`, gguf: `${gguf}.cross_attn`, safetensors: `${safetensors}.encoder_attn` }),
      ];
    }).flat(),
    ...weightAndBias({ id: 'norm', gguf: 'decoder.ln', safetensors: 'model.decoder.layer_norm' }, [dim]),
  ];
}

/** Keys of ggml's docs/gguf.md, and widths of MLPs, which it lacks. */
function metadata(config: WhisperConfig): GgufMetadata {
  const { dim, layers, encoderLayers, contextLength, soundPositions, heads, encoderHeads, ffnDim, encoderFfnDim, melBands } = config;
  const side = (name: string, sizes: Readonly<Record<string, number>>) =>
    Object.entries(sizes).map(([key, size]) => [`whisper.${name}.${key}`, uint32(size)] as const);
  return new Map([
    ...side('encoder', {
      context_length: soundPositions, embedding_length: dim, block_count: encoderLayers, mels_count: melBands,
      'attention.head_count': encoderHeads, feed_forward_length: encoderFfnDim,
    }),
    ...side('decoder', {
      context_length: contextLength, embedding_length: dim, block_count: layers, 'attention.head_count': heads, feed_forward_length: ffnDim,
    }),
  ]);
}

export const whisper: Architecture<WhisperConfig> = {
  gguf: 'whisper',
  safetensors: ['whisper'],
  parseConfig: parseWhisperConfig,
  // The norms' epsilon is one in all of them, and no file says it.
  checkSettings: (checkpoint, config) =>
    checkSettings(checkpoint, { ...decoderSettings(checkpoint, config, whisperSettings(config)), expected: undefined }),
  weights,
  skips: [{ pattern: /^proj_out\.weight$/, reason: 'the table of embeddings, again' }],
  metadata,
  graphs: whisperGraphs,
};
