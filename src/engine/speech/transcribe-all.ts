/** Several sounds at once: parts of different ones go through the model together. */
import { InputError } from '../../tensor/errors.ts';
import { checkInteger, describeValue } from '../../tensor/option-names.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { Hearing, Recogniser, SoundTask, SoundTasks } from './recogniser.ts';
import { MOST_WINDOWS } from './search-options.ts';
import { takenSound } from './taken-sound.ts';
import type { TakenSound } from './taken-sound.ts';
import type { SoundToHear, TranscribeAllOptions } from './transcribe-options.ts';

const TOGETHER = 4;

interface Heard {
  readonly segments: TranscriptSegment[];
  seconds: number;
}

/** @throws InputError for what is no list of sounds, and options that cannot be meant */
export function checkTranscribeAll(sounds: readonly SoundToHear[], { together, onSegment, onTranscript }: TranscribeAllOptions): void {
  if (!Array.isArray(sounds)) throw new InputError(`sounds must be a list, found ${describeValue(sounds)}.`);
  checkInteger('together', together, { min: 1, max: MOST_WINDOWS });
  for (const [name, value] of Object.entries({ onSegment, onTranscript }))
    if (value !== undefined && typeof value !== 'function')
      throw new InputError(`${name} must be a function, found ${describeValue(value)}.`);
}

/**
 * The transcripts of all, in their order. The first sound that fails ends all: its error is thrown, when the others have stopped.
 * @throws the signal's reason, where not all were heard before an abort
 */
export async function transcribeAll(
  recogniser: Pick<Recogniser, 'hearAll'>, sounds: readonly SoundToHear[], all: TranscribeAllOptions,
): Promise<Transcript[]> {
  const { together = TOGETHER, onSegment, onTranscript, ...options } = all;
  const { signal, onProgress, language } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal!.reason);
  signal?.addEventListener('abort', onAbort);
  const transcripts: Transcript[] = [];
  const heard: Heard[] = sounds.map(() => ({ segments: [], seconds: 0 }));
  const tell = (): void => onProgress?.({ phase: 'transcribe', loaded: heard.reduce((sum, { seconds }) => sum + seconds, 0), total: 0 });
  const taken = new Set<TakenSound>();
  const take = async (given: SoundToHear): Promise<TakenSound> => {
    const own = takenSound(typeof given === 'function' ? await given() : given);
    // It may have been long in opening.
    if (controller.signal.aborted) own.release();
    controller.signal.throwIfAborted();
    taken.add(own);
    return own;
  };
  let opened = 0;
  const next = async (): Promise<SoundTask | undefined> => {
    controller.signal.throwIfAborted();
    if (opened === sounds.length) return undefined;
    const index = opened++;
    const one = await take(sounds[index]!);
    const own = heard[index]!;
    const hearing: Hearing = { language, seconds: 0 };
    return {
      sound: one.sound,
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
        taken.delete(one);
        const { segments } = own;
        transcripts[index] = { text: segments.map(({ text }) => text).join(' '), segments, ...hearing };
        onTranscript?.(transcripts[index]!, index);
      },
    };
  };
  try {
    const tasks: SoundTasks = { lanes: Math.min(together, sounds.length), next };
    await recogniser.hearAll(tasks, { ...options, onProgress: undefined, signal: controller.signal });
    controller.signal.throwIfAborted();
    return transcripts;
  } finally {
    controller.abort(new Error('the sounds were heard, or one of them failed'));
    signal?.removeEventListener('abort', onAbort);
    for (const one of taken) one.release();
  }
}
