/** OpenAI's sizes of Whisper, for files of random weights. */
import type { WhisperConfig } from './whisper-config.ts';
import { WHISPER_BIASES } from './whisper-config.ts';

export const WHISPER_SYNTH_MODELS = [
  'whisper-tiny', 'whisper-base', 'whisper-small', 'whisper-medium', 'whisper-large-v3', 'whisper-large-v3-turbo',
] as const;

interface WhisperSize {
  readonly dim: number;
  readonly encoderLayers: number;
  readonly layers: number;
  /** Of the mel; those of 128 know one language more. Default 80. */
  readonly bands?: 128;
}

const SIZES: Readonly<Record<(typeof WHISPER_SYNTH_MODELS)[number], WhisperSize>> = {
  'whisper-tiny': { dim: 384, encoderLayers: 4, layers: 4 },
  'whisper-base': { dim: 512, encoderLayers: 6, layers: 6 },
  'whisper-small': { dim: 768, encoderLayers: 12, layers: 12 },
  'whisper-medium': { dim: 1024, encoderLayers: 24, layers: 24 },
  'whisper-large-v3': { dim: 1280, encoderLayers: 32, layers: 32, bands: 128 },
  'whisper-large-v3-turbo': { dim: 1280, encoderLayers: 32, layers: 4, bands: 128 },
};

/** Heads are 64 wide, MLPs four times the width. */
export function whisperSynthConfig(model: (typeof WHISPER_SYNTH_MODELS)[number]): WhisperConfig {
  const { dim, encoderLayers, layers, bands = 80 } = SIZES[model];
  const heads = dim / 64;
  return {
    architecture: 'whisper', vocabSize: bands === 80 ? 51_865 : 51_866, contextLength: 448, dim, layers, heads, kvHeads: heads, headDim: 64,
    ffnDim: 4 * dim, melBands: bands, soundPositions: 1500, encoderLayers, encoderHeads: heads, encoderFfnDim: 4 * dim, alignmentHeads: [],
    rmsEps: 1e-5, rope: { theta: 10_000, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: WHISPER_BIASES,
  };
}
