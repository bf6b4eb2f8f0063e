/** Real shapes of models with experts, for files of random weights, from the published config.json files. */
import type { DecoderConfig } from './decoder-config.ts';
import type { GptOssConfig } from './gpt-oss.ts';
import type { Lfm2MoeConfig } from './lfm2-moe.ts';
import type { Mixture } from './mixture.ts';
import type { Qwen35MoeConfig } from './qwen3-5-moe.ts';
import type { Qwen3MoeConfig } from './qwen3-moe.ts';
import { yarnMagnitude } from './rope-frequencies.ts';

type MixtureSizes = Pick<Mixture, 'experts' | 'used' | 'ffnDim'>;

function mixtureOf(sizes: MixtureSizes, layers: number, dense = 0): Mixture {
  return { ...sizes, layers: Array.from({ length: layers }, (_, n) => n >= dense), stored: { gguf: 'stacked', safetensors: 'fused' } };
}

const PLAIN = { causal: true, biases: [] } as const;

const QWEN3_30B_A3B: Qwen3MoeConfig = {
  ...PLAIN, architecture: 'qwen3moe', vocabSize: 151_936, contextLength: 40_960, dim: 2048, layers: 48, heads: 32, kvHeads: 4, headDim: 128,
  ffnDim: 6144, rmsEps: 1e-6, rope: { theta: 1e6, scaling: { kind: 'none' } }, tiedEmbeddings: false, normalised: true,
  mixture: mixtureOf({ experts: 128, used: 8, ffnDim: 768 }, 48),
};

const LFM2_8B_A1B: Lfm2MoeConfig = {
  ...PLAIN, architecture: 'lfm2moe', vocabSize: 65_536, contextLength: 128_000, dim: 2048, layers: 24, heads: 32, kvHeads: 8, headDim: 64,
  ffnDim: 7168, rmsEps: 1e-5, rope: { theta: 1e6, scaling: { kind: 'none' } }, tiedEmbeddings: true,
  attends: Array.from({ length: 24 }, (_, n) => [2, 6, 10, 14, 18, 21].includes(n)), convolutionWidth: 3, isChannelLast: false,
  hasSelectionBias: true, normalised: true, routedScale: 1, mixture: mixtureOf({ experts: 32, used: 4, ffnDim: 1792 }, 24, 2),
};

const GPT_OSS_20B: GptOssConfig = {
  ...PLAIN, architecture: 'gpt-oss', vocabSize: 201_088, contextLength: 131_072, dim: 2880, layers: 24, heads: 64, kvHeads: 8, headDim: 64,
  ffnDim: 2880, rmsEps: 1e-5, tiedEmbeddings: false, window: { size: 128, layers: Array.from({ length: 24 }, (_, n) => n % 2 === 0) },
  rope: {
    theta: 150_000,
    scaling: {
      kind: 'yarn', factor: 32, originalContextLength: 4096, betaFast: 32, betaSlow: 1, truncate: false, magnitude: yarnMagnitude(32),
    },
  },
  mixture: mixtureOf({ experts: 32, used: 4, ffnDim: 2880 }, 24), hasBlocks: false,
};

const QWEN3_5_35B_A3B: Qwen35MoeConfig = {
  ...PLAIN, architecture: 'qwen35moe', vocabSize: 248_320, contextLength: 262_144, dim: 2048, layers: 40, heads: 16, kvHeads: 2,
  headDim: 256, ffnDim: 512, rmsEps: 1e-6, rope: { theta: 1e7, rotaryDim: 64, scaling: { kind: 'none' } }, tiedEmbeddings: false,
  attends: Array.from({ length: 40 }, (_, n) => n % 4 === 3), keyHeadMap: 'tiled', gainsLessOne: false, isChannelLast: false,
  delta: { keyHeads: 16, valueHeads: 32, keyDim: 128, valueDim: 128, convolutionWidth: 4 }, ropeSections: [11, 11, 10],
  isShareVector: false, mixture: mixtureOf({ experts: 256, used: 8, ffnDim: 512 }, 40),
};

export const SYNTH_MIXTURES = {
  'qwen3-30b-a3b': QWEN3_30B_A3B,
  'lfm2-8b-a1b': LFM2_8B_A1B,
  'gpt-oss-20b': GPT_OSS_20B,
  'qwen3.5-35b-a3b': QWEN3_5_35B_A3B,
} as const satisfies Readonly<Record<string, DecoderConfig>>;
