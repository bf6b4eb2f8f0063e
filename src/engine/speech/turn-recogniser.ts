/** Speech to text for a model that hears one turn at a time (Moonshine, Parakeet). */
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { checkTurnOptions } from '../../audio/turn-taking.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import { batches } from './batches.ts';
import { createTurns } from './in-turn.ts';
import { interleaved } from './interleaved.ts';
import { liveTurns } from './live-turns.ts';
import type { LiveTurnsOptions } from './live-turns.ts';
import { monoSound } from './mono-sound.ts';
import { evenParts, speechTurns } from './sound-turns.ts';
import type { HeardPart, SoundPart } from './sound-turns.ts';
import type { Hearing, Recogniser, SpeechAbilities } from './recogniser.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { Sound } from './mono-sound.ts';
import type { SoundTask } from './recogniser.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface HearOptions extends Pick<TranscribeOptions, 'signal' | 'onTokens'> {
  /** What was heard of less of the only part: most of it may be said again. */
  readonly before?: HeardPart | undefined;
}

/** A part of one of several sounds; none: the sound is over. */
interface TaskPart {
  readonly task: SoundTask;
  readonly part: SoundPart | undefined;
}

export interface TurnRecogniserParts {
  /** For messages: `moonshine`. */
  readonly architecture: string;
  /** Languages that may be named; none for a model that finds out. Whether it knows when words were said. */
  readonly abilities: Pick<SpeechAbilities, 'languages' | 'words'>;
  readonly detector: VoiceDetector;
  /** Of each part, in the same order. Not called again before it is done. */
  hear(parts: readonly SoundPart[], options: HearOptions): Promise<readonly HeardPart[]>;
  /** Frees what hears. */
  dispose(): Promise<void>;
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
/** Owns the detector, and what hears. */
export function createTurnRecogniser(parts: TurnRecogniserParts): Recogniser {
  const { abilities, detector } = parts;
  const inTurn = createTurns();
  const cutOf = (pieces: AsyncIterable<Float32Array>, { pieceSeconds, turns }: TranscribeOptions, onHeard: (samples: number) => void) =>
    (pieceSeconds === undefined
      ? speechTurns(pieces, detector, { turns: { ...TURNS, ...turns }, onHeard })
      : evenParts(pieces, { seconds: pieceSeconds, onHeard }));
  const segments = async function* (sound: Sound, options: TranscribeOptions, hearing: Hearing): AsyncGenerator<TranscriptSegment> {
    const { signal, onProgress, onTokens, timestamps } = options;
    const { pieces, seconds: total = 0 } = monoSound(sound, SILERO_RATE);
    const cut = cutOf(pieces, options, (samples) => void (hearing.seconds = samples / SILERO_RATE));
    onProgress?.({ phase: 'transcribe', loaded: 0, total });
    for await (const batch of batches(untilAborted(cut, signal), { most: MOST_SOUNDS, waitMs: BATCH_WAIT_MS })) {
      const heard = await inTurn(() => parts.hear(batch, { signal, onTokens }));
      for (const [i, part] of batch.entries()) {
        onProgress?.({ phase: 'transcribe', loaded: (part.startSample + part.samples.length) / SILERO_RATE, total });
        if (heard[i]!.text !== '') yield segmentOf(part, heard[i]!, timestamps === 'words');
      }
    }
    onProgress?.({ phase: 'transcribe', loaded: hearing.seconds, total: Math.max(total, hearing.seconds) });
  };
  return {
    abilities: { ...abilities, prompts: false, turns: true, translates: false, searches: false },
    checkOptions: (options) => checkOptions(options, parts),
    segments,
    async hearAll(tasks, options) {
      const { signal, onTokens, timestamps } = options;
      const lane = async function* (): AsyncGenerator<TaskPart> {
        for (let task = await tasks.next(); task !== undefined; task = await tasks.next()) {
          const { sound, onHeard } = task;
          const { pieces } = monoSound(sound, SILERO_RATE);
          for await (const part of untilAborted(cutOf(pieces, options, (samples) => onHeard(samples / SILERO_RATE)), signal))
            yield { task, part };
          yield { task, part: undefined };
        }
      };
      const all = interleaved(Array.from({ length: tasks.lanes }, lane));
      for await (const batch of batches(all, { most: MOST_SOUNDS, waitMs: BATCH_WAIT_MS })) {
        const parted = batch.flatMap(({ part }) => part ?? []);
        const heard = parted.length === 0 ? [] : await inTurn(() => parts.hear(parted, { signal, onTokens }));
        for (const { task, part } of batch) {
          const { text, words } = part === undefined ? { text: '' } : heard[parted.indexOf(part)]!;
          if (part === undefined) task.done();
          else if (text !== '') task.onSegment(segmentOf(part, { text, words }, timestamps === 'words'));
        }
      }
    },
    async *listen(sound, { partialMs = PARTIAL_MS, turns, signal, onProgress, onTokens }) {
      const recognise: LiveTurnsOptions['recognise'] = async (part, { signal: stopped, before }) =>
        (await inTurn(() => parts.hear([part], { signal: stopped, onTokens, before })))[0]!;
      const { pieces, seconds: total = 0 } = monoSound(sound, SILERO_RATE);
      const onHeard = (samples: number): void => onProgress?.({ phase: 'transcribe', loaded: samples / SILERO_RATE, total });
      yield* liveTurns(pieces, { detector, recognise, turns: { ...TURNS, ...turns }, partialMs, signal, onHeard });
    },
    async dispose() {
      await inTurn(() => parts.dispose());
      await detector.dispose();
    },
  };
}

/** Times of a part are those of its words, where they are known, else its own. */
function segmentOf({ startSample, samples }: SoundPart, { text, words }: HeardPart, withWords: boolean): TranscriptSegment {
  const [from, until] = [startSample / SILERO_RATE, (startSample + samples.length) / SILERO_RATE];
  const [first, last] = [words?.[0], words?.at(-1)];
  if (words === undefined || first === undefined || last === undefined) return { start: from, end: until, text };
  const shifted = words.map((word) => ({ ...word, start: from + word.start, end: Math.min(until, from + word.end) }));
  return { start: from + first.start, end: Math.min(until, from + last.end), text, ...(withWords && { words: shifted }) };
}

/** @throws InputError */
function checkOptions(options: TranscribeOptions, { architecture, abilities: { languages, words } }: TurnRecogniserParts): void {
  const { language, timestamps, task, prompt, pieceSeconds, turns } = options;
  if (language !== undefined && !languages.includes(language)) {
    const known = languages.length === 0 ? 'hears for itself which language is spoken' : 'knows English ("en") alone';
    throw new InputError(`${architecture} ${known}, found language ${describeValue(language)}: leave it out.`);
  }
  if (timestamps === 'words' && !words) throw new InputError(`${architecture} has no times of words: use timestamps "segments".`);
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
