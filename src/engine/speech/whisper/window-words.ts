/** When the words of a window were said. */
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { TranscriptWord } from '../../../text/transcript-formats.ts';
import type { HeardSound, SoundDecoder } from '../../sound-decoder.ts';
import { tokenFrames } from './token-times.ts';
import type { WhisperTokens } from './whisper-tokens.ts';
import type { WindowSegment } from './window-segments.ts';
import { wordGroups } from './word-groups.ts';
import type { Wording } from './word-groups.ts';

/** Seconds of one position of the encoder. */
const POSITION_SECONDS = 0.02;

export interface SaidWindow {
  readonly sound: HeardSound;
  readonly prompt: readonly number[];
  /** The answer, without the end. */
  readonly ids: readonly number[];
  /** Frames of the window that are sound. */
  readonly frames: number;
  readonly signal?: CancelSignal | undefined;
}

/**
 * Seconds from the beginning of the window at which each token of the answer ends: as in transformers, where the row that the token makes
 * begins to look, which is the one that predicts the next. The first token begins at 0.
 */
export async function tokenEnds(
  decoder: Pick<SoundDecoder, 'align'>, { sound, prompt, ids, frames, signal }: SaidWindow,
): Promise<readonly number[]> {
  if (ids.length === 0) return [];
  const positions = sound.memory;
  const heads = await decoder.align(sound, [...prompt, ...ids], signal);
  const ofAnswer = heads.map((head) => head.subarray(prompt.length * positions));
  return tokenFrames({ heads: ofAnswer, positions, frames: Math.min(positions, Math.floor(frames / 2)) })
    .map((frame) => frame * POSITION_SECONDS);
}

/** Words of a segment, in seconds from the beginning of its window. */
export function segmentWords(
  { ids, first }: WindowSegment, ends: readonly number[], { endOfText, ...wording }: Wording & Pick<WhisperTokens, 'endOfText'>,
): TranscriptWord[] {
  const places = ids.flatMap((id, i) => (id < endOfText ? [first + i] : []));
  const text = ids.filter((id) => id < endOfText);
  return wordGroups(text, wording).map((word) => ({
    start: ends[places[word.first]! - 1] ?? 0,
    end: ends[places[word.first + word.count - 1]!]!,
    text: word.text,
  }));
}
