/** `ingot talk`: sounds and texts to a model that answers with speech. */
import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import { joinSamples } from '../audio/audio-stream.ts';
import { openAudio } from '../audio/open-audio.ts';
import { encodeWav } from '../audio/wav-writer.ts';
import { TALK_TASKS, TALK_VOICES } from '../engine/talk/talk-model.ts';
import type { OpenTalkOptions, TalkConversation, TalkModel } from '../engine/talk/talk-model.ts';
import type { TalkTurn } from '../engine/talk/talk-turns.ts';
import { QUANTIZE_TYPES } from '../models/quantize-weights.ts';
import { fileSource } from '../node/file-source.ts';
import { loadTalkModel } from '../node/load-talk-model.ts';
import type { LoadTalkModelOptions } from '../node/load-talk-model.ts';
import { UsageError } from './exit-codes.ts';
import { inputPath, modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { checkThreads, deviceOption } from './model-options.ts';
import { integerIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { printable } from './terminal.ts';

interface TalkFlags
  extends Pick<LoadTalkModelOptions, 'device' | 'threads' | 'quantize' | 'contextLength'>,
    Pick<OpenTalkOptions, 'task' | 'voice' | 'system' | 'seed'> {
  readonly in?: readonly string[] | undefined;
  readonly out?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly maxTokens?: number | undefined;
}

const EXAMPLES = `
Each --in is a turn of one conversation; texts are turns behind them. The text
of an answer goes to stdout as it comes, its speech to --out as WAV of 24 kHz.

Examples:
  $ ingot talk LFM2.5-Audio-1.5B --in question.wav --out answer.wav
  $ ingot talk LFM2.5-Audio-1.5B "What is a tide?" --out answer.wav
  $ ingot talk LFM2.5-Audio-1.5B --task speak --voice uk-male "Hi." --out hi.wav
  $ ingot talk LFM2.5-Audio-1.5B --task transcribe --in speech.wav
`;

export function registerTalk(program: Command): void {
  program
    .command('talk')
    .summary('talk with a model that hears and speaks')
    .description('Gives sounds and texts to a model that hears and speaks (LFM2.5-Audio), and writes what it answers.')
    .argument('<model>', 'the folder or id of an LFM2.5-Audio, or a GGUF file that "ingot convert" made of it')
    .argument('[texts...]', 'what is said to it, a turn each')
    .option('--in <file>', 'a sound that is said to it; several are turns', (file: string, before: string[] = []) => [...before, file])
    .option('--out <file>', 'where the speech of all answers goes, as WAV')
    .addOption(new Option('--task <task>', 'what it is asked for').choices(TALK_TASKS).default('converse'))
    .addOption(new Option('--voice <voice>', 'of the task "speak"').choices(TALK_VOICES))
    .option('--system <text>', "the system's message in place of the task's own")
    .option('--max-tokens <count>', 'most text tokens and frames of 80 ms of an answer', integerIn({ min: 1, max: 1_000_000 }))
    .option('--seed <number>', 'of what is drawn by chance', integerIn({ min: 0, max: Number.MAX_SAFE_INTEGER }))
    .option('--context-length <tokens>', 'most positions of the conversation', integerIn({ min: 64, max: 1_000_000 }))
    .option('--tokenizer <path>', 'a tokenizer, for a model whose files hold none')
    .addOption(new Option('--quantize <type>', 'quantise weights of floats while they are loaded').choices(QUANTIZE_TYPES))
    .addOption(deviceOption())
    .option('--threads <count>', 'compute threads of the CPU device', integerIn({ min: 1, max: 256 }))
    .addHelpText('after', EXAMPLES)
    .action((model: string, texts: readonly string[], flags: TalkFlags) =>
      withInterrupts((signal) => talk(model, texts, { ...flags, signal })),
    );
}

interface Call extends TalkFlags {
  readonly signal: AbortSignal;
}

async function talk(named: string, texts: readonly string[], flags: Call): Promise<void> {
  const { in: sounds = [], out, task, device, threads, quantize, contextLength, tokenizer, signal } = flags;
  if (sounds.length + texts.length === 0)
    throw new UsageError('talk needs something that is said: --in FILE, or a text. A microphone is not listened to yet.');
  checkThreads({ device, threads });
  if (out === undefined && task !== 'transcribe')
    throw new UsageError('talk needs --out FILE.wav for the speech of the answer; --task transcribe has text alone.');
  if (out !== undefined && task === 'transcribe')
    throw new UsageError('--out is for speech, and --task transcribe has text alone: leave one of them out.');
  // A misspelt name is told before a model is loaded.
  const [path, files] = [modelPath(named), sounds.map(inputPath)];
  const display = createProgressDisplay(process.stderr);
  let model: TalkModel;
  try {
    display.expect('load');
    const options = { device, threads, quantize, contextLength, tokenizer, signal, onProgress: display.onProgress };
    model = await loadTalkModel(path, options);
  } finally {
    display.clear();
  }
  for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
  try {
    const speech = await converse(model, [...files.map((file) => ({ file })), ...texts.map((text) => ({ text }))], flags);
    if (out !== undefined) await writeFile(out, encodeWav(clipped(speech), { sampleRate: model.info.sampleRate, channels: 1 }));
  } finally {
    await model.dispose();
  }
}

type Said = { readonly file: string } | { readonly text: string };

/** All speech of the answers, in order. */
async function converse(model: TalkModel, turns: readonly Said[], flags: Call): Promise<Float32Array> {
  const { task, voice, system, seed, maxTokens, signal } = flags;
  const conversation = model.open({ task, voice, system, seed });
  const speech: Float32Array[] = [];
  try {
    for (const said of turns) speech.push(...await answer(conversation, said, { maxTokens, signal }));
  } finally {
    conversation.close();
  }
  return joinSamples(speech);
}

async function answer(
  conversation: TalkConversation, said: Said, options: { readonly maxTokens: number | undefined; readonly signal: AbortSignal },
): Promise<Float32Array[]> {
  const turn: TalkTurn = 'text' in said ? said : { sound: await openAudio(await fileSource(said.file)) };
  const speech: Float32Array[] = [];
  for await (const piece of conversation.say(turn, options)) {
    if (piece.kind === 'text') process.stdout.write(printable(piece.text));
    else if (piece.kind === 'samples') speech.push(piece.samples);
    else {
      const { frames, textTokens, heardSeconds } = piece.usage;
      const heard = heardSeconds === 0 ? '' : `heard ${heardSeconds.toFixed(1)} s, `;
      const cut = piece.reason === 'length' ? ', cut at the length that was asked for' : '';
      process.stdout.write('\n');
      process.stderr.write(`ingot: ${heard}said ${textTokens} tokens and ${(frames * 0.08).toFixed(1)} s${cut}\n`);
    }
  }
  return speech;
}

/** What is beyond full scale is cut, as loudspeakers do. */
function clipped(samples: Float32Array): Float32Array {
  return samples.map((sample) => Math.min(1, Math.max(-1, sample)));
}
