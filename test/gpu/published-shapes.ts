/** Graphs of published models at their sizes, for plans: as many of their layers as a plan has to show. */
import type { ModelGraphs } from '../../src/graph/model-graphs.ts';
import { gemma3 } from '../../src/models/gemma3.ts';
import type { Gemma3Config } from '../../src/models/gemma3.ts';
import { gemma4 } from '../../src/models/gemma4.ts';
import type { Gemma4Config, Gemma4Layer } from '../../src/models/gemma4-config.ts';
import { lfm2 } from '../../src/models/lfm2.ts';
import type { Lfm2Config } from '../../src/models/lfm2.ts';
import { qwen35 } from '../../src/models/qwen3-5.ts';
import type { Qwen35Config } from '../../src/models/qwen3-5.ts';
import { synthPlan } from '../../src/models/synth-shapes.ts';
import { olmo3 } from '../../src/models/olmo3.ts';

const GRAPH_SETTING = { contextLength: 4096, constants: new Map<string, Float32Array>() };

const GEMMA = {
  vocabSize: 262_144, rmsEps: 1e-6, rope: { theta: 1e6, scaling: { kind: 'none' } },
  slidingRope: { theta: 10_000, scaling: { kind: 'none' } },
  causal: true, tiedEmbeddings: true, biases: [], kvHeads: 1, headDim: 256,
} as const;

/** Gemma 3 1B: a layer with a window, and one without. */
export function gemma3Shape(): ModelGraphs {
  const config: Gemma3Config = {
    ...GEMMA, architecture: 'gemma3', contextLength: 32_768, dim: 1152, layers: 2, heads: 4, ffnDim: 6912,
    window: { size: 512, layers: [true, false] }, attentionScale: 1 / 16, embeddingScale: 34, logitSoftcap: undefined,
  };
  return gemma3.graphs(config, GRAPH_SETTING);
}

/** Layer `n` of Gemma 4 E2B: every fifth sees all; from the 15th on they read the keys and values of the last of their kind before it. */
function layerOfE2b(n: number): Gemma4Layer {
  const slides = (n + 1) % 5 !== 0;
  const owner = n < 15 ? undefined : slides ? 13 : 14;
  return { slides, headDim: slides ? 256 : 512, kvHeads: 1, ffnDim: owner === undefined ? 6144 : 12_288, valuesAreKeys: false, owner };
}

export const E2B_LAYERS: readonly number[] = Array.from({ length: 35 }, (_, n) => n);

/** Gemma 4 E2B, those of its layers that have the given numbers; 13 and 14 are the owners of others. */
export function gemma4Shape(numbers: readonly number[]): ModelGraphs {
  const layers = numbers.length;
  const each = numbers.map(layerOfE2b).map((layer) => ({ ...layer, owner: layer.owner && numbers.indexOf(layer.owner) }));
  const config: Gemma4Config = {
    ...GEMMA, architecture: 'gemma4', contextLength: 131_072, dim: 1536, layers, heads: 8, ffnDim: 6144, each,
    window: { size: 512, layers: each.map(({ slides }) => slides) },
    rope: { theta: 1e6, scaling: { kind: 'proportional', share: 0.25, factor: 1 } },
    fullHeadDim: 512, perLayerDim: 256, logitSoftcap: 30, hasLayerScale: true, mixture: undefined, embeddingScale: Math.sqrt(1536),
  };
  return gemma4.graphs(config, GRAPH_SETTING);
}

/** OLMo 3 7B: a layer with a window, and one without. */
export function olmo3Shape(): ModelGraphs {
  const rope = { theta: 500_000, scaling: { kind: 'none' } } as const;
  const config = {
    architecture: 'olmo3', vocabSize: 100_278, contextLength: 8192, dim: 4096, layers: 2, heads: 32, kvHeads: 32, headDim: 128,
    ffnDim: 11_008, rmsEps: 1e-6, rope, slidingRope: rope, causal: true, window: { size: 4096, layers: [true, false] },
    tiedEmbeddings: false, biases: [],
  } as const;
  return olmo3.graphs(config, GRAPH_SETTING);
}

/** LFM2.5 1.2B: a layer with a convolution, and one with attention. */
export function lfm2Shape(): ModelGraphs {
  const config: Lfm2Config = {
    architecture: 'lfm2', vocabSize: 65_536, contextLength: 128_000, dim: 2048, layers: 2, heads: 32, kvHeads: 8, headDim: 64,
    ffnDim: 8192, rmsEps: 1e-5, rope: { theta: 1e6, scaling: { kind: 'none' } }, causal: true, tiedEmbeddings: true, biases: [],
    attends: [false, true], convolutionWidth: 3, isChannelLast: false,
  };
  return lfm2.graphs(config, GRAPH_SETTING);
}

/** Qwen3.5 4B: three layers of the gated delta rule, and one with attention. */
export function qwen35Shape(): ModelGraphs {
  return qwen35.graphs(synthPlan('qwen3.5-4b', 'q4_0', 4).config as Qwen35Config, GRAPH_SETTING);
}
