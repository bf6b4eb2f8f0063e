/** What a family of models does with sounds. */
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import type { LiveEvent } from './live-turns.ts';
import type { Sound } from './mono-sound.ts';
import type { ListenOptions, TranscribeOptions } from './transcribe-options.ts';

/** What of {@link TranscribeOptions} a model has, so that others are refused before any work. */
export interface SpeechAbilities {
  /** Codes that `language` may have. */
  readonly languages: readonly string[];
  /** It takes `prompt`. */
  readonly prompts: boolean;
  /** It takes `turns` and `pieceSeconds`. */
  readonly turns: boolean;
  /** It gives times of words. */
  readonly words: boolean;
  /** It takes the task `translate`. */
  readonly translates: boolean;
  /** It takes {@link SearchOptions}. */
  readonly searches: boolean;
}

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

/** What a family does with a sound. */
export interface Recogniser {
  readonly abilities: SpeechAbilities;
  /** @throws InputError for what this model does not have */
  checkOptions(options: TranscribeOptions): void;
  segments(sound: Sound, options: TranscribeOptions, hearing: Hearing): AsyncGenerator<TranscriptSegment>;
  /** Hears sounds as long as there are any, so many lanes at a time. @throws what the first of them that fails does */
  hearAll(tasks: SoundTasks, options: TranscribeOptions): Promise<void>;
  /** Where the model can follow speech. */
  listen?(sound: Sound, options: ListenOptions): AsyncGenerator<LiveEvent>;
  dispose(): Promise<void>;
}

/** What becomes known while a sound is heard. */
export interface Hearing {
  language: string | undefined;
  /** How much of the sound came. */
  seconds: number;
}
