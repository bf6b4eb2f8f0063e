/** Real shapes for files of random weights, from the published config.json files. Benchmarks need sizes, not weights. */
import type { DecoderConfig } from './decoder-config.ts';
import { ARCHITECTURES } from './open-decoder.ts';
import { constantTensors, generalMetadata, ggufTensors, tensorTypeFor } from './gguf-export.ts';
import type { ExportType } from './gguf-export.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

export const SYNTH_MODELS = ['qwen3-0.6b', 'qwen3-4b', 'llama-3.2-1b', 'llama-3.2-3b'] as const;
export type SynthModel = (typeof SYNTH_MODELS)[number];

export const SYNTH_TYPES = ['q4_0', 'q8_0', 'q4_k_m', 'f16'] as const satisfies readonly ExportType[];
export type SynthType = (typeof SYNTH_TYPES)[number];

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
  readonly vocabulary: 'chatml' | 'headers';
  /** Standard deviation of the weights that keeps activations near one: a row's product with a normed vector has variance one. */
  readonly deviation: number;
}

const QWEN3 = {
  architecture: 'qwen3', vocabSize: 151_936, contextLength: 40_960, kvHeads: 8, headDim: 128, rmsEps: 1e-6,
  rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: [],
} as const;

const LLAMA_3_2 = {
  architecture: 'llama', vocabSize: 128_256, contextLength: 131_072, kvHeads: 8, rmsEps: 1e-5,
  rope: { theta: 500_000, scaling: { kind: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 } },
  causal: true, tiedEmbeddings: true, biases: [],
} as const;

interface SynthShape {
  readonly vocabulary: SynthPlan['vocabulary'];
  readonly config: DecoderConfig;
}

const SHAPES: Readonly<Record<SynthModel, SynthShape>> = {
  'qwen3-0.6b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 1024, layers: 28, heads: 16, ffnDim: 3072 } },
  'qwen3-4b': { vocabulary: 'chatml', config: { ...QWEN3, dim: 2560, layers: 36, heads: 32, ffnDim: 9728 } },
  'llama-3.2-1b': { vocabulary: 'headers', config: { ...LLAMA_3_2, dim: 2048, layers: 16, heads: 32, headDim: 64, ffnDim: 8192 } },
  'llama-3.2-3b': { vocabulary: 'headers', config: { ...LLAMA_3_2, dim: 3072, layers: 28, heads: 24, headDim: 128, ffnDim: 8192 } },
};

/** What the file of a model holds: keys without the vocabulary, and tensors, norms being all ones. */
export function synthPlan(model: SynthModel, type: SynthType): SynthPlan {
  const { config, vocabulary } = SHAPES[model];
  const architecture = ARCHITECTURES.find(({ gguf }) => gguf === config.architecture)!;
  const tensors = ggufTensors(architecture.weights(config), model).map(({ name, shape, weights }) => ({
    name,
    type: tensorTypeFor({ weights, shape }, type, config),
    shape,
    from: shape.length === 1 ? new Float32Array(shape[0]!).fill(1) : undefined,
  }));
  return {
    config,
    vocabulary,
    metadata: new Map([...generalMetadata(architecture.gguf, type, `${model} with random weights`), ...architecture.metadata(config)]),
    tensors: [...constantTensors(architecture, config), ...tensors],
    deviation: 1 / Math.sqrt(config.dim),
  };
}
