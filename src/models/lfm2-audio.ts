/**
 * LFM2-Audio and LFM2.5-Audio: speech and text in, speech and text out. Liquid AI 2025; names as liquid_audio's folders have them.
 * An LFM2 reads text, what a conformer hears, and its own speech, and gives a text token or a frame of eight codes of 80 ms a step.
 */
import { buildModel } from '../graph/model-graphs.ts';
import type { Architecture } from './architecture.ts';
import { checkAudioSettings, parseLfm2AudioConfig } from './lfm2-audio-config.ts';
import type { Lfm2AudioConfig } from './lfm2-audio-config.ts';
import { writeBackbone, writeDepth, writeEars, writeVocoder } from './lfm2-audio-graphs.ts';
import { backbonePart, vocoderPart } from './lfm2-audio-parts.ts';
import { LFM2_AUDIO_SKIPS, lfm2AudioWeights } from './lfm2-audio-weights.ts';
import { lfm2 } from './lfm2.ts';
import { uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { lfm2Metadata } from './lfm2.ts';
import { VOCODER_PREFIX } from './lfm2-audio-parts.ts';

const GGUF = 'lfm2-audio';

function metadata(config: Lfm2AudioConfig): GgufMetadata {
  const { backbone, vocoder, ears, depth, interleaved } = config;
  const own = (name: string, value: number) => [`${GGUF}.${name}`, uint32(value)] as const;
  return new Map([
    ...lfm2Metadata(GGUF, backbone),
    ...lfm2Metadata(`${GGUF}.${VOCODER_PREFIX.slice(0, -1)}`, vocoder),
    own('interleaved_n_text', interleaved.text),
    own('interleaved_n_audio', interleaved.audio),
    own('depth.block_count', depth.layers),
    own('depth.embedding_length', depth.dim),
    own('ears.bands', ears.bins),
    own('ears.block_count', ears.layers),
    own('ears.embedding_length', ears.dim),
    own('ears.feed_forward_length', ears.ffnDim),
    own('ears.attention.head_count', ears.heads),
    own('ears.convolution_taps', ears.taps),
  ]);
}

export const lfm2Audio: Architecture<Lfm2AudioConfig> = {
  gguf: GGUF,
  safetensors: ['Lfm2AudioForConditionalGeneration'],
  parseConfig: parseLfm2AudioConfig,
  checkSettings(checkpoint, { backbone, vocoder }) {
    checkAudioSettings(checkpoint);
    const warnings = checkpoint.format === 'gguf'
      ? []
      : [...lfm2.checkSettings(backbonePart(checkpoint), backbone), ...lfm2.checkSettings(vocoderPart(checkpoint), vocoder)];
    return [...new Set(warnings)];
  },
  weights: lfm2AudioWeights,
  skips: LFM2_AUDIO_SKIPS,
  metadata,
  graphs: (config, { contextLength }) => buildModel(GGUF, (m) => {
    writeEars(m, config);
    writeBackbone(m, config, contextLength);
    writeDepth(m, config);
    writeVocoder(m, config);
  }, {}),
};
