/** `ingot talk` of sounds and texts in files, answered into a file or through a loudspeaker. */
import { encodeSamples } from '../audio/wav-samples.ts';
import { mixDown } from '../audio/audio-stream.ts';
import { openAudio } from '../audio/open-audio.ts';
import type { SessionSettings, Talker, TalkSession, TalkSessionEvent } from '../engine/talk/live/talker.ts';
import type { TalkConversation } from '../engine/talk/talk-model.ts';
import { fileSource } from '../node/file-source.ts';
import { InputError } from '../tensor/errors.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { openLoudspeaker } from './loudspeaker.ts';
import type { SoundSink } from './loudspeaker.ts';
import { createProgressDisplay } from './progress-display.ts';
import { openSoundFile } from './sound-sinks.ts';
import { createTalkPrinter } from './talk-printer.ts';
import { printable } from './terminal.ts';

/** A turn. */
export type Said = { readonly file: string } | { readonly text: string };

/** Where speech goes, opened with its first samples, so that what is refused leaves no file. */
export interface SpeechSink {
  write(samples: Float32Array): Promise<void>;
  end(): Promise<void>;
}

/** @param out a file; undefined for the loudspeaker */
export function createSpeechSink(out: string | undefined, sampleRate: number): SpeechSink {
  let sink: SoundSink | undefined;
  let bytesMade = 0;
  return {
    async write(samples) {
      sink ??= out === undefined ? openLoudspeaker(sampleRate) : await openSoundFile(out, sampleRate);
      const bytes = encodeSamples(samples, 'int16');
      bytesMade += bytes.length;
      await sink.write(bytes);
    },
    async end() {
      await sink?.end(bytesMade);
    },
  };
}

export interface FileTalkOptions {
  readonly said: readonly Said[];
  readonly sink: SpeechSink;
  readonly maxTokens?: number | undefined;
  readonly signal: AbortSignal;
}

/** A conversation with a model that hears and speaks, which has tasks of its own. */
export async function talkOfModel(conversation: TalkConversation, { said, sink, maxTokens, signal }: FileTalkOptions): Promise<void> {
  for (const one of said) {
    const turn = 'text' in one ? one : { sound: await openAudio(await fileSource(one.file), { signal }) };
    for await (const piece of conversation.say(turn, { maxTokens, signal })) {
      if (piece.kind === 'text') process.stdout.write(printable(piece.text));
      else if (piece.kind === 'samples') await sink.write(piece.samples);
      else {
        const { frames, textTokens, heardSeconds } = piece.usage;
        const heard = heardSeconds === 0 ? '' : `heard ${heardSeconds.toFixed(1)} s, `;
        const cut = piece.reason === 'length' ? ', cut at the length that was asked for' : '';
        process.stdout.write('\n');
        process.stderr.write(`ingot: ${heard}said ${textTokens} tokens and ${(frames * 0.08).toFixed(1)} s${cut}\n`);
      }
    }
  }
}

/** A conversation with any talker: a file is a turn, whatever pauses it has, and is heard as it is read. */
export async function talkOfTalker(
  talker: Talker, { said, sink, signal, settings }: FileTalkOptions & { readonly settings: SessionSettings },
): Promise<void> {
  const session = talker.open({ ...settings, answersTurns: false, isInterruptible: false, signal });
  const display = createProgressDisplay(process.stderr);
  const saying = sayAll(session, said, { signal, onProgress: display.onProgress }).finally(() => session.close());
  saying.catch(() => {});
  const printer = createTalkPrinter({ isLive: false });
  try {
    for await (const event of session.events()) {
      display.clear();
      printer.print(event);
      if (event.kind === 'answer-audio') await sink.write(event.samples);
      throwFailure(event);
    }
    await saying;
  } finally {
    display.clear();
    await session.close();
  }
}

function throwFailure(event: TalkSessionEvent): void {
  if (event.kind === 'input-failed' || (event.kind === 'answer-done' && event.status === 'failed')) throw event.error;
}

async function sayAll(
  session: TalkSession, said: readonly Said[], options: { readonly signal: AbortSignal; readonly onProgress: OnProgress },
): Promise<void> {
  for (const one of said) {
    if ('text' in one) session.add({ role: 'user', text: one.text });
    else await hearFile(session, one.file, options);
    session.respond();
    await session.idle();
  }
}

/** Silence behind a file, so that its last samples are heard. */
const REST_MS = 100;

/** @throws InputError for a sound without words */
async function hearFile(
  session: TalkSession, file: string, { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: OnProgress },
): Promise<void> {
  const before = session.history.length;
  const { chunks, channels, sampleRate, frames } = await openAudio(await fileSource(file), { signal });
  const total = frames === undefined ? 0 : frames / sampleRate;
  let heard = 0;
  for await (const chunk of chunks) {
    const samples = mixDown(chunk, channels);
    await session.hear({ samples, sampleRate });
    heard += samples.length;
    onProgress({ phase: 'transcribe', loaded: heard / sampleRate, total });
  }
  await session.hear({ samples: new Float32Array(Math.ceil((sampleRate * REST_MS) / 1000)), sampleRate });
  if (session.isHearing) await session.commit();
  await session.idle();
  const hasWords = session.history.slice(before).some(({ role, text }) => role === 'user' && text !== '');
  if (!hasWords) throw new InputError(`No words were heard in ${file}: is it speech?`);
}
