/** Speech to text: what every model of it offers. */
import type { MemoryUse } from '../../graph/executor.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import { checkOperation } from '../../tensor/progress.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { LiveEvent } from './live-turns.ts';
import type { Sound } from './mono-sound.ts';
import type { Hearing, Recogniser, SpeechAbilities } from './recogniser.ts';
import { checkSearch, SEARCH_NAMES } from './search-options.ts';
import { checkTranscribeAll, transcribeAll } from './transcribe-all.ts';
import type { ListenOptions, SoundToHear, TranscribeAllOptions, TranscribeOptions } from './transcribe-options.ts';

const TRANSCRIBE_NAMES: NamesOf<TranscribeOptions> = {
  language: true, timestamps: true, task: true, prompt: true, turns: true, pieceSeconds: true, onTokens: true, signal: true,
  onProgress: true, beams: true, patience: true, lengthPenalty: true, temperatures: true, conditioned: true, windows: true,
};

const { windows: _windows, beams: _beams, patience: _patience, lengthPenalty: _penalty, ...ALL_NAMES } = TRANSCRIBE_NAMES;

const LISTEN_NAMES: NamesOf<ListenOptions> = {
  language: true, timestamps: true, task: true, prompt: true, turns: true, partialMs: true, onTokens: true, signal: true, onProgress: true,
};

export interface SpeechModelInfo {
  /** Path or URL of its file. */
  readonly name: string;
  readonly architecture: string;
  /** As `cpu (2 threads, relaxed SIMD)`. */
  readonly device: string;
  readonly abilities: SpeechAbilities;
  /** Whether it listens: gives texts while somebody speaks. */
  readonly isLive: boolean;
  /** Bytes on the device, the detector's left out. */
  readonly memory: MemoryUse;
  readonly warnings: readonly string[];
}

export interface SpeechModel {
  readonly info: SpeechModelInfo;
  /**
   * What is said, segment by segment, while the sound comes: each when its turn is over. Leaving the loop ends the work.
   * @throws InputError for options that cannot be meant or that the model does not have; whatever the sound's stream throws
   */
  segments(sound: Sound, options?: TranscribeOptions): AsyncGenerator<TranscriptSegment>;
  /**
   * What is said, while it is said: where turns begin, what a turn says so far, and what it said when it is over, as `segments` would give
   * it. Leaving the loop ends the work.
   * @throws as {@link SpeechModel.segments}; InputError for a model that does not listen (`info.isLive`)
   */
  listen(sound: Sound, options?: ListenOptions): AsyncGenerator<LiveEvent>;
  /** All segments of a sound, and its text. @throws as {@link SpeechModel.segments} */
  transcribe(sound: Sound, options?: TranscribeOptions): Promise<Transcript>;
  /**
   * As `transcribe` of each, several at a time: what each says is what it says alone, and they are done sooner. While Whisper hears them no
   * other call of the model is answered. The first sound that fails ends all: its error is thrown.
   * @returns in the order of the sounds
   * @throws as {@link SpeechModel.segments}; what opens a sound throws
   */
  transcribeAll(sounds: readonly SoundToHear[], options?: TranscribeAllOptions): Promise<Transcript[]>;
  /** Frees the model and its detector. Idempotent. */
  dispose(): Promise<void>;
}

/** A model of speech to text around what its family does. Owns the recogniser. */
export function createSpeechModel(about: Omit<SpeechModelInfo, 'abilities' | 'isLive'>, recogniser: Recogniser): SpeechModel {
  const info: SpeechModelInfo = { ...about, abilities: recogniser.abilities, isLive: recogniser.listen !== undefined };
  let isDisposed = false;
  const checkCall = (options: TranscribeOptions): void => {
    if (isDisposed) throw new InputError('the model was disposed: load it again.');
    checkOptions(options);
    const unknown = info.abilities.searches ? undefined : SEARCH_NAMES.find((name) => options[name] !== undefined);
    if (unknown !== undefined) throw new InputError(`${info.architecture} takes no ${unknown}: leave it out.`);
    recogniser.checkOptions(options);
  };
  const checkListen = ({ partialMs, ...options }: ListenOptions): NonNullable<Recogniser['listen']> => {
    checkOptionNames({ partialMs, ...options }, LISTEN_NAMES, 'listen');
    checkCall(options);
    if (options.timestamps === 'words')
      throw new InputError('listen has times of turns alone: leave out timestamps "words", or use segments or transcribe.');
    if (partialMs !== undefined && !(partialMs >= 0))
      throw new InputError(`partialMs must be milliseconds of at least 0, found ${describeValue(partialMs)}.`);
    if (recogniser.listen === undefined)
      throw new InputError(`${info.architecture} does not listen: it hears windows of a sound. Use segments or transcribe.`);
    return recogniser.listen;
  };
  return {
    info,
    async *segments(sound, options = {}) {
      checkCall(options);
      yield* recogniser.segments(sound, options, { language: options.language, seconds: 0 });
    },
    async *listen(sound, options = {}) {
      yield* checkListen(options)(sound, options);
    },
    async transcribe(sound, options = {}) {
      checkCall(options);
      const hearing: Hearing = { language: options.language, seconds: 0 };
      const segments: TranscriptSegment[] = [];
      for await (const segment of recogniser.segments(sound, options, hearing)) segments.push(segment);
      return { text: segments.map(({ text }) => text).join(' '), segments, ...hearing };
    },
    async transcribeAll(sounds, all = {}) {
      const { together: _together, onSegment: _segment, onTranscript: _transcript, ...options } = all;
      checkTranscribeAll(sounds, all);
      checkOptionNames(options, ALL_NAMES, 'transcribeAll');
      checkCall(options);
      return transcribeAll(recogniser, sounds, all);
    },
    async dispose() {
      if (isDisposed) return;
      isDisposed = true;
      await recogniser.dispose();
    },
  };
}

/** @throws InputError */
function checkOptions(options: TranscribeOptions): void {
  checkOptionNames(options, TRANSCRIBE_NAMES, 'transcribe');
  checkOperation(options);
  checkSearch(options);
  const { timestamps = 'segments', task = 'transcribe', prompt, language, onTokens } = options;
  if (onTokens !== undefined && typeof onTokens !== 'function')
    throw new InputError(`onTokens must be a function, found ${describeValue(onTokens)}.`);
  if (timestamps !== 'segments' && timestamps !== 'words')
    throw new InputError(`timestamps must be "segments" or "words", found ${describeValue(timestamps)}.`);
  if (task !== 'transcribe' && task !== 'translate')
    throw new InputError(`task must be "transcribe" or "translate", found ${describeValue(task)}.`);
  for (const [name, value] of Object.entries({ prompt, language }))
    if (value !== undefined && typeof value !== 'string') throw new InputError(`${name} must be a text, found ${describeValue(value)}.`);
}
