/** Whisper over sounds of any length: window after window, or stretches of it side by side. */
import { WHISPER_RATE } from '../../../audio/whisper-features.ts';
import { InputError } from '../../../tensor/errors.ts';
import { describeValue } from '../../../tensor/option-names.ts';
import type { TranscriptSegment } from '../../../text/transcript-formats.ts';
import type { SoundDecoder } from '../../sound-decoder.ts';
import { createTurns } from '../in-turn.ts';
import type { InTurn } from '../in-turn.ts';
import { monoSound } from '../mono-sound.ts';
import type { Sound } from '../mono-sound.ts';
import type { Hearing, Recogniser } from '../recogniser.ts';
import type { TranscribeOptions } from '../transcribe-options.ts';
import type { SoundTasks } from '../recogniser.ts';
import type { VoiceDetector } from '../voice-detector.ts';
import { sideBySide } from './side-by-side.ts';
import type { LaneDecoder } from './side-by-side.ts';
import { windowByWindow } from './window-by-window.ts';
import type { WindowCall, WindowParts } from './window-by-window.ts';
import { windowsTogether } from './windows-together.ts';
import type { WhisperTokens } from './whisper-tokens.ts';

export interface WhisperParts extends WindowParts {
  readonly decoder: WindowParts['decoder'] & Pick<SoundDecoder, 'dispose'>;
  /** Loads what says where nobody speaks, which is the recogniser's from then on; called where it is first needed. */
  readonly openDetector: () => Promise<VoiceDetector>;
}

/** @param parts whose decoder it owns */
export function createWhisperRecogniser(parts: WhisperParts): Recogniser {
  const inTurn = createTurns();
  const codes = [...parts.tokens.languages.keys()];
  let opened: Promise<VoiceDetector> | undefined;
  const detector = (): Promise<VoiceDetector> => (opened ??= parts.openDetector());
  return {
    abilities: {
      languages: codes.length === 0 ? ['en'] : codes, prompts: true, turns: false, words: true, translates: codes.length > 0,
      searches: true,
    },
    checkOptions: (options) => checkOptions(options, parts.tokens),
    segments: (sound, options, hearing) => whisperSegments(parts, { sound, options, hearing, inTurn, detector }),
    hearAll: (tasks, options) => inTurn(() => hearTogether(parts, tasks, options)),
    async dispose() {
      await inTurn(() => parts.decoder.dispose());
      await (await opened)?.dispose();
    },
  };
}

/** A sound a lane, window after window; steps that wait go through the decoder together. @throws what the first lane that fails does */
async function hearTogether(parts: WhisperParts, tasks: SoundTasks, options: TranscribeOptions): Promise<void> {
  const failed = new AbortController();
  const stop = (): void => failed.abort(options.signal!.reason);
  options.signal?.addEventListener('abort', stop);
  // It may have come while another call had its turn.
  if (options.signal?.aborted === true) stop();
  const own = { ...options, signal: failed.signal };
  const lane = async (decoder: LaneDecoder): Promise<void> => {
    try {
      for (let task = await tasks.next(); task !== undefined; task = await tasks.next()) {
        const { sound, hearing, onHeard } = task;
        const { pieces } = monoSound(sound, WHISPER_RATE);
        hearing.language = parts.tokens.languages.size === 0 ? undefined : options.language;
        // The turn is that of all lanes.
        const inTurn: InTurn = (work) => work();
        const onWindow = (_next: number, came: number): void => onHeard(came);
        for await (const segment of windowByWindow({ ...parts, decoder }, { pieces, options: own, hearing, inTurn, onWindow }))
          task.onSegment(segment);
        task.done();
      }
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  try {
    await sideBySide(parts.decoder, Array.from({ length: tasks.lanes }, () => lane));
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}

/** @throws InputError */
function checkOptions({ language, turns, pieceSeconds, task }: TranscribeOptions, { languages }: WhisperTokens): void {
  for (const [name, value] of Object.entries({ turns, pieceSeconds }))
    if (value !== undefined) throw new InputError(`${name} is for models that hear turns: Whisper takes windows of 30 s. Leave it out.`);
  if (languages.size === 0) {
    if (language !== undefined && language !== 'en')
      throw new InputError(`this Whisper knows English ("en") alone, found ${describeValue(language)}.`);
    if (task === 'translate') throw new InputError('this Whisper knows English alone: it translates nothing.');
  } else if (language !== undefined && !languages.has(language)) {
    throw new InputError(`language must be one of ${[...languages.keys()].join(', ')}, found ${describeValue(language)}.`);
  }
}

interface Call {
  readonly sound: Sound;
  readonly options: TranscribeOptions;
  readonly hearing: Hearing;
  readonly inTurn: InTurn;
  readonly detector: () => Promise<VoiceDetector>;
}

async function* whisperSegments(
  parts: WhisperParts, { sound, options, hearing, inTurn, detector }: Call,
): AsyncGenerator<TranscriptSegment> {
  const { onProgress, windows = 1 } = options;
  const { pieces, seconds: total = 0 } = monoSound(sound, WHISPER_RATE);
  hearing.language = parts.tokens.languages.size === 0 ? undefined : options.language;
  onProgress?.({ phase: 'transcribe', loaded: 0, total });
  let loaded = 0;
  const onWindow = (next: number, came: number): void => {
    hearing.seconds = Math.max(hearing.seconds, came);
    if (next > loaded) onProgress?.({ phase: 'transcribe', loaded: Math.min(next, Math.max(hearing.seconds, total)), total });
    loaded = next;
  };
  const call: WindowCall = { pieces, options, hearing, inTurn, onWindow };
  const onHeard = (seconds: number): void => void (hearing.seconds = seconds);
  yield* windows === 1
    ? windowByWindow(parts, call)
    : windowsTogether(parts, { ...call, detector: await detector(), count: windows, onHeard });
  onProgress?.({ phase: 'transcribe', loaded: hearing.seconds, total: Math.max(total, hearing.seconds) });
}
