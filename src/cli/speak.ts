/** `ingot speak`: a text as speech, in a WAV file, through the loudspeaker, or to a pipe. */
import type { Command } from 'commander';
import { encodeSamples } from '../audio/wav-samples.ts';
import type { Speakable, VoiceModel } from '../engine/speech/voice-model.ts';
import { loadVoiceModel } from '../node/load-voice-model.ts';
import type { LoadVoiceModelOptions } from '../node/load-voice-model.ts';
import { UsageError } from './exit-codes.ts';
import { modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { openLoudspeaker } from './loudspeaker.ts';
import type { SoundSink } from './loudspeaker.ts';
import { checkThreads, deviceOption } from './model-options.ts';
import { integerIn, numberIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { readArgumentText } from './read-stdin.ts';
import { openSoundFile } from './sound-sinks.ts';
import { printable } from './terminal.ts';

interface SpeakFlags extends Pick<LoadVoiceModelOptions, 'device' | 'threads'> {
  readonly model?: string | undefined;
  readonly output?: string | undefined;
  readonly voice?: string | undefined;
  readonly speed?: number | undefined;
  readonly seed?: number | undefined;
  readonly phonemes?: boolean | undefined;
  readonly play?: boolean | undefined;
  readonly voices?: boolean | undefined;
}

/** What gets a trained voice, in one command. */
export const GET_A_VOICE = 'ingot pull kokoro:82m';

const EXAMPLES = `
No trained voice comes with the package. One command gets Kokoro (82 million
parameters, Apache 2.0, 360 MB with its 54 voices) from the hub:
  $ ${GET_A_VOICE}
A text becomes phonemes by espeak-ng, which is not a part of the package either
(GPL 3): "npm install espeak-ng" adds it; --phonemes does without.

Examples:
  $ ingot speak "Hello, world." --model kokoro:82m -o hello.wav
  $ ingot speak --play --voice af_bella < letter.txt
  $ ingot speak "Hi." -o - | aplay
  $ ingot speak --phonemes "həlˈO wˈɜɹld." --voice af_heart:2,af_bella -o a.wav
`;

export function registerSpeak(program: Command): void {
  program
    .command('speak')
    .summary('speak a text')
    .description('Speaks a text, sentence by sentence, with Kokoro.')
    .argument('[text]', 'the text; "-" or none reads stdin')
    .option('-o, --output <file>', 'a WAV file (16 bits, mono, 24,000 Hz); "-" is stdout')
    .option('--play', 'plays it, by a program that the system has')
    .option('--model <path>', 'the folder of a model that speaks, or its weights (default: what INGOT_VOICE_MODEL names)')
    .option('--voice <name>', 'a voice, or a blend with shares: af_heart:2,af_bella')
    .option('--voices', 'lists the voices of the model')
    .option('--speed <factor>', 'times as fast', numberIn({ min: 0.25, max: 4 }))
    .option('--seed <number>', 'of the noise in the voice', integerIn({ min: 0, max: Number.MAX_SAFE_INTEGER }))
    .option('--phonemes', "the text is phonemes, in the model's alphabet")
    .addOption(deviceOption())
    .option('--threads <count>', 'compute threads of the CPU device', integerIn({ min: 1, max: 256 }))
    .addHelpText('after', EXAMPLES)
    .action((text: string | undefined, flags: SpeakFlags) => withInterrupts((signal) => speak(text, { ...flags, signal })));
}

interface Call extends SpeakFlags {
  readonly signal: AbortSignal;
}

async function speak(text: string | undefined, flags: Call): Promise<void> {
  const { output, play, device, threads, phonemes, voices, signal } = flags;
  const unused = [text, output, play, phonemes, flags.voice, flags.speed, flags.seed];
  if (voices === true && unused.some((value) => value !== undefined))
    throw new UsageError('--voices lists voices and speaks nothing: leave out the text and what says how it is spoken.');
  if (voices !== true && output === undefined && play !== true)
    throw new UsageError('say where the speech goes: to a file (-o speech.wav), to stdout (-o -), or to the loudspeaker (--play).');
  if (output === '-' && process.stdout.isTTY) throw new UsageError('-o - writes bytes, and stdout is a terminal: name a file, or a pipe.');
  checkThreads({ device, threads });
  const path = voiceModelPath(flags.model);
  const said = voices === true ? '' : await readArgumentText(text, { what: 'the text', signal });
  const model = await loadModelFor(path, flags);
  try {
    if (voices === true) process.stdout.write(model.info.voices.map((name) => `${printable(name)}\n`).join(''));
    else await speakTo(model, phonemes === true ? { phonemes: said } : said, flags);
  } finally {
    await model.dispose();
  }
}

/** @throws UsageError where none is named, with how to get one */
export function voiceModelPath(given: string | undefined, flag = '--model'): string {
  const named = given ?? process.env['INGOT_VOICE_MODEL'];
  if (named !== undefined && named !== '') return modelPath(named);
  throw new UsageError(
    `no trained voice comes with this package: get one with "${GET_A_VOICE}", and name it with ${flag} kokoro:82m, or in ` +
      `INGOT_VOICE_MODEL.`,
  );
}

async function loadModelFor(path: string, { device, threads, signal }: Call): Promise<VoiceModel> {
  const display = createProgressDisplay(process.stderr);
  try {
    display.expect('load');
    const model = await loadVoiceModel(path, { device, threads, signal, onProgress: display.onProgress });
    for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
    return model;
  } finally {
    display.clear();
  }
}

async function speakTo(model: VoiceModel, what: Speakable, { output, play, voice, speed, seed, signal }: Call): Promise<void> {
  const { sampleRate } = model.info;
  const display = createProgressDisplay(process.stderr);
  const sinks: SoundSink[] = [];
  const begun = performance.now();
  let samplesMade = 0;
  let isWhole = false;
  try {
    for await (const { samples } of model.speak(what, { voice, speed, seed, signal, onProgress: display.onProgress })) {
      // Opened with the first sound, so that what is refused leaves no file.
      if (sinks.length === 0) sinks.push(...(await openSinks({ output, play, sampleRate })));
      samplesMade += samples.length;
      const bytes = encodeSamples(samples, 'int16');
      await Promise.all(sinks.map((sink) => sink.write(bytes)));
      signal.throwIfAborted();
    }
    isWhole = true;
  } finally {
    display.clear();
    if (!isWhole) await Promise.allSettled(sinks.map((sink) => sink.end(samplesMade * 2)));
  }
  const tookSeconds = (performance.now() - begun) / 1000;
  await Promise.all(sinks.map((sink) => sink.end(samplesMade * 2)));
  const seconds = samplesMade / sampleRate;
  const factor = seconds > 0 ? `, real-time factor ${(tookSeconds / seconds).toFixed(3)}` : '';
  process.stderr.write(`ingot: ${seconds.toFixed(1)} s of speech in ${tookSeconds.toFixed(1)} s${factor}\n`);
}

interface SinkOptions {
  readonly output: string | undefined;
  readonly play: boolean | undefined;
  readonly sampleRate: number;
}

async function openSinks({ output, play, sampleRate }: SinkOptions): Promise<SoundSink[]> {
  const sinks: SoundSink[] = [];
  // A player first: where there is none, no file is made.
  if (play === true) sinks.push(openLoudspeaker(sampleRate));
  try {
    if (output !== undefined) sinks.push(await openSoundFile(output, sampleRate));
    return sinks;
  } catch (error) {
    await Promise.allSettled(sinks.map((sink) => sink.end(0)));
    throw error;
  }
}
