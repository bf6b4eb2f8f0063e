/** `ingot transcribe`: what is said in sound files, a pipe or a microphone, as text, subtitles or JSON. */
import { existsSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import { MOST_BEAMS, MOST_WINDOWS } from '../engine/speech/search-options.ts';
import { QUANTIZE_TYPES } from '../models/quantize-weights.ts';
import { loadSpeechModel } from '../node/load-speech-model.ts';
import { DEFAULT_SPEECH_MODEL, pulledModelPath } from '../node/pull/pull-model.ts';
import { TRANSCRIPT_FORMS } from '../text/transcript-formats.ts';
import type { TranscriptForm } from '../text/transcript-formats.ts';
import { MOST_SAMPLE_RATE } from '../audio/audio-stream.ts';
import { UsageError } from './exit-codes.ts';
import { inputPath, isUrl, modelPath } from './input-path.ts';
import { cachedModel } from '../node/hub/cache-layout.ts';
import { hubIdOf } from '../node/hub/hub-id.ts';
import { hubSettings } from '../node/hub/hub-settings.ts';
import { withInterrupts } from './interrupts.ts';
import { checkThreads, deviceOption } from './model-options.ts';
import { integerIn, numberIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { pullWithProgress } from './pull.ts';
import { checkReadable, MICROPHONE, openSound } from './sound-input.ts';
import { printable } from './terminal.ts';
import { outputName, transcribeFiles } from './transcribe-files.ts';
import type { TranscribeCall, TranscribeFlags } from './transcribe-flags.ts';
import { printLive } from './transcribe-live.ts';

const EXAMPLES = `
Reads WAV, FLAC, MP3 and Ogg (Opus, Vorbis, FLAC) of any rate and number of
channels. Segments are printed as they are heard; how long it took is told on
stderr. Several files are heard together, unless --windows or --beams is given.

Without --model it hears with Moonshine tiny (English), which is got by npm once
(69 MB, as "ingot pull moonshine-tiny-en" does) and kept; --offline refuses to.

Examples:
  $ ingot transcribe --model moonshine-tiny talk.wav
  $ ingot transcribe --srt film.mp3 > film.srt
  $ ingot transcribe --vtt --output-dir subtitles *.ogg
  $ ffmpeg -i clip.mp4 -f wav - | ingot transcribe -
  $ arecord -f S16_LE -r 16000 -t raw | ingot transcribe - --pcm 16000 --live
  $ ingot transcribe --microphone --live
`;

export function registerTranscribe(program: Command): void {
  const command = program
    .command('transcribe')
    .summary('print what is said in sound files')
    .description('Prints what is said in sound files: text, or subtitles with times.')
    .argument('[files...]', 'sound files; "-" reads stdin')
    .option('--model <path>', 'a model of speech to text: a file, a folder, a URL or an id (default: INGOT_SPEECH_MODEL, else Moonshine)')
    .option('--offline', 'gets nothing from a network');
  for (const form of TRANSCRIPT_FORMS) command.option(`--${form}`, FORM_HELP[form]);
  command
    .option('--words', 'times of words too, in JSON')
    .option('--output-dir <folder>', 'writes a file for each sound there, in place of stdout')
    .option('--language <code>', 'the language that is spoken (default: what the model knows or hears)')
    .option('--prompt <text>', 'what was said before, or names that will be')
    .option('--piece-seconds <seconds>', 'cuts the sound every so often, in place of where speech pauses', numberIn({ min: 0.1, max: 30 }))
    .option('--beams <count>', 'answers that are followed at a time, for Whisper', integerIn({ min: 1, max: MOST_BEAMS }))
    .option('--patience <factor>', 'of a beam search: answers that end before it does, times --beams', numberIn({ min: 0.01, max: 100 }))
    .option('--length-penalty <exponent>', 'of a beam search: above 0 favours longer answers', numberIn({ min: 0, max: 10 }))
    .option('--no-conditioned', 'for Whisper: hears each window without what was said before it')
    .option('--windows <count>', 'for Whisper: hears so many windows side by side', integerIn({ min: 1, max: MOST_WINDOWS }))
    .option('--damaged', 'takes what there is of a damaged or incomplete file')
    .option('--microphone', 'listens until Ctrl-C')
    .option('--live', 'shows what is said while it is said; lines of JSON with --json')
    .option('--pcm <hz>', 'stdin is 16-bit samples of this rate, one channel, no header', integerIn({ min: 1, max: MOST_SAMPLE_RATE }))
    .option('--tokenizer <path>', 'a tokenizer, for a model whose files hold none')
    .addOption(new Option('--quantize <type>', 'quantise weights of floats while they are loaded').choices(QUANTIZE_TYPES))
    .addOption(deviceOption())
    .option('--threads <count>', 'compute threads of the CPU device', integerIn({ min: 1, max: 256 }))
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: TranscribeFlags) =>
      withInterrupts((signal, { onInterrupt }) => transcribe(files, { ...flags, signal, onInterrupt })),
    );
}

const FORM_HELP: Readonly<Record<TranscriptForm, string>> = {
  txt: 'a line of text for each segment (default)',
  srt: 'subtitles as SubRip',
  vtt: 'subtitles as WebVTT',
  json: 'a line of JSON for each file, with times',
};

async function transcribe(files: readonly string[], flags: TranscribeCall): Promise<void> {
  const form = formOf(flags);
  const sounds = checkSounds(files, flags, form);
  const { device, threads, quantize, tokenizer, signal } = flags;
  checkThreads({ device, threads });
  for (const sound of sounds) await checkReadable(sound, flags);
  const display = createProgressDisplay(process.stderr);
  let model: SpeechModel;
  try {
    const path = await hearingModelPath(flags);
    display.expect('load');
    model = await loadSpeechModel(path, { device, threads, quantize, tokenizer, signal, onProgress: display.onProgress });
  } finally {
    display.clear();
  }
  for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
  try {
    if (flags.live) await printLive(model, { sound: await openSound(sounds[0]!, flags), form, options: flags, file: sounds[0]! });
    else await transcribeFiles(model, sounds, { ...flags, form });
  } finally {
    await model.dispose();
  }
}

function formOf(flags: TranscribeFlags): TranscriptForm {
  const given = TRANSCRIPT_FORMS.filter((form) => flags[form]);
  if (given.length > 1)
    throw new UsageError(`${given.map((form) => `--${form}`).join(' and ')} are forms of one output: give one of them.`);
  const form = given[0] ?? 'txt';
  if (flags.words && form !== 'json') throw new UsageError('--words is for --json: the other forms have times of segments.');
  return form;
}

function checkSounds(files: readonly string[], flags: TranscribeFlags, form: TranscriptForm): readonly string[] {
  if (flags.live) checkLive(files, flags);
  if (flags.pcm !== undefined && (flags.microphone || files.some((file) => file !== '-')))
    throw new UsageError('--pcm is for stdin: name "-" alone.');
  if (flags.microphone) {
    if (files.length > 0) throw new UsageError('give either files or --microphone, not both.');
    return [MICROPHONE];
  }
  if (files.length === 0) throw new UsageError('name a sound file, "-" for stdin, or --microphone.');
  if (files.filter((file) => file === '-').length > 1) throw new UsageError('stdin ("-") can be read once.');
  if (files.length > 1 && flags.outputDir === undefined && (form === 'srt' || form === 'vtt'))
    throw new UsageError(`--${form} of several files would be one text on stdout: name a folder for them (--output-dir).`);
  // A misspelt name is told before a model is loaded.
  const sounds = files.map((file) => (file === '-' ? file : inputPath(file)));
  if (flags.outputDir !== undefined) checkOutputNames(sounds, form);
  return sounds;
}

function checkLive(files: readonly string[], { outputDir, words, pieceSeconds, ...flags }: TranscribeFlags): void {
  if (files.length > 1) throw new UsageError('--live follows one sound: name one file, "-", or --microphone.');
  if (outputDir !== undefined) throw new UsageError('--live prints: leave out --output-dir.');
  if (words) throw new UsageError('--live has no times of words: leave out --words.');
  if (pieceSeconds !== undefined) throw new UsageError('--live goes by where speech pauses: leave out --piece-seconds.');
  if ((flags.beams ?? flags.patience ?? flags.lengthPenalty ?? flags.windows) !== undefined || flags.conditioned === false) {
    const names = '--beams, --patience, --length-penalty, --windows and --no-conditioned';
    throw new UsageError(`--live searches for no window: leave out ${names}.`);
  }
}

/** Folders whose names differ by case alone hold one file on some systems. */
function checkOutputNames(files: readonly string[], form: TranscriptForm): void {
  const first = new Map<string, string>();
  for (const file of files) {
    const name = outputName(file, form);
    const other = first.get(name.toLowerCase());
    if (other !== undefined) {
      const both = `${printable(other)} and ${printable(file)}`;
      throw new UsageError(`${both} would both be ${printable(name)} in --output-dir: give each a folder of its own.`);
    }
    first.set(name.toLowerCase(), file);
  }
}

/** @throws UsageError for what a network would be asked for */
async function checkOffline(named: string): Promise<void> {
  if (isUrl(named) && !named.startsWith('file:'))
    throw new UsageError('--offline gets nothing from a network, and --model is a URL: name a file, or leave out --offline.');
  const id = hubIdOf(named);
  if (id === undefined || (await cachedModel((await hubSettings(process.env)).cacheFolder, id)) !== undefined) return;
  throw new UsageError(
    `${named} is not in the cache, and --offline gets nothing from a network: run "ingot pull ${named}" while there is one.`,
  );
}

/** The model that hears: one that is named, else Moonshine, which is got where it is not there. */
export async function hearingModelPath({ model, offline, signal }: Pick<TranscribeCall, 'model' | 'offline' | 'signal'>): Promise<string> {
  const named = model ?? process.env['INGOT_SPEECH_MODEL'];
  if (named !== undefined && named !== '') {
    if (offline) await checkOffline(named);
    return modelPath(named);
  }
  const path = pulledModelPath(DEFAULT_SPEECH_MODEL);
  if (existsSync(path)) return path;
  if (offline) {
    throw new UsageError(
      `${DEFAULT_SPEECH_MODEL} is not here yet, and --offline gets nothing from a network: run "ingot pull ${DEFAULT_SPEECH_MODEL}" ` +
        'while there is one, or name a model with --model.',
    );
  }
  process.stderr.write(`ingot: getting ${DEFAULT_SPEECH_MODEL} by npm, once (69 MB; kept at ${path})\n`);
  return pullWithProgress(DEFAULT_SPEECH_MODEL, { signal });
}
