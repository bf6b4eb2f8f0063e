/** What may be said of how sounds are heard. */
import type { TurnOptions } from '../../audio/turn-taking.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { Transcript, TranscriptSegment } from '../../text/transcript-formats.ts';
import type { Sound } from './mono-sound.ts';
import type { SearchOptions } from './search-options.ts';

export interface TranscribeOptions extends SearchOptions {
  /** Code of the language that is spoken. Default: what the model knows or hears. */
  readonly language?: string | undefined;
  /** Times of segments, or of each word too, where the model has them. Default `segments`. */
  readonly timestamps?: 'segments' | 'words' | undefined;
  /** `translate` gives English of whatever is spoken, where the model can. Default `transcribe`. */
  readonly task?: 'transcribe' | 'translate' | undefined;
  /** What was said before, or names that will be: where the model takes such a text. */
  readonly prompt?: string | undefined;
  /** Where a turn begins and ends. Default: pauses of 600 ms, and turns of at most 20 s. */
  readonly turns?: TurnOptions | undefined;
  /** Cuts the sound every so many seconds, in place of where speech pauses. */
  readonly pieceSeconds?: number | undefined;
  /** Told of the tokens that the model predicted, as it did: those of a whole sound are their sum. */
  readonly onTokens?: ((count: number) => void) | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** As of a whole sound, of a sound that comes while somebody speaks. */
export interface ListenOptions extends Omit<TranscribeOptions, 'pieceSeconds' | keyof SearchOptions> {
  /** Least sound between two partial texts of a turn, in ms; more where this machine is slow. Default 500. */
  readonly partialMs?: number | undefined;
}

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
