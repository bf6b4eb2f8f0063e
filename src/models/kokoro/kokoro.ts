/**
 * Kokoro: speech of phonemes (hexgrad/Kokoro-82M, Apache 2.0; after StyleTTS 2, Li et al. 2023, with the vocoder iSTFTNet, Kaneko et al.
 * 2022). Four graphs: `text` makes durations, which the host rounds; `pitch` makes curves of pitch and loudness, of which the host makes
 * the
 * source (`kokoro-source.ts`); `decoder` and `generator` make spectra, of which the host makes samples.
 */
import type { WeightSource } from '../../graph/executor.ts';
import { buildModel } from '../../graph/model-graphs.ts';
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { Checkpoint } from '../../tensor/checkpoint.ts';
import { readFloats } from '../read-floats.ts';
import { bindWeights, exactNames } from '../weight-spec.ts';
import type { SkipRule, WeightSpec } from '../weight-spec.ts';
import { parseKokoroConfig } from './kokoro-config.ts';
import type { KokoroConfig } from './kokoro-config.ts';
import { KOKORO_DECODER, KOKORO_GENERATOR, KOKORO_PITCH, writeDecoderGraph, writeGeneratorGraph, writePitchGraph } from './kokoro-sound.ts';
import { KOKORO_TEXT, ONES, writeTextGraph } from './kokoro-text.ts';

export interface KokoroModel {
  readonly config: KokoroConfig;
  readonly model: ModelGraphs;
  readonly weights: ReadonlyMap<string, WeightSource>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

const SKIPS: readonly SkipRule[] = [
  { pattern: /^bert\.pooler\./, reason: 'of a head that is not used' },
  { pattern: /^bert\.embeddings\.position_ids$/, reason: 'positions are counted' },
];

/** The source is made by the host, of these. */
export const SOURCE_TENSORS = {
  weight: 'decoder.generator.m_source.l_linear.weight', bias: 'decoder.generator.m_source.l_linear.bias',
} as const;

export interface SourceWeights {
  /** A weight for each harmonic. */
  readonly weights: Float32Array;
  readonly bias: number;
}

/** @throws FormatError where they are missing or of another shape */
export async function readSourceWeights(
  { name, tensors }: Checkpoint, { generator }: KokoroConfig, options?: ReadOptions,
): Promise<SourceWeights> {
  const { harmonics } = generator;
  const weights = await readFloats(name, tensors, { name: SOURCE_TENSORS.weight, shape: [1, harmonics] }, options);
  const [bias] = await readFloats(name, tensors, { name: SOURCE_TENSORS.bias, shape: [1] }, options);
  return { weights, bias: bias! };
}

/** Graphs and what of their weights is in a file. */
export function kokoroGraphs(config: KokoroConfig): { readonly model: ModelGraphs; readonly specs: readonly WeightSpec[] } {
  const specs = new Map<string, WeightSpec>();
  const model = buildModel('kokoro', (m) => {
    m.graph(KOKORO_TEXT.graph, (g) => writeTextGraph({ g, specs }, config));
    m.graph(KOKORO_PITCH.graph, (g) => writePitchGraph({ g, specs }, config));
    m.graph(KOKORO_DECODER.graph, (g) => writeDecoderGraph({ g, specs }, config));
    m.graph(KOKORO_GENERATOR.graph, (g) => writeGeneratorGraph({ g, specs }, config));
  }, {});
  return { model, specs: [...specs.values()] };
}

/** @throws FormatError for settings and tensors of another model */
export function openKokoro(checkpoint: Checkpoint): KokoroModel {
  const config = parseKokoroConfig(checkpoint);
  const { model, specs } = kokoroGraphs(config);
  const skips = [...SKIPS, { pattern: exactNames(Object.values(SOURCE_TENSORS)), reason: 'the host makes the source' }];
  const { weights, skipped } = bindWeights(checkpoint, specs, skips);
  return { config, model, weights: new Map([...weights, [ONES, onesOf(config.hidden)]]), skipped };
}

function onesOf(size: number): WeightSource {
  const bytes = new Uint8Array(new Float32Array(size).fill(1).buffer);
  return {
    id: ONES, type: 'f32', shape: [size], sizeBytes: bytes.length, origin: 'ones',
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}
