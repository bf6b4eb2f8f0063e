/** Several sounds at once: parts of different ones go through the model together. */
import { InputError } from '../../tensor/errors.ts';
import { checkInteger, describeValue } from '../../tensor/option-names.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { Sound } from './mono-sound.ts';
import { MOST_WINDOWS } from './search-options.ts';
import type { Hearing, Recogniser, TranscribeOptions } from './speech-model.ts';

/** A sound, or what opens it when its turn comes. */
export type SoundToHear = Sound | (() => Sound | Promise<Sound>);

/** As of one sound, but for what is heard side by side of one, and beams, each of which takes a place that a sound would have. */
export interface TranscribeAllOptions extends Omit<TranscribeOptions, 'windows' | 'beams' | 'patience' | 'lengthPenalty'> {
  /** Sounds that are open and heard at a time: 1 to 8. Default 4. */
  readonly together?: number | undefined;
  /** Told of each segment when it is heard, those of a sound in order. @param index of its sound */
  readonly onSegment?: ((segment: TranscriptSegment, index: number) => void) | undefined;
  /** Told of each sound when it was heard to its end. @param index of the sound */
  readonly onTranscript?: ((transcript: Transcript, index: number) => void) | undefined;
}

const TOGETHER = 4;

/** One of several sounds, while it is heard. */
export interface SoundTask {
  readonly sound: Sound;
  readonly hearing: Hearing;
  onSegment(segment: TranscriptSegment): void;
  /** So many seconds of it came. */
  onHeard(seconds: number): void;
  /** It was heard to its end. */
  done(): void;
}

export interface SoundTasks {
  /** How many are heard at a time. */
  readonly lanes: number;
  /** What is to be heard next; undefined: nothing more. */
  next(): Promise<SoundTask | undefined>;
}

interface Heard {
  readonly segments: TranscriptSegment[];
  seconds: number;
}

/** @throws InputError for what is no list of sounds, and options that cannot be meant */
export function checkTranscribeAll(sounds: readonly SoundToHear[], { together, onSegment, onTranscript }: TranscribeAllOptions): void {
  if (!Array.isArray(sounds)) throw new InputError(`sounds must be a list, found ${describeValue(sounds)}.`);
  checkInteger('together', together, { min: 1, max: MOST_WINDOWS });
  for (const [name, value] of Object.entries({ onSegment, onTranscript }))
    if (value !== undefined && typeof value !== 'function') throw new InputError(`${name} must be a function, found ${describeValue(value)}.`);
}

/** The transcripts of all, in their order. The first sound that fails ends all: its error is thrown, when the others have stopped. */
export async function transcribeAll(
  recogniser: Recogniser, sounds: readonly SoundToHear[], { together = TOGETHER, onSegment, onTranscript, ...options }: TranscribeAllOptions,
): Promise<Transcript[]> {
  const { signal, onProgress, language } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal!.reason);
  signal?.addEventListener('abort', onAbort);
  const transcripts: Transcript[] = [];
  const heard: Heard[] = sounds.map(() => ({ segments: [], seconds: 0 }));
  const tell = (): void => onProgress?.({ phase: 'transcribe', loaded: heard.reduce((sum, { seconds }) => sum + seconds, 0), total: 0 });
  let opened = 0;
  const next = async (): Promise<SoundTask | undefined> => {
    if (opened === sounds.length || controller.signal.aborted) return undefined;
    const index = opened++;
    const given = sounds[index]!;
    const own = heard[index]!;
    const hearing: Hearing = { language, seconds: 0 };
    return {
      sound: typeof given === 'function' ? await given() : given,
      hearing,
      onSegment(segment) {
        own.segments.push(segment);
        onSegment?.(segment, index);
      },
      onHeard(seconds) {
        own.seconds = hearing.seconds = Math.max(own.seconds, seconds);
        tell();
      },
      done() {
        const { segments } = own;
        transcripts[index] = { text: segments.map(({ text }) => text).join(' '), segments, ...hearing };
        onTranscript?.(transcripts[index]!, index);
      },
    };
  };
  try {
    await recogniser.hearAll({ lanes: Math.min(together, sounds.length), next }, { ...options, onProgress: undefined, signal: controller.signal });
    return transcripts;
  } finally {
    controller.abort(new Error('the sounds were heard, or one of them failed'));
    signal?.removeEventListener('abort', onAbort);
  }
}
