/** How a window's answer becomes segments, and where the next window begins (openai-whisper's transcribe, 2022-2024). Pure. */
import { TIMESTAMP_SECONDS } from './whisper-tokens.ts';
import type { WhisperTokens } from './whisper-tokens.ts';

/** Frames of 10 ms in one timestamp. */
const FRAMES_A_TIMESTAMP = 2;
export const FRAME_SECONDS = 0.01;

export interface WindowSegment {
  /** Seconds from the beginning of the window. */
  readonly start: number;
  readonly end: number;
  /** Text and timestamps. */
  readonly ids: readonly number[];
  /** Which token of the answer the first of them is. */
  readonly first: number;
}

export interface WindowResult {
  readonly segments: readonly WindowSegment[];
  /** Frames to the beginning of the next window. */
  readonly advance: number;
}

/**
 * @param said the answer's tokens, without the end
 * @param frames of the window that are sound: at most 3,000
 */
export function windowSegments(said: readonly number[], frames: number, { firstTimestamp, endOfText }: WhisperTokens): WindowResult {
  const isTimestamp = said.map((id) => id >= firstTimestamp);
  const secondsOf = (id: number): number => (id - firstTimestamp) * TIMESTAMP_SECONDS;
  const last = said.length - 1;
  const endsInOne = last >= 1 && isTimestamp[last]! && !isTimestamp[last - 1]!;
  const cuts = said.flatMap((_, i) => (i > 0 && isTimestamp[i] && isTimestamp[i - 1] ? [i] : []));
  if (cuts.length > 0) {
    if (endsInOne) cuts.push(said.length);
    const segments = cuts.map((end, i): WindowSegment => {
      const first = cuts[i - 1] ?? 0;
      const ids = said.slice(first, end);
      return { start: secondsOf(ids[0]!), end: secondsOf(ids.at(-1)!), ids, first };
    });
    // What follows the last pair is heard again, whole.
    const advance = endsInOne ? frames : (said[cuts.at(-1)! - 1]! - firstTimestamp) * FRAMES_A_TIMESTAMP;
    return { segments: segments.filter((segment) => holdsText(segment, endOfText)), advance };
  }
  const latest = said.findLast((id) => id >= firstTimestamp);
  const end = latest === undefined || latest === firstTimestamp ? frames * FRAME_SECONDS : secondsOf(latest);
  const only: WindowSegment = { start: 0, end, ids: said, first: 0 };
  return { segments: holdsText(only, endOfText) ? [only] : [], advance: frames };
}

function holdsText({ start, end, ids }: WindowSegment, endOfText: number): boolean {
  return start !== end && ids.some((id) => id < endOfText);
}
