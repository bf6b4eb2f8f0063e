/** Speech to text for a model that hears one turn at a time and gives text without times (Moonshine). */
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { checkTurnOptions } from '../../audio/turn-taking.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { HeardSound, SoundDecoder } from '../sound-decoder.ts';
import { batches } from './batches.ts';
import { createTurns } from './in-turn.ts';
import { liveTurns } from './live-turns.ts';
import type { LiveTurnsOptions } from './live-turns.ts';
import { monoSound } from './mono-sound.ts';
import { evenParts, speechTurns } from './sound-turns.ts';
import type { SoundPart } from './sound-turns.ts';
import type { Hearing, Recogniser, TranscribeOptions } from './speech-model.ts';
import type { Sound } from './mono-sound.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface TurnRecogniserParts {
  /** For messages: `moonshine`. */
  readonly architecture: string;
  readonly decoder: SoundDecoder;
  readonly tokenizer: Tokenizer;
  readonly detector: VoiceDetector;
  /** The token that an answer follows. */
  readonly startId: number;
  readonly endIds: readonly number[];
}

/** Sounds that are decoded together. */
export const MOST_SOUNDS = 4;
/** How long a turn waits for others: those of a sound that is there come sooner, those of a speaker do not. */
const BATCH_WAIT_MS = 100;
/** The longest turn that the model is given. */
export const MOST_TURN_SECONDS = 30;
/** Of sounds that nobody waits for: a sentence with its pauses is heard better than its parts. */
const TURNS: TurnOptions = { maxTurnMs: 20_000, endSilenceMs: 600, preRollMs: 300, postRollMs: 200 };
const PARTIAL_MS = 500;
/** Moonshine was trained on no more than about six tokens a second: an answer that is longer repeats itself. */
const TOKENS_PER_SECOND = 6.5;
const LEAST_TOKENS = 8;
/** What is shorter is filled up with silence: less leaves nothing after the convolutions. */
const LEAST_SAMPLES = SILERO_RATE / 10;

/** Owns decoder and detector. */
export function createTurnRecogniser(parts: TurnRecogniserParts): Recogniser {
  const { architecture, decoder, detector } = parts;
  const inTurn = createTurns();
  const segments = async function* (sound: Sound, options: TranscribeOptions, hearing: Hearing): AsyncGenerator<TranscriptSegment> {
    const { signal, onProgress, pieceSeconds, turns } = options;
    const { pieces, seconds: total = 0 } = monoSound(sound, SILERO_RATE);
    const onHeard = (samples: number): void => void (hearing.seconds = samples / SILERO_RATE);
    const cut = pieceSeconds === undefined
      ? speechTurns(pieces, detector, { turns: { ...TURNS, ...turns }, onHeard })
      : evenParts(pieces, { seconds: pieceSeconds, onHeard });
    onProgress?.({ phase: 'transcribe', loaded: 0, total });
    for await (const batch of batches(untilAborted(cut, signal), { most: MOST_SOUNDS, waitMs: BATCH_WAIT_MS })) {
      const texts = await inTurn(() => textsOf(batch, parts, options));
      for (const [i, { startSample, samples }] of batch.entries()) {
        const end = (startSample + samples.length) / SILERO_RATE;
        onProgress?.({ phase: 'transcribe', loaded: end, total });
        if (texts[i] !== '') yield { start: startSample / SILERO_RATE, end, text: texts[i]! };
      }
    }
    onProgress?.({ phase: 'transcribe', loaded: hearing.seconds, total: Math.max(total, hearing.seconds) });
  };
  return {
    abilities: { languages: ['en'], prompts: false, turns: true, words: false, translates: false },
    checkOptions: (options) => checkOptions(options, architecture),
    segments,
    async *listen(sound, { partialMs = PARTIAL_MS, turns, signal, onProgress, onTokens }) {
      const recognise: LiveTurnsOptions['recognise'] = async (part, stopped) =>
        (await inTurn(() => textsOf([part], parts, { signal: stopped, onTokens })))[0]!;
      const { pieces, seconds: total = 0 } = monoSound(sound, SILERO_RATE);
      const onHeard = (samples: number): void => onProgress?.({ phase: 'transcribe', loaded: samples / SILERO_RATE, total });
      yield* liveTurns(pieces, { detector, recognise, turns: { ...TURNS, ...turns }, partialMs, signal, onHeard });
    },
    async dispose() {
      await inTurn(() => decoder.dispose());
      await detector.dispose();
    },
  };
}

/** @throws InputError */
function checkOptions(options: TranscribeOptions, architecture: string): void {
  const { language, timestamps, task, prompt, pieceSeconds, turns } = options;
  if (language !== undefined && language !== 'en')
    throw new InputError(`${architecture} knows English ("en") alone, found language ${describeValue(language)}: leave it out.`);
  if (timestamps === 'words') throw new InputError(`${architecture} has no times of words: use timestamps "segments".`);
  if (task === 'translate') throw new InputError(`${architecture} does not translate: leave out task.`);
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

/** Text of each part, in the same order. */
async function textsOf(
  batch: readonly SoundPart[], { decoder, tokenizer, startId, endIds }: TurnRecogniserParts,
  { signal, onTokens }: TranscribeOptions,
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
    onTokens?.(answers.reduce((sum, { length }) => sum + length, 0));
    return answers.map((ids) => tokenizer.decode(ids.filter((id) => !endIds.includes(id)), { skipSpecial: true }).trim());
  } finally {
    for (const sound of sounds) sound.close();
  }
}
