/** Speech to text: a sound in turns, each heard by a model and decoded to text. */
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { checkTurnOptions } from '../../audio/turn-taking.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../../tensor/option-names.ts';
import type { NamesOf } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { checkOperation } from '../../tensor/progress.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { HeardSound, SoundDecoder } from '../sound-decoder.ts';
import { createTurns } from './in-turn.ts';
import { monoSound } from './mono-sound.ts';
import type { Sound } from './mono-sound.ts';
import { evenParts, speechTurns } from './sound-turns.ts';
import type { SoundPart } from './sound-turns.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface TranscribeOptions {
  /** Code of the language that is spoken. Default: what the model knows or hears. */
  readonly language?: string | undefined;
  /** Times of segments, or of each word too, where the model has them. Default `segments`. */
  readonly timestamps?: 'segments' | 'words' | undefined;
  /** What was said before, or names that will be: where the model takes such a text. */
  readonly prompt?: string | undefined;
  /** Where a turn begins and ends. Default: pauses of 600 ms, and turns of at most 20 s. */
  readonly turns?: TurnOptions | undefined;
  /** Cuts the sound every so many seconds, in place of where speech pauses. */
  readonly pieceSeconds?: number | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const TRANSCRIBE_NAMES: NamesOf<TranscribeOptions> = {
  language: true, timestamps: true, prompt: true, turns: true, pieceSeconds: true, signal: true, onProgress: true,
};

export interface SpeechModelInfo {
  /** Path or URL of its file. */
  readonly name: string;
  readonly architecture: string;
  /** As `cpu (2 threads, relaxed SIMD)`. */
  readonly device: string;
  readonly warnings: readonly string[];
}

export interface SpeechModel {
  readonly info: SpeechModelInfo;
  /**
   * What is said, segment by segment, while the sound comes: each when its turn is over. Leaving the loop ends the work.
   * @throws InputError for options that cannot be meant or that the model does not have; whatever the sound's stream throws
   */
  segments(sound: Sound, options?: TranscribeOptions): AsyncGenerator<TranscriptSegment>;
  /** All segments of a sound, and its text. @throws as {@link SpeechModel.segments} */
  transcribe(sound: Sound, options?: TranscribeOptions): Promise<Transcript>;
  /** Frees the model and its detector. Idempotent. */
  dispose(): Promise<void>;
}

export interface SpeechModelParts {
  readonly info: SpeechModelInfo;
  readonly decoder: SoundDecoder;
  readonly tokenizer: Tokenizer;
  readonly detector: VoiceDetector;
  /** The token that an answer follows. */
  readonly startId: number;
  readonly endIds: readonly number[];
}

/** Sounds that are decoded together. */
export const MOST_SOUNDS = 4;
/** The longest turn that the model is given. */
export const MOST_TURN_SECONDS = 30;
/** Of sounds that nobody waits for: a sentence with its pauses is heard better than its parts. */
const TURNS: TurnOptions = { maxTurnMs: 20_000, endSilenceMs: 600, preRollMs: 300, postRollMs: 200 };
/** Moonshine was trained on no more than about six tokens a second: an answer that is longer repeats itself. */
const TOKENS_PER_SECOND = 6.5;
const LEAST_TOKENS = 8;
/** What is shorter is filled up with silence: less leaves nothing after the convolutions. */
const LEAST_SAMPLES = SILERO_RATE / 10;

/** A model that gives text without times (Moonshine), over turns that a detector finds. Owns decoder and detector. */
export function createSpeechModel(parts: SpeechModelParts): SpeechModel {
  const { info, decoder, detector } = parts;
  const inTurn = createTurns();
  let isDisposed = false;
  const checkOpen = (): void => {
    if (isDisposed) throw new InputError('the model was disposed: load it again.');
  };
  const segments = async function* (sound: Sound, options: TranscribeOptions, heard: Heard): AsyncGenerator<TranscriptSegment> {
    const { signal, onProgress, pieceSeconds, turns } = options;
    const { pieces, seconds = 0 } = monoSound(sound, SILERO_RATE);
    const onHeard = (samples: number): void => void (heard.seconds = samples / SILERO_RATE);
    const turnOptions = { ...TURNS, ...turns };
    const cut = pieceSeconds === undefined
      ? speechTurns(pieces, detector, { turns: turnOptions, onHeard })
      : evenParts(pieces, { seconds: pieceSeconds, onHeard });
    const total = Math.max(seconds, 0);
    onProgress?.({ phase: 'transcribe', loaded: 0, total });
    for await (const batch of batches(untilAborted(cut, signal), MOST_SOUNDS)) {
      checkOpen();
      const texts = await inTurn(() => textsOf(batch, parts, signal));
      for (const [i, { startSample, samples }] of batch.entries()) {
        const end = (startSample + samples.length) / SILERO_RATE;
        onProgress?.({ phase: 'transcribe', loaded: end, total });
        if (texts[i] !== '') yield { start: startSample / SILERO_RATE, end, text: texts[i]! };
      }
    }
    onProgress?.({ phase: 'transcribe', loaded: heard.seconds, total: Math.max(total, heard.seconds) });
  };
  return {
    info,
    async *segments(sound, options = {}) {
      checkOptions(options, info);
      checkOpen();
      yield* segments(sound, options, { seconds: 0 });
    },
    async transcribe(sound, options = {}) {
      checkOptions(options, info);
      checkOpen();
      const heard: Heard = { seconds: 0 };
      const all: TranscriptSegment[] = [];
      for await (const segment of segments(sound, options, heard)) all.push(segment);
      return { text: all.map(({ text }) => text).join(' '), segments: all, language: options.language, seconds: heard.seconds };
    },
    async dispose() {
      if (isDisposed) return;
      isDisposed = true;
      await inTurn(() => decoder.dispose());
      await detector.dispose();
    },
  };
}

/** How much of the sound came. */
interface Heard {
  seconds: number;
}

/** @throws InputError */
function checkOptions(options: TranscribeOptions, { architecture }: SpeechModelInfo): void {
  checkOptionNames(options, TRANSCRIBE_NAMES, 'transcribe');
  checkOperation(options);
  const { language, timestamps = 'segments', prompt, pieceSeconds, turns } = options;
  if (language !== undefined && language !== 'en')
    throw new InputError(`${architecture} knows English ("en") alone, found language ${describeValue(language)}: leave it out.`);
  if (timestamps === 'words') throw new InputError(`${architecture} has no times of words: use timestamps "segments".`);
  if (timestamps !== 'segments') throw new InputError(`timestamps must be "segments" or "words", found ${describeValue(timestamps)}.`);
  if (prompt !== undefined) throw new InputError(`${architecture} takes no prompt: leave it out.`);
  if (pieceSeconds !== undefined && !(pieceSeconds > 0 && pieceSeconds <= MOST_TURN_SECONDS))
    throw new InputError(`pieceSeconds must be more than 0 and at most ${MOST_TURN_SECONDS}, found ${describeValue(pieceSeconds)}.`);
  if (turns === undefined) return;
  if (pieceSeconds !== undefined) throw new InputError('turns and pieceSeconds both say where the sound is cut: give one of them.');
  checkTurnOptions(turns);
  const frameMs = (1000 * SILERO_SAMPLES) / SILERO_RATE;
  if (turns.frameMs !== undefined && turns.frameMs !== frameMs)
    throw new InputError(`turns.frameMs is ${frameMs} for this detector: leave it out.`);
  if ((turns.maxTurnMs ?? 0) > 1000 * MOST_TURN_SECONDS)
    throw new InputError(`turns.maxTurnMs must be at most ${1000 * MOST_TURN_SECONDS}, found ${turns.maxTurnMs}.`);
}

async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: CancelSignal | undefined): AsyncGenerator<Item> {
  signal?.throwIfAborted();
  for await (const item of items) {
    signal?.throwIfAborted();
    yield item;
  }
  signal?.throwIfAborted();
}

async function* batches<Item>(items: AsyncIterable<Item>, most: number): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < most) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Text of each part, in the same order. */
async function textsOf(
  batch: readonly SoundPart[], { decoder, tokenizer, startId, endIds }: SpeechModelParts, signal: CancelSignal | undefined,
): Promise<string[]> {
  const sounds: HeardSound[] = [];
  try {
    for (const { samples } of batch) {
      signal?.throwIfAborted();
      const padded = samples.length >= LEAST_SAMPLES ? samples : new Float32Array(LEAST_SAMPLES);
      if (padded !== samples) padded.set(samples);
      sounds.push(await decoder.hear(padded));
    }
    const seconds = Math.max(...batch.map(({ samples }) => samples.length)) / SILERO_RATE;
    const maxTokens = Math.max(LEAST_TOKENS, Math.ceil(seconds * TOKENS_PER_SECOND));
    const answers = await decoder.greedy(sounds, { prompt: [startId], endIds, maxTokens, signal });
    return answers.map((ids) => tokenizer.decode(ids.filter((id) => !endIds.includes(id)), { skipSpecial: true }).trim());
  } finally {
    for (const sound of sounds) sound.close();
  }
}
