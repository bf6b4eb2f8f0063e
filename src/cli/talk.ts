/** `ingot talk`: to a model that hears and speaks, or to three that do it together; live, or by files and texts. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { TALK_TASKS, TALK_VOICES } from '../engine/talk/talk-model.ts';
import type { OpenTalkOptions, TalkModel, TalkVoice } from '../engine/talk/talk-model.ts';
import type { SessionSettings, Talker } from '../engine/talk/live/talker.ts';
import { QUANTIZE_TYPES } from '../models/quantize-weights.ts';
import { checkEspeak } from '../node/espeak-phonemizer.ts';
import { loadTalkModel } from '../node/load-talk-model.ts';
import type { LoadTalkModelOptions } from '../node/load-talk-model.ts';
import { loadTalker } from '../node/load-talker.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { UsageError } from './exit-codes.ts';
import { inputPath, modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import type { Interrupts } from './interrupts.ts';
import { findPlayer } from './loudspeaker.ts';
import { findRecorder } from './microphone.ts';
import { checkThreads, deviceOption } from './model-options.ts';
import { integerIn, numberIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { checkReadable } from './sound-input.ts';
import { voiceModelPath } from './speak.ts';
import { createSpeechSink, talkOfModel, talkOfTalker } from './talk-files.ts';
import type { Said } from './talk-files.ts';
import { talkLive } from './talk-live.ts';
import { printable } from './terminal.ts';
import { hearingModelPath } from './transcribe.ts';

interface TalkFlags
  extends Pick<LoadTalkModelOptions, 'device' | 'threads' | 'quantize' | 'contextLength'>,
    Pick<OpenTalkOptions, 'task' | 'system' | 'seed'>,
    Pick<SessionSettings, 'speed' | 'temperature'> {
  readonly in?: readonly string[] | undefined;
  readonly out?: string | undefined;
  readonly model?: string | undefined;
  readonly ears?: string | undefined;
  readonly voiceModel?: string | undefined;
  readonly voice?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly maxTokens?: number | undefined;
  readonly interrupt?: boolean | undefined;
}

const EXAMPLES = `
With one model (LFM2.5-Audio), or with three, of which --model answers, --ears
hears and --voice-model speaks, while each other's work goes on.

Without --in and texts it listens to the microphone, by arecord, SoX or ffmpeg,
and speaks by pw-cat, paplay, aplay, SoX or ffplay, whichever there is. Who
speaks interrupts it. Ctrl-C stops an answer, and again it leaves. Use a
headset, or --no-interrupt, where the microphone hears the loudspeaker.

Each --in is a turn of one conversation; texts are turns behind them. The text
of an answer goes to stdout as it comes, its speech to --out as WAV of 24 kHz,
or to the loudspeaker.

Examples:
  $ ingot talk LFM2.5-Audio-1.5B
  $ ingot talk --model qwen3:4b --voice-model kokoro:82m
  $ ingot talk LFM2.5-Audio-1.5B --in question.wav --out answer.wav
  $ ingot talk --model qwen3:4b --in question.wav --out answer.wav
  $ ingot talk LFM2.5-Audio-1.5B --task speak --voice uk-male "Hi." --out hi.wav
  $ ingot talk LFM2.5-Audio-1.5B --task transcribe --in speech.wav
`;

export function registerTalk(program: Command): void {
  program
    .command('talk')
    .summary('talk with a model, by voice')
    .description('Talks with models by voice: live, or from files of sound to files of sound.')
    .usage('[options] [MODEL] [TEXT...]')
    .argument('[arguments...]', 'a model that hears and speaks (not with --model), and what is said to it, a turn each')
    .option('--model <model>', 'the model of text that answers, in a cascade')
    .option('--ears <model>', 'the model that hears, in a cascade (default: INGOT_SPEECH_MODEL, else Moonshine)')
    .option('--voice-model <model>', 'the model that speaks, in a cascade (default: INGOT_VOICE_MODEL)')
    .option('--in <file>', 'a sound that is said; several are turns', (file: string, before: string[] = []) => [...before, file])
    .option('--out <file>', 'where the speech of all answers goes, as WAV (default: the loudspeaker)')
    .option('--voice <name>', `of the voice model; of one model's task "speak": ${TALK_VOICES.join(', ')}`)
    .option('--speed <factor>', 'of the voice model: times as fast', numberIn({ min: 0.25, max: 4 }))
    .option('--no-interrupt', 'does not listen while it speaks')
    .addOption(new Option('--task <task>', 'what one model is asked for (default: converse)').choices(TALK_TASKS))
    .option('--system <text>', "the system's message in place of its own")
    .option('--max-tokens <count>', 'most text tokens (and frames of 80 ms) of an answer', integerIn({ min: 1, max: 1_000_000 }))
    .option('--temperature <value>', 'how freely text is chosen', numberIn({ min: 0, max: 100 }))
    .option('--seed <number>', 'of what is drawn by chance', integerIn({ min: 0, max: Number.MAX_SAFE_INTEGER }))
    .option('--context-length <tokens>', 'most positions of the conversation', integerIn({ min: 64, max: 1_000_000 }))
    .option('--tokenizer <path>', 'a tokenizer for what hears, where its files hold none')
    .addOption(new Option('--quantize <type>', 'quantise weights of floats while they are loaded').choices(QUANTIZE_TYPES))
    .addOption(deviceOption())
    .option('--threads <count>', 'compute threads of the CPU device', integerIn({ min: 1, max: 256 }))
    .addHelpText('after', EXAMPLES)
    .action((args: readonly string[], flags: TalkFlags) =>
      withInterrupts((signal, { onInterrupt }) => talk(args, { ...flags, signal, onInterrupt })),
    );
}

interface Call extends TalkFlags, Interrupts {}

async function talk(args: readonly string[], flags: Call): Promise<void> {
  const { in: sounds = [], out, model, device, threads, signal } = flags;
  checkThreads({ device, threads });
  const [named, texts] = model === undefined ? [args[0], args.slice(1)] : [undefined, args];
  if (model === undefined && named === undefined)
    throw new UsageError('talk needs a model: one that hears and speaks (LFM2.5-Audio), or --model, with --ears and --voice-model.');
  // A misspelt name is told before a model is loaded.
  const said: Said[] = [...sounds.map((file) => ({ file: inputPath(file) })), ...texts.map((text) => ({ text }))];
  if (said.length === 0 && out !== undefined)
    throw new UsageError('--out is for the answers to --in and texts: live, answers go to the loudspeaker.');
  checkKind(flags, said.length === 0);
  for (const one of said) if ('file' in one) await checkReadable(one.file, flags);
  if (named !== undefined && (said.length > 0 || flags.task !== undefined)) return withModel(named, said, flags);
  // Programs that are not there are named before anything is loaded.
  if (out === undefined) findPlayer(24_000, { isLive: said.length === 0 });
  if (said.length === 0) findRecorder();
  const hasSound = said.length === 0 || sounds.length > 0;
  const talker = await loadWith(async (onProgress) => openTalker(named, { ...flags, hasSound, onProgress }));
  try {
    for (const warning of talker.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
    const { voice, speed, system, seed, maxTokens, temperature, interrupt = true } = flags;
    const settings = { voice, speed, system, seed, maxTokens, temperature };
    if (said.length === 0) return await talkLive(talker, { ...flags, settings, isInterruptible: interrupt });
    const sink = createSpeechSink(out, talker.info.sampleRate);
    await withEnd(talkOfTalker(talker, { said, sink, signal, settings }), () => sink.end());
  } finally {
    await talker.dispose();
  }
}

/** Ends what was begun also where the work fails; the work's own failure is told. */
async function withEnd(work: Promise<void>, end: () => Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    await end().catch(() => {});
    throw error;
  }
  await end();
}

/** @throws UsageError for flags of the other kind */
function checkKind({ model, ears, voiceModel, speed, task, voice, interrupt }: TalkFlags, isLive: boolean): void {
  const ofCascade = Object.entries({ '--ears': ears, '--voice-model': voiceModel, '--speed': speed })
    .find(([, value]) => value !== undefined);
  if (model === undefined && ofCascade !== undefined)
    throw new UsageError(`${ofCascade[0]} is of a cascade: name the model that answers with --model.`);
  if (model !== undefined && task !== undefined) throw new UsageError('--task is of a model that hears and speaks: leave out --model.');
  if (model === undefined && voice !== undefined && !TALK_VOICES.some((one) => one === voice))
    throw new UsageError(`--voice of such a model is ${TALK_VOICES.join(', ')}, found ${voice}.`);
  if (interrupt === false && !isLive) throw new UsageError('--no-interrupt is for the microphone: leave out --in and texts.');
}

async function loadWith<Loaded>(load: (onProgress: OnProgress) => Promise<Loaded>): Promise<Loaded> {
  const display = createProgressDisplay(process.stderr);
  try {
    display.expect('load');
    return await load(display.onProgress);
  } finally {
    display.clear();
  }
}

interface Opening extends Call {
  readonly onProgress: OnProgress;
  /** Whether anything is said but texts. */
  readonly hasSound: boolean;
}

async function openTalker(named: string | undefined, flags: Opening): Promise<Talker> {
  const { hasSound, model, ears, voiceModel, device, threads, quantize, contextLength, tokenizer, signal, onProgress } = flags;
  const options = { device, threads, quantize, contextLength, tokenizer, signal, onProgress };
  if (model === undefined) return loadTalker(modelPath(named!), options);
  const [answers, speaks] = [modelPath(model), voiceModelPath(voiceModel, '--voice-model')];
  await checkEspeak();
  const hears = hasSound ? await hearingModelPath({ model: ears, offline: false, signal }) : undefined;
  return loadTalker({ ears: hears, model: answers, voice: speaks }, options);
}

/** Files and texts to a model of its own tasks. */
async function withModel(named: string, said: readonly Said[], flags: Call): Promise<void> {
  const { out, task = 'converse', voice, system, seed, maxTokens, temperature, signal } = flags;
  if (said.length === 0) throw new UsageError(`--task ${task} needs something that is said: --in FILE, or a text.`);
  if (out !== undefined && task === 'transcribe')
    throw new UsageError('--out is for speech, and --task transcribe has text alone: leave one of them out.');
  if (out === undefined && task !== 'transcribe') findPlayer(24_000, { isLive: false });
  const path = modelPath(named);
  const { device, threads, quantize, contextLength, tokenizer } = flags;
  const model: TalkModel = await loadWith((onProgress) =>
    loadTalkModel(path, { device, threads, quantize, contextLength, tokenizer, signal, onProgress }));
  try {
    for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
    const text = temperature === undefined ? undefined : { temperature };
    const conversation = model.open({ task, voice: voice as TalkVoice | undefined, system, seed, text });
    const sink = createSpeechSink(out, model.info.sampleRate);
    await withEnd(talkOfModel(conversation, { said, sink, maxTokens, signal }), () => sink.end());
  } finally {
    await model.dispose();
  }
}
