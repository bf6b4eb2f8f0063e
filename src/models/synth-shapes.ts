/** Real shapes for files of random weights, from the published config.json files. Benchmarks need sizes, not weights. */
import type { DecoderConfig } from './decoder-config.ts';
import type { Gemma3Config } from './gemma3.ts';
import type { Gemma4Config } from './gemma4-config.ts';
import type { Lfm2AudioConfig } from './lfm2-audio-config.ts';
import type { Lfm2Config } from './lfm2.ts';
import { ARCHITECTURES } from './open-decoder.ts';
import { constantTensors, generalMetadata } from './gguf-export.ts';
import { ggufTensors } from './gguf-tensors.ts';
import { EXPORT_TYPES, tensorTypes } from './gguf-mixes.ts';
import type { ExportType } from './gguf-mixes.ts';
import type { ParakeetConfig } from './parakeet.ts';
import type { Qwen35Config } from './qwen3-5.ts';
import type { SmolLm3Config } from './smollm3.ts';
import type { Qwen3VlConfig } from './qwen3-vl.ts';
import { SYNTH_MIXTURES } from './synth-mixtures.ts';
import { WHISPER_SYNTH_MODELS, whisperSynthConfig } from './synth-whisper.ts';
import { projectorPlan, SYNTH_TOWERS } from './synth-towers.ts';
import type { ProjectorPlan } from './synth-towers.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { InputError } from '../tensor/errors.ts';
import { elementsOf } from '../tensor/tensor-type.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

export const SYNTH_MODELS = [
  'qwen3-0.6b', 'qwen3-1.7b', 'qwen3-4b', 'qwen3-8b', 'qwen2.5-1.5b', 'llama-3.2-1b', 'llama-3.2-3b', 'smollm3-3b', 'phi-4-mini',
  'gemma-3-1b', 'gemma-4-e2b', 'lfm2.5-1.2b', 'qwen3.5-0.8b', 'qwen3.5-4b', 'qwen3-30b-a3b', 'lfm2-8b-a1b', 'gpt-oss-20b',
  'qwen3.5-35b-a3b', 'lfm2.5-audio-1.5b', 'parakeet-tdt-0.6b', ...WHISPER_SYNTH_MODELS,
  'lfm2.5-vl-1.6b', 'qwen3-vl-2b',
] as const;
export type SynthModel = (typeof SYNTH_MODELS)[number];

/** Files of f32 and bf16 are of no use to a benchmark of these sizes. */
export type SynthType = Exclude<ExportType, 'f32' | 'bf16'>;
export const SYNTH_TYPES = EXPORT_TYPES.filter((type): type is SynthType => type !== 'f32' && type !== 'bf16');

export interface SynthPlan {
  readonly config: DecoderConfig;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly {
    readonly name: string;
    readonly type: WeightType;
    readonly shape: readonly number[];
    readonly from?: Float32Array | undefined;
  }[];
  /** How the model marks the turns of a chat, which decides its special tokens. */
  readonly vocabulary: 'chatml' | 'headers' | 'whisper';
  /** Standard deviation of the weights that keeps activations near one: a row's product with a normed vector has variance one. */
  readonly deviation: number;
  /** Of a model that sees: the file of its tower, which lies beside it. */
  readonly projector?: ProjectorPlan | undefined;
}

const QWEN3 = {
  architecture: 'qwen3', vocabSize: 151_936, contextLength: 40_960, kvHeads: 8, headDim: 128, rmsEps: 1e-6,
  rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: [],
} as const;

/** As nvidia/parakeet-tdt-0.6b-v3; v2 has a smaller vocabulary. */
const PARAKEET_TDT_0_6B: ParakeetConfig = {
  architecture: 'parakeet_tdt', vocabSize: 8193, blankId: 8192, dim: 1024, layers: 24, heads: 8, kvHeads: 8, headDim: 128, ffnDim: 4096,
  encoder: {
    bins: 128, planes: 256, halvings: 3, dim: 1024, heads: 8, ffnDim: 4096, layers: 24, taps: 9, inputScale: 1,
    biases: { products: false, convolutions: false },
  },
  transducer: { width: 640, layers: 2, durations: [0, 1, 2, 3, 4], mostSymbols: 10 },
  contextLength: 1, rmsEps: 1e-5, rope: { theta: 10_000, scaling: { kind: 'none' } }, causal: false, tiedEmbeddings: false, biases: [],
};

const QWEN3_VL_2B: Qwen3VlConfig = {
  ...QWEN3, architecture: 'qwen3vl', contextLength: 262_144, dim: 2048, layers: 28, heads: 16, ffnDim: 6144,
  rope: { theta: 5e6, scaling: { kind: 'none' } }, ropeSections: [24, 20, 20], deepLayers: 3,
};

const LLAMA_3_2 = {
  architecture: 'llama', vocabSize: 128_256, contextLength: 131_072, kvHeads: 8, rmsEps: 1e-5,
  rope: { theta: 500_000, scaling: { kind: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 } },
  causal: true, tiedEmbeddings: true, biases: [],
} as const;

const QWEN2_5_1_5B = {
  architecture: 'qwen2', vocabSize: 151_936, contextLength: 32_768, dim: 1536, layers: 28, heads: 12, kvHeads: 2,
  headDim: 128, ffnDim: 8960,
  rmsEps: 1e-6, rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: ['q', 'k', 'v'],
} as const;

const SMOLLM3_3B: SmolLm3Config = {
  architecture: 'smollm3', vocabSize: 128_256, contextLength: 65_536, dim: 2048, layers: 36, heads: 16, kvHeads: 4, headDim: 128,
  ffnDim: 11_008, rmsEps: 1e-6, rope: { theta: 5e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: [],
  rotated: Array.from({ length: 36 }, (_, n) => n % 4 !== 3),
};

/** Its window is longer than its context. The long factors rise as the published ones do. */
const PHI_4_MINI = {
  architecture: 'phi3', vocabSize: 200_064, contextLength: 131_072, dim: 3072, layers: 32, heads: 24, kvHeads: 8,
  headDim: 128, ffnDim: 8192,
  rmsEps: 1e-5, causal: true, tiedEmbeddings: true, biases: [],
  rope: {
    theta: 10_000, rotaryDim: 96,
    scaling: {
      kind: 'longrope', originalContextLength: 4096, magnitude: Math.sqrt(1 + Math.log(32) / Math.log(4096)),
      shortFactors: Array.from({ length: 48 }, () => 1), longFactors: Array.from({ length: 48 }, (_, i) => Math.min(1.118320672 ** i, 32)),
    },
  },
} as const;

const GEMMA_3_1B: Gemma3Config = {
  architecture: 'gemma3', vocabSize: 262_144, contextLength: 32_768, dim: 1152, layers: 26, heads: 4, kvHeads: 1, headDim: 256,
  ffnDim: 6912, rmsEps: 1e-6, causal: true, tiedEmbeddings: true, biases: [], attentionScale: 256 ** -0.5,
  embeddingScale: Math.fround(Math.sqrt(1152)), logitSoftcap: undefined, rope: { theta: 1e6, scaling: { kind: 'none' } },
  slidingRope: { theta: 10_000, scaling: { kind: 'none' } },
  window: { size: 512, layers: Array.from({ length: 26 }, (_, n) => (n + 1) % 6 !== 0) },
};

/** Four layers with a window and then one without; the last 20 read the keys and values of layers 13 and 14. */
const GEMMA_4_E2B: Gemma4Config = {
  architecture: 'gemma4', vocabSize: 262_144, contextLength: 131_072, dim: 1536, layers: 35, heads: 8, kvHeads: 1, headDim: 256,
  fullHeadDim: 512, ffnDim: 6144, rmsEps: 1e-6, causal: true, tiedEmbeddings: true, biases: [], perLayerDim: 256, logitSoftcap: 30,
  hasLayerScale: true, mixture: undefined, embeddingScale: Math.fround(Math.sqrt(1536)),
  rope: { theta: 1e6, scaling: { kind: 'proportional', share: 0.25, factor: 1 } },
  slidingRope: { theta: 10_000, scaling: { kind: 'none' } },
  window: { size: 512, layers: Array.from({ length: 35 }, (_, n) => (n + 1) % 5 !== 0) },
  each: Array.from({ length: 35 }, (_, n) => {
    const slides = (n + 1) % 5 !== 0;
    const isShared = n >= 15;
    return {
      slides, headDim: slides ? 256 : 512, kvHeads: 1, ffnDim: isShared ? 12_288 : 6144, valuesAreKeys: false,
      owner: isShared ? (slides ? 13 : 14) : undefined,
    };
  }),
};

const LFM2_5_1_2B: Lfm2Config = {
  architecture: 'lfm2', vocabSize: 65_536, contextLength: 128_000, dim: 2048, layers: 16, heads: 32, kvHeads: 8, headDim: 64,
  ffnDim: 8192, rmsEps: 1e-5, rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: [],
  attends: Array.from({ length: 16 }, (_, n) => [2, 5, 8, 10, 12, 14].includes(n)), convolutionWidth: 3, isChannelLast: false,
};

/** The vocoder's attention sees 30 positions, in layers 2, 4 and 6. */
const LFM2_5_AUDIO_1_5B: Lfm2AudioConfig = {
  ...LFM2_5_1_2B, architecture: 'lfm2-audio', backbone: LFM2_5_1_2B,
  ears: {
    bins: 128, planes: 256, halvings: 3, dim: 512, heads: 8, ffnDim: 2048, layers: 17, taps: 9, inputScale: 1,
    biases: { products: true, convolutions: true },
  },
  depth: { layers: 6, dim: 1024, heads: 32, kvHeads: 8, headDim: 32, ffnDim: 2816, rmsEps: 1e-5, theta: 1e6 },
  vocoder: {
    ...LFM2_5_1_2B, vocabSize: 16_384, dim: 512, layers: 8, heads: 16, headDim: 32, ffnDim: 2304,
    attends: Array.from({ length: 8 }, (_, n) => [2, 4, 6].includes(n)),
    window: { size: 30, layers: Array.from({ length: 8 }, () => true) },
  },
  audioVocab: 2049, bins: 641, interleaved: { text: 6, audio: 12 },
};

/** Every fourth layer has attention. */
function qwen35(
  sizes: Pick<DecoderConfig, 'dim' | 'layers' | 'heads' | 'kvHeads' | 'ffnDim'>, valueHeads: number,
): Qwen35Config {
  return {
    ...sizes, architecture: 'qwen35', vocabSize: 248_320, contextLength: 262_144, headDim: 256, rmsEps: 1e-6, causal: true,
    rope: { theta: 1e7, rotaryDim: 64, scaling: { kind: 'none' } }, tiedEmbeddings: true, biases: [],
    attends: Array.from({ length: sizes.layers }, (_, n) => n % 4 === 3), keyHeadMap: 'tiled', gainsLessOne: false, isChannelLast: false,
    delta: { keyHeads: 16, valueHeads, keyDim: 128, valueDim: 128, convolutionWidth: 4 }, ropeSections: [11, 11, 10],
  };
}

interface SynthShape {
  readonly vocabulary: SynthPlan['vocabulary'];
  readonly config: DecoderConfig;
  /** The scale of scores lies in the gains of q's norm. Default false. */
  readonly hasScaledQueries?: boolean;
}

const WHISPER_SHAPES = Object.fromEntries(
  WHISPER_SYNTH_MODELS.map((model) => [model, { vocabulary: 'whisper', config: whisperSynthConfig(model) }]),
) as unknown as Readonly<Record<(typeof WHISPER_SYNTH_MODELS)[number], SynthShape>>;

const SHAPES: Readonly<Record<SynthModel, SynthShape>> = {
  'qwen3-0.6b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 1024, layers: 28, heads: 16, ffnDim: 3072 } },
  'qwen3-1.7b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 2048, layers: 28, heads: 16, ffnDim: 6144 } },
  'qwen3-4b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 2560, layers: 36, heads: 32, ffnDim: 9728 } },
  'qwen3-8b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 4096, layers: 36, heads: 32, ffnDim: 12_288, tiedEmbeddings: false } },
  'qwen2.5-1.5b': { vocabulary: 'chatml', config: QWEN2_5_1_5B },
  'llama-3.2-1b': { vocabulary: 'headers', config: { ...LLAMA_3_2, dim: 2048, layers: 16, heads: 32, headDim: 64, ffnDim: 8192 } },
  'llama-3.2-3b': { vocabulary: 'headers', config: { ...LLAMA_3_2, dim: 3072, layers: 28, heads: 24, headDim: 128, ffnDim: 8192 } },
  'smollm3-3b': { vocabulary: 'headers', config: SMOLLM3_3B },
  'phi-4-mini': { vocabulary: 'chatml', config: PHI_4_MINI },
  'gemma-3-1b': { vocabulary: 'headers', config: GEMMA_3_1B },
  'qwen3.5-0.8b': { vocabulary: 'chatml', config: qwen35({ dim: 1024, layers: 24, heads: 8, kvHeads: 2, ffnDim: 3584 }, 16) },
  'qwen3.5-4b': { vocabulary: 'chatml', config: qwen35({ dim: 2560, layers: 32, heads: 16, kvHeads: 4, ffnDim: 9216 }, 32) },
  'gemma-4-e2b': { vocabulary: 'headers', config: GEMMA_4_E2B, hasScaledQueries: true },
  'lfm2.5-1.2b': { vocabulary: 'chatml', config: LFM2_5_1_2B },
  'qwen3-30b-a3b': { vocabulary: 'chatml', config: SYNTH_MIXTURES['qwen3-30b-a3b'] },
  'lfm2.5-audio-1.5b': { vocabulary: 'chatml', config: LFM2_5_AUDIO_1_5B },
  'lfm2-8b-a1b': { vocabulary: 'chatml', config: SYNTH_MIXTURES['lfm2-8b-a1b'] },
  'gpt-oss-20b': { vocabulary: 'headers', config: SYNTH_MIXTURES['gpt-oss-20b'] },
  'qwen3.5-35b-a3b': { vocabulary: 'chatml', config: SYNTH_MIXTURES['qwen3.5-35b-a3b'] },
  'parakeet-tdt-0.6b': { vocabulary: 'chatml', config: PARAKEET_TDT_0_6B },
  ...WHISPER_SHAPES,
  'lfm2.5-vl-1.6b': { vocabulary: 'chatml', config: LFM2_5_1_2B },
  'qwen3-vl-2b': { vocabulary: 'chatml', config: QWEN3_VL_2B },
};

/**
 * Biases take both signs, but not those that choose experts; rates of decay run from slow to fast; gains are ones, but those of queries
 * that hold the scale of scores.
 */
function madeVector(name: string, length: number, hasScaledQueries: boolean): Float32Array {
  if (name.endsWith('.exp_probs_b.bias')) return new Float32Array(length);
  if (name.endsWith('.bias')) return Float32Array.from({ length }, (_, i) => (i % 2 === 0 ? 0.25 : -0.25));
  if (name.endsWith('.ssm_a')) return Float32Array.from({ length }, (_, i) => -(2 ** ((8 * i) / length - 6)));
  return new Float32Array(length).fill(hasScaledQueries && name.endsWith('.attn_q_norm.weight') ? length ** -0.5 : 1);
}

/** Of a few channels' own weights, whose sums are no smaller than what they read. */
function madeConvolution(shape: readonly number[]): Float32Array {
  return Float32Array.from({ length: elementsOf(shape) }, (_, i) => ((7 * i) % 11) / 6 - 5 / 6);
}

/** Of the first `layers` layers; lists of what each layer is are as long as its layers, also of a model within that has as many. */
function shortened(config: DecoderConfig, layers: number): DecoderConfig {
  const isOfLayers = (value: unknown) => Array.isArray(value) && value.length === config.layers && typeof value[0] !== 'number';
  const cut = (value: unknown): unknown => {
    if (isOfLayers(value)) return (value as readonly unknown[]).slice(0, layers);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const isLayers = (key: string, own: unknown) => key === 'layers' && own === config.layers;
    return Object.fromEntries(Object.entries(value).map(([key, own]) => [key, isLayers(key, own) ? layers : cut(own)]));
  };
  return { ...(cut(config) as DecoderConfig), layers };
}

/**
 * What the file of a model holds: keys without the vocabulary, and tensors. `layers`: only so many of the first layers.
 * @throws InputError for more layers than the model has
 */
export function synthPlan(model: SynthModel, type: SynthType, layers?: number): SynthPlan {
  const { config: whole, vocabulary, hasScaledQueries = false } = SHAPES[model];
  if (layers !== undefined && !(Number.isSafeInteger(layers) && layers >= 1 && layers <= whole.layers))
    throw new InputError(`layers must be from 1 to ${whole.layers}, the layers of ${model}; found ${layers}.`);
  const config = layers === undefined ? whole : shortened(whole, layers);
  const architecture = ARCHITECTURES.find(({ gguf }) => gguf === config.architecture)!;
  const planned = ggufTensors(architecture.weights(config), model);
  const types = tensorTypes(planned, type, config);
  const tensors = planned.map(({ name, shape, weights }, i) => ({
    name,
    type: types[i] as WeightType,
    shape,
    from: shape.length === 1 || name.endsWith('.bias')
      ? madeVector(name, elementsOf(shape), hasScaledQueries)
      : weights.some((id) => id.endsWith('.convolution')) ? madeConvolution(shape) : undefined,
  }));
  return {
    config,
    vocabulary,
    metadata: new Map([...generalMetadata(architecture.gguf, type, `${model} with random weights`), ...architecture.metadata(config)]),
    tensors: [...constantTensors(architecture, config), ...tensors],
    deviation: 1 / Math.sqrt(config.dim),
    projector: model === 'lfm2.5-vl-1.6b' || model === 'qwen3-vl-2b' ? projectorPlan(SYNTH_TOWERS[model]) : undefined,
  };
}
