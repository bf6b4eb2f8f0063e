/** The runs of Kokoro's graphs. */
import type { GraphRun } from '../../../graph/executor.ts';
import { KOKORO_DECODER, KOKORO_GENERATOR, KOKORO_PITCH, spectraOf } from '../../../models/kokoro/kokoro-sound.ts';
import type { GeneratorSizes } from '../../../models/kokoro/kokoro-config.ts';
import { KOKORO_TEXT } from '../../../models/kokoro/kokoro-text.ts';

/** A row of a voice, as halves of one style each: what it sounds like, and how it speaks. */
export interface VoiceStyles {
  /** [style]. */
  readonly timbre: Float32Array;
  /** [style]. */
  readonly prosody: Float32Array;
}

export function stylesOf(row: Float32Array): VoiceStyles {
  return { timbre: row.subarray(0, row.length / 2), prosody: row.subarray(row.length / 2) };
}

/** @param taps beside the outputs, for tests */
export function textRun(tokens: Int32Array, { prosody }: VoiceStyles, taps: readonly string[] = []): GraphRun {
  const names = KOKORO_TEXT;
  return {
    graph: names.graph, dims: { tokens: tokens.length },
    inputs: {
      [names.tokens]: tokens, [names.positions]: Int32Array.from(tokens, (_, i) => i), [names.first]: new Int32Array(tokens.length),
      [names.style]: prosody,
    },
    wanted: [names.prosody, names.durations, names.sounds, ...taps],
  };
}

/** How long each phoneme lasts, and what of it goes on. */
export interface TimedText {
  /** [tokens, hidden]. */
  readonly prosody: Float32Array;
  /** [tokens, hidden]. */
  readonly sounds: Float32Array;
  /** Frames of each phoneme, [tokens]. */
  readonly durations: Int32Array;
}

/** Frames of each phoneme: the sum of its numbers over the speed, rounded half to even, 1 at least. */
export function durationsOf(numbers: Float32Array, tokens: number, speed: number): Int32Array {
  const each = numbers.length / tokens;
  return Int32Array.from({ length: tokens }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < each; k++) sum += numbers[i * each + k]!;
    return Math.max(1, roundHalfToEven(sum / speed));
  });
}

function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

/** Which phoneme each frame is of. */
export function phonemesOfFrames(durations: Int32Array): Int32Array {
  const rows = new Int32Array(durations.reduce((sum, frames) => sum + frames, 0));
  let at = 0;
  durations.forEach((frames, phoneme) => {
    rows.fill(phoneme, at, at + frames);
    at += frames;
  });
  return rows;
}

function twice(frames: number): Int32Array {
  return Int32Array.from({ length: 2 * frames }, (_, i) => i >> 1);
}

export function pitchRun({ prosody, durations }: TimedText, styles: VoiceStyles, taps: readonly string[] = []): GraphRun {
  const names = KOKORO_PITCH;
  const phonemes = phonemesOfFrames(durations);
  return {
    graph: names.graph, dims: { tokens: durations.length, frames: phonemes.length },
    inputs: {
      [names.prosody]: prosody, [names.phonemes]: phonemes, [names.twice]: twice(phonemes.length),
      [names.first]: new Int32Array(phonemes.length), [names.style]: styles.prosody,
    },
    wanted: [names.pitch, names.loudness, ...taps],
  };
}

/** Two values for each frame. */
export interface Curves {
  readonly pitch: Float32Array;
  readonly loudness: Float32Array;
}

export function decoderRun(
  text: TimedText, { pitch, loudness }: Curves, { timbre }: VoiceStyles, wanted: readonly string[] = [],
): GraphRun {
  const names = KOKORO_DECODER;
  const phonemes = phonemesOfFrames(text.durations);
  return {
    graph: names.graph, dims: { tokens: text.durations.length, frames: phonemes.length },
    inputs: {
      [names.sounds]: text.sounds, [names.phonemes]: phonemes, [names.twice]: twice(phonemes.length), [names.pitch]: pitch,
      [names.loudness]: loudness, [names.style]: timbre,
    },
    wanted,
  };
}

/** What the generator reads beside a style. */
export interface Decoded {
  readonly frames: number;
  readonly decoded: GraphRun['inputs'][string];
  /** As `spectraOfSamples` has them. */
  readonly source: Float32Array;
}

export function generatorRun(
  { frames, decoded, source }: Decoded, { timbre }: VoiceStyles, sizes: GeneratorSizes, taps: readonly string[] = [],
): GraphRun {
  const names = KOKORO_GENERATOR;
  const rows = spectraOf(sizes, 2 * frames);
  return {
    graph: names.graph, dims: { halves: 2 * frames },
    inputs: {
      [names.decoded]: decoded, [names.source]: source, [names.mirrored]: Int32Array.from({ length: rows }, (_, i) => Math.abs(i - 1)),
      [names.style]: timbre,
    },
    wanted: [names.output, ...taps],
  };
}
