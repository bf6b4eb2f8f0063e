/** Speeds that others have published, with where and how: figures of theirs, never repeated by us. */
import type { ExportType } from '../../models/gguf-mixes.ts';
import type { SynthModel } from '../../models/synth-shapes.ts';
import type { ChipName } from './chips.ts';

export interface Source {
  readonly title: string;
  readonly url: string;
  readonly date: string;
  /** What the source says of how it measured. */
  readonly conditions: string;
}

export const SOURCES = {
  metalrt: {
    title: 'RunAnywhere, the fastest LLM decode engine for Apple Silicon',
    url: 'https://www.runanywhere.ai/blog/metalrt-fastest-llm-decode-engine-apple-silicon',
    date: '2026-03-03',
    conditions:
      'M4 Max, 64 GB, macOS 26.3; best of 5 runs; MetalRT and mlx-lm on the same MLX files of 4 bits, llama.cpp (llama-bench b8190) and ' +
      'Ollama 0.17.4 (over REST) on GGUF of 4 bits, but Q8_0 for Qwen3-0.6B',
  },
  basert: {
    title: 'Base Compute, BaseRT (arXiv 2607.00501)',
    url: 'https://arxiv.org/abs/2607.00501',
    date: '2026-07-01',
    conditions: 'M4 Pro; pp512 and tg128 as llama-bench defines them',
  },
  speech: {
    title: 'RunAnywhere, MetalRT speech to speech',
    url: 'https://runanywhere.ai/blog/metalrt-s2s-fastest-speech-to-speech-apple-silicon',
    date: '2026-03-15',
    conditions: 'M4 Max, 64 GB, macOS 26.3; LFM2.5-Audio-1.5B in 8 bits, both engines on the same recordings of 3.8, 11.2 and 34.7 s',
  },
} as const satisfies Readonly<Record<string, Source>>;

export interface PublishedRow {
  readonly source: keyof typeof SOURCES;
  readonly engine: string;
  readonly chip: ChipName;
  readonly model: SynthModel;
  /** As the source names the weights. */
  readonly weights: string;
  /** Of ours, with the same bits: what bytes and steps are reckoned with. */
  readonly type: ExportType;
  readonly measure: 'decode' | 'prefill 512' | 'end to end of 3.8 s' | 'end to end of 11.2 s' | 'end to end of 34.7 s';
  readonly unit: 'tok/s' | 'ms';
  readonly value: number;
}

type Decode = readonly [model: SynthModel, weights: string, type: ExportType, figures: Readonly<Record<string, number>>];

const METALRT: readonly Decode[] = [
  ['qwen3-0.6b', 'MLX 4-bit', 'q4_0', { MetalRT: 658, uzu: 627, 'mlx-lm': 552 }],
  ['qwen3-0.6b', 'Q8_0', 'q8_0', { 'llama.cpp': 295, Ollama: 274 }],
  ['qwen3-4b', '4-bit', 'q4_0', { MetalRT: 186, uzu: 165, 'mlx-lm': 170, 'llama.cpp': 87, Ollama: 120 }],
  ['llama-3.2-3b', '4-bit', 'q4_0', { MetalRT: 184, uzu: 222, 'mlx-lm': 210, 'llama.cpp': 137, Ollama: 131 }],
  ['lfm2.5-1.2b', '4-bit', 'q4_0', { MetalRT: 570, uzu: 550, 'mlx-lm': 509, 'llama.cpp': 372, Ollama: 313 }],
];

const BASERT: readonly (readonly [SynthModel, string, ExportType, prefill: number, decode: number])[] = [
  ['qwen3-0.6b', 'Q4_0', 'q4_0', 4833, 470],
  ['qwen3-0.6b', 'Q8_0', 'q8_0', 4813, 289],
  ['qwen3-4b', 'Q4_K_M', 'q4_k_m', 632, 88],
  ['qwen3-4b', 'Q8_0', 'q8_0', 714, 51],
  ['qwen3-8b', 'Q8_0', 'q8_0', 373, 28],
  ['llama-3.2-1b', 'Q4_0', 'q4_0', 2594, 282],
  ['llama-3.2-3b', 'Q8_0', 'q8_0', 853, 63],
];

const SPEECH = [
  ['end to end of 3.8 s', { MetalRT: 1785, 'mlx-audio': 2466 }],
  ['end to end of 11.2 s', { MetalRT: 1684, 'mlx-audio': 2558 }],
  ['end to end of 34.7 s', { MetalRT: 1771, 'mlx-audio': 2603 }],
] as const;

export const PUBLISHED_ROWS: readonly PublishedRow[] = [
  ...METALRT.flatMap(([model, weights, type, figures]) =>
    Object.entries(figures).map(
      ([engine, value]) =>
        ({ source: 'metalrt', engine, chip: 'M4 Max', model, weights, type, measure: 'decode', unit: 'tok/s', value }) as const,
    ),
  ),
  ...BASERT.flatMap(([model, weights, type, prefill, decode]) => {
    const common = { source: 'basert', engine: 'BaseRT', chip: 'M4 Pro', model, weights, type, unit: 'tok/s' } as const;
    return [{ ...common, measure: 'prefill 512', value: prefill } as const, { ...common, measure: 'decode', value: decode } as const];
  }),
  ...SPEECH.flatMap(([measure, figures]) =>
    Object.entries(figures).map(
      ([engine, value]) =>
        ({
          source: 'speech',
          engine,
          chip: 'M4 Max',
          model: 'lfm2.5-audio-1.5b',
          weights: '8-bit',
          type: 'q8_0',
          measure,
          unit: 'ms',
          value,
        }) as const,
    ),
  ),
];
