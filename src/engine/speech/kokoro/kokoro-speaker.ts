/** Kokoro on an executor: from numbers of phonemes and a row of a voice to samples. */
import { harmonicSource } from '../../../audio/harmonic-source.ts';
import type { Executor, MemoryUse, Program } from '../../../graph/executor.ts';
import { KOKORO_RATE } from '../../../models/kokoro/kokoro-config.ts';
import type { GeneratorSizes, KokoroConfig } from '../../../models/kokoro/kokoro-config.ts';
import type { KokoroModel, SourceWeights } from '../../../models/kokoro/kokoro.ts';
import { KOKORO_DECODER, KOKORO_GENERATOR, KOKORO_PITCH } from '../../../models/kokoro/kokoro-sound.ts';
import { KOKORO_TEXT } from '../../../models/kokoro/kokoro-text.ts';
import { CapacityError, FormatError } from '../../../tensor/errors.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { OnProgress } from '../../../tensor/progress.ts';
import { createTurns } from '../in-turn.ts';
import { seededNoise } from './seeded-noise.ts';
import { decoderRun, durationsOf, generatorRun, pitchRun, stylesOf, textRun } from './kokoro-runs.ts';
import type { TimedText, VoiceStyles } from './kokoro-runs.ts';
import { samplesOfSpectra, spectraOfSamples } from './source-spectra.ts';

export interface SpeakerOptions {
  readonly speed: number;
  /** Of the noise in the voice. */
  readonly seed: number;
  readonly signal?: CancelSignal | undefined;
}

/** Too many frames to be made at once: the text is to be cut. */
export interface TooLong {
  readonly frames: number;
  readonly mostFrames: number;
}

export interface SpokenPhonemes {
  readonly samples: Float32Array;
  /** The sample at which each phoneme ends, as the model timed them: [phonemes]. */
  readonly ends: Int32Array;
}

export interface KokoroSpeaker {
  readonly config: KokoroConfig;
  readonly sampleRate: number;
  /** Phonemes of a piece, at most. */
  readonly mostPhonemes: number;
  readonly memory: MemoryUse;
  /**
   * The sound of one piece, or how much too long it is.
   * @param row of a voice: [2 * style]
   * @throws FormatError where weights make what is no number; the signal's reason when it aborts
   */
  speak(phonemes: readonly number[], row: Float32Array, options: SpeakerOptions): Promise<SpokenPhonemes | TooLong>;
  dispose(): Promise<void>;
}

export interface SpeakerRoom {
  /** Frames (25 ms of the published model) that are made at once, at most. */
  readonly mostFrames: number;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Loads the model. @throws as {@link Executor.load} */
export async function createKokoroSpeaker(
  { config, model, weights, source }: KokoroModel & { readonly source: SourceWeights }, executor: Executor, room: SpeakerRoom,
): Promise<KokoroSpeaker> {
  const { mostFrames, signal, onProgress } = room;
  const sizes = { tokens: config.bert.positions, frames: mostFrames, halves: 2 * mostFrames };
  const kv = { type: 'f32', pageTokens: 16, maxPages: 1 } as const;
  const program = await executor.load({ model, weights, kv, sizes, signal, onProgress });
  const inTurn = createTurns();
  const parts: Parts = { program, config, source };
  return {
    config,
    sampleRate: KOKORO_RATE,
    mostPhonemes: config.bert.positions - 2,
    memory: program.memory,
    speak: (phonemes, row, options) => inTurn(async () => {
      options.signal?.throwIfAborted();
      const styles = stylesOf(row);
      const text = await timed(parts, Int32Array.from([0, ...phonemes, 0]), { styles, speed: options.speed });
      const frames = text.durations.reduce((sum, each) => sum + each, 0);
      if (frames > mostFrames) return { frames, mostFrames };
      const samples = await soundOf(parts, { text, styles, frames, options });
      return { samples, ends: endsOf(text.durations, frames, samples.length) };
    }),
    dispose: () => inTurn(() => program.dispose()),
  };
}

interface Parts {
  readonly program: Program;
  readonly config: KokoroConfig;
  readonly source: SourceWeights;
}

async function timed(
  { program }: Parts, tokens: Int32Array, { styles, speed }: { styles: VoiceStyles; speed: number },
): Promise<TimedText> {
  const [made] = await program.run([textRun(tokens, styles)]);
  const numbers = made!.get(KOKORO_TEXT.durations)!;
  if (numbers.some((number) => Number.isNaN(number))) throw notANumber(program, 'durations');
  return {
    prosody: made!.get(KOKORO_TEXT.prosody)!.slice(), sounds: made!.get(KOKORO_TEXT.sounds)!.slice(),
    durations: durationsOf(numbers, tokens.length, speed),
  };
}

/** Of phonemes, without the marks of the beginning and the end around them. */
function endsOf(durations: Int32Array, frames: number, samples: number): Int32Array {
  let at = durations[0]!;
  return durations.slice(1, -1).map((duration) => Math.round(((at += duration) / frames) * samples));
}

interface Sounding {
  readonly text: TimedText;
  readonly styles: VoiceStyles;
  readonly frames: number;
  readonly options: SpeakerOptions;
}

async function soundOf({ program, config, source }: Parts, { text, styles, frames, options }: Sounding): Promise<Float32Array> {
  const { generator } = config;
  const [curves] = await program.run([pitchRun(text, styles)]);
  options.signal?.throwIfAborted();
  const [pitch, loudness] = [curves!.get(KOKORO_PITCH.pitch)!.slice(), curves!.get(KOKORO_PITCH.loudness)!.slice()];
  if (!pitch.every(Number.isFinite)) throw notANumber(program, 'pitches');
  const samplesPerValue = generator.stages.reduce((product, { rate }) => product * rate, generator.hop);
  const noise = seededNoise(options.seed, Math.sqrt(source.weights.reduce((sum, weight) => sum + weight * weight, 0)));
  const sounding = harmonicSource(pitch, { sampleRate: KOKORO_RATE, samplesPerValue, ...source }, noise);
  const decoded = { graph: KOKORO_DECODER.graph, output: KOKORO_DECODER.output };
  const [, made] = await program.run([
    decoderRun(text, { pitch, loudness }, styles),
    generatorRun({ frames, decoded, source: spectraOfSamples(sounding, generator) }, styles, generator),
  ]);
  options.signal?.throwIfAborted();
  return checked(program, samplesOfSpectra(made!.get(KOKORO_GENERATOR.output)!, generator), generator);
}

function checked(program: Program, samples: Float32Array, { hop }: GeneratorSizes): Float32Array {
  const wrong = samples.findIndex((sample) => !Number.isFinite(sample));
  if (wrong >= 0) throw notANumber(program, `samples from ${wrong - (wrong % hop)} on`);
  return samples;
}

function notANumber({ model }: Program, what: string): FormatError {
  return new FormatError(
    `${model.name}: expected numbers, found NaN or infinity among its ${what}: its weights, or the voice, are damaged.`,
  );
}

/** As {@link TooLong} for a caller that cannot cut further. */
export function tooLong({ frames, mostFrames }: TooLong): CapacityError {
  return new CapacityError(
    `a single phoneme would take ${frames} frames of 25 ms, and at most ${mostFrames} are made at once: raise the speed, or mostFrames.`,
  );
}
