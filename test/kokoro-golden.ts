/** Kokoro on an executor, part by part, against what its own code computes (../shared/golden/kokoro). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { harmonicSource } from '../src/audio/harmonic-source.ts';
import { samplesOfSpectra, spectraOfSamples } from '../src/engine/speech/kokoro/source-spectra.ts';
import {
  decoderRun, durationsOf, generatorRun, phonemesOfFrames, pitchRun, stylesOf, textRun,
} from '../src/engine/speech/kokoro/kokoro-runs.ts';
import type { TimedText, VoiceStyles } from '../src/engine/speech/kokoro/kokoro-runs.ts';
import { openVoiceFolder } from '../src/files/voice-folder.ts';
import type { Executor, GraphRun, Program } from '../src/graph/executor.ts';
import type { KokoroConfig } from '../src/models/kokoro/kokoro-config.ts';
import { openKokoro, SOURCE_TENSORS } from '../src/models/kokoro/kokoro.ts';
import { KOKORO_DECODER, KOKORO_GENERATOR, KOKORO_PITCH } from '../src/models/kokoro/kokoro-sound.ts';
import { KOKORO_TEXT } from '../src/models/kokoro/kokoro-text.ts';
import { directorySource } from '../src/node/file-source.ts';
import { f32Of, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';

export const KOKORO_FOLDER = `${sharedPath}/golden/kokoro`;
export const KOKORO_GOLDEN = 'golden/kokoro/golden.json';

interface Prompt {
  readonly phonemes: string;
  readonly ids: readonly number[];
  readonly style_row: number;
  readonly speed: number;
  readonly durations: readonly number[];
  readonly audio_difference_quantiles: Readonly<Record<string, number>>;
}

interface Golden {
  readonly prompts: Readonly<Record<string, Prompt>>;
}

const GOLDEN = () => JSON.parse(readFileSync(`${KOKORO_FOLDER}/golden.json`, 'utf8')) as Golden;
const TENSORS = () => readFixtureTensors(`${KOKORO_FOLDER}/golden.safetensors`);

/** The noise of the golden: of harmonic h at sample t, by an integer hash (README-speech.md). */
export function hashNoise(i: number): number {
  let x = (Math.imul(i, 2654435761) + 12345) >>> 0;
  x = Math.imul((x ^ (x >>> 15)) >>> 0, 2246822519) >>> 0;
  x = Math.imul((x ^ (x >>> 13)) >>> 0, 3266489917) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return (x / 2 ** 32 - 0.5) * Math.sqrt(12);
}

/** What the host makes the source of, as the golden's weights and noise have it. */
export function goldenSource(pitch: ArrayLike<number>, config: KokoroConfig, hasNoise = true): Float32Array {
  const tensors = readFixtureTensors(`${KOKORO_FOLDER}/model.safetensors`);
  const weights = f32Of(tensors, SOURCE_TENSORS.weight);
  const bias = f32Of(tensors, SOURCE_TENSORS.bias)[0]!;
  const { hop, stages, harmonics } = config.generator;
  const samplesPerValue = stages.reduce((product, { rate }) => product * rate, hop);
  return harmonicSource(pitch, { sampleRate: 24_000, samplesPerValue, weights, bias }, (t) => {
    let sum = 0;
    for (let h = 0; h < harmonics; h++) sum += weights[h]! * hashNoise(t * harmonics + h);
    return hasNoise ? sum : 0;
  });
}

/** [channels, rows] as [rows, channels]. */
function rowsFirst(values: Float32Array, channels: number): Float32Array {
  const rows = values.length / channels;
  return Float32Array.from(values, (_, i) => values[(i % channels) * rows + Math.floor(i / channels)]!);
}

async function run(program: Program, one: GraphRun): Promise<ReadonlyMap<string, Float32Array>> {
  const [made] = await program.run([one]);
  return new Map([...made!].map(([name, values]) => [name, values.slice()]));
}

interface Case {
  readonly name: string;
  readonly of: (name: string) => Float32Array;
  readonly has: (name: string) => boolean;
  readonly program: Program;
  readonly config: KokoroConfig;
  readonly tolerance: number;
}

/** The text graph: PL-BERT, the encoders and the durations. */
async function checkText(it: Case, prompt: Prompt, styles: VoiceStyles): Promise<TimedText> {
  const { name, of, has, program, config, tolerance } = it;
  const taps = Object.values(KOKORO_TEXT.taps);
  const made = await run(program, textRun(Int32Array.from(prompt.ids), styles, taps));
  expectClose(`${name} bert`, { wanted: of('bert'), found: made.get(KOKORO_TEXT.taps.bert)! }, tolerance);
  if (has('d_en')) expectClose(`${name} d_en`, { wanted: of('d_en'), found: made.get(KOKORO_TEXT.taps.encoded)! }, tolerance);
  if (has('t_en')) expectClose(`${name} t_en`, { wanted: of('t_en'), found: made.get(KOKORO_TEXT.sounds)! }, tolerance);
  // The golden's rows end in the style.
  const { hidden, style } = config;
  const encoder = of('duration_encoder').filter((_, i) => i % (hidden + style) < hidden);
  expectClose(`${name} duration encoder`, { wanted: encoder, found: made.get(KOKORO_TEXT.prosody)! }, tolerance);
  const numbers = made.get(KOKORO_TEXT.durations)!;
  const sums = prompt.ids.map((_, i) =>
    numbers.slice(i * config.mostDuration, (i + 1) * config.mostDuration).reduce((sum, x) => sum + x, 0));
  expectClose(`${name} sums`, { wanted: of('duration_sums').map((sum) => sum * prompt.speed), found: sums }, tolerance);
  const durations = durationsOf(numbers, prompt.ids.length, prompt.speed);
  expect([...durations]).toEqual(prompt.durations);
  return { prosody: made.get(KOKORO_TEXT.prosody)!, sounds: made.get(KOKORO_TEXT.sounds)!, durations };
}

async function checkPitch(it: Case, text: TimedText, styles: VoiceStyles) {
  const { name, of, has, program, tolerance } = it;
  const made = await run(program, pitchRun(text, styles, [KOKORO_PITCH.taps.shared]));
  if (has('shared')) expectClose(`${name} shared`, { wanted: of('shared'), found: made.get(KOKORO_PITCH.taps.shared)! }, tolerance);
  const curves = { pitch: made.get(KOKORO_PITCH.pitch)!, loudness: made.get(KOKORO_PITCH.loudness)! };
  expectClose(`${name} f0`, { wanted: of('f0'), found: curves.pitch }, tolerance);
  expectClose(`${name} n`, { wanted: of('n'), found: curves.loudness }, tolerance);
  return curves;
}

async function checkDecoder(it: Case, text: TimedText, styles: VoiceStyles): Promise<void> {
  const { name, of, has, program, config, tolerance } = it;
  const { taps, output } = KOKORO_DECODER;
  const wanted = [output, taps.encode, taps.first];
  const made = await run(program, decoderRun(text, { pitch: of('f0'), loudness: of('n') }, styles, wanted));
  const close = (golden: string, channels: number, found: string) => {
    if (has(golden)) expectClose(`${name} ${golden}`, { wanted: rowsFirst(of(golden), channels), found: made.get(found)! }, tolerance);
  };
  close('decoder.encode', config.decoderWidth, taps.encode);
  close('decoder.decode0', config.decoderWidth, taps.first);
  close('decoder.output', config.generator.channels, output);
}

/** From the golden's own source, whose phases are ill-conditioned. */
async function checkGenerator(it: Case, text: TimedText, styles: VoiceStyles): Promise<void> {
  const { name, of, program, config, tolerance } = it;
  const { channels, fftSize } = config.generator;
  const frames = phonemesOfFrames(text.durations).length;
  const inputs = { frames, decoded: rowsFirst(of('decoder.output'), channels), source: rowsFirst(of('har'), fftSize + 2) };
  const { taps, output } = KOKORO_GENERATOR;
  const wanted = [`${taps.noise}0`, `${taps.noise}1`, `${taps.up}0`, `${taps.block}0`, `${taps.stage}0`];
  const made = await run(program, generatorRun(inputs, styles, config.generator, wanted));
  const close = (golden: string, width: number, found: string) =>
    expectClose(`${name} ${golden}`, { wanted: rowsFirst(of(`generator.${golden}`), width), found: made.get(found)! }, tolerance);
  close('noise_res0', channels / 2, `${taps.noise}0`);
  close('noise_res1', channels / 4, `${taps.noise}1`);
  close('ups0', channels / 2, `${taps.up}0`);
  close('resblock0', channels / 2, `${taps.block}0`);
  // The golden's stage is what the next one begins with, its activation behind it.
  const leaky = made.get(`${taps.stage}0`)!.map((x) => (x < 0 ? x / 10 : x));
  expectClose(`${name} stage0`, { wanted: rowsFirst(of('generator.stage0'), channels / 2), found: leaky }, tolerance);
  close('conv_post', fftSize + 2, output);
}

/** All of it by itself: within what float32 and float64 differ by in the reference itself. */
async function checkAudio(it: Case, text: TimedText, styles: VoiceStyles, prompt: Prompt): Promise<void> {
  const { of, program, config, name } = it;
  const curves = await checkPitch(it, text, styles);
  const source = spectraOfSamples(goldenSource(curves.pitch, config), config.generator);
  const frames = phonemesOfFrames(text.durations).length;
  const decoded = { graph: KOKORO_DECODER.graph, output: KOKORO_DECODER.output };
  const [, made] = await program.run([
    decoderRun(text, curves, styles), generatorRun({ frames, decoded, source }, styles, config.generator),
  ]);
  const audio = samplesOfSpectra(made!.get(KOKORO_GENERATOR.output)!, config.generator);
  const wanted = of('audio_float64');
  expect(audio.length).toBe(wanted.length);
  const differences = audio.map((sample, t) => Math.abs(sample - wanted[t]!)).toSorted();
  for (const [quantile, difference] of Object.entries(prompt.audio_difference_quantiles)) {
    const found = differences[Math.min(differences.length - 1, Math.floor(Number(quantile) * differences.length))]!;
    expect(found, `${name} quantile ${quantile}`).toBeLessThan(4 * difference);
  }
}

/** Every part of each prompt. @param tolerance of the largest value */
export async function checkKokoro(executor: Executor, tolerance: number, prompts = ['short', 'long', 'fast']): Promise<void> {
  const golden = GOLDEN();
  const tensors = TENSORS();
  const voice = f32Of(tensors, 'voice');
  const checkpoint = await openVoiceFolder(directorySource(KOKORO_FOLDER));
  const { config, model, weights } = openKokoro(checkpoint);
  const sizes = { tokens: 24, frames: 59, halves: 118 };
  const program = await executor.load({ model, weights, kv: { type: 'f32', pageTokens: 16, maxPages: 1 }, sizes });
  try {
    for (const name of prompts) {
      const prompt = golden.prompts[name]!;
      const row = voice.slice(prompt.style_row * 2 * config.style, (prompt.style_row + 1) * 2 * config.style);
      const styles = stylesOf(row);
      const of = (part: string) => f32Of(tensors, `${name}.${part}`);
      const it: Case = { name, of, has: (part) => tensors.has(`${name}.${part}`), program, config, tolerance };
      const text = await checkText(it, prompt, styles);
      await checkDecoder(it, text, styles);
      if (name === 'short') await checkGenerator(it, text, styles);
      await checkAudio(it, text, styles, prompt);
    }
  } finally {
    await program.dispose();
    await checkpoint.close();
  }
}
