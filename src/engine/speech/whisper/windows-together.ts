/**
 * Whisper over stretches of a sound that are cut where nobody speaks and heard side by side. Each is a sound of its own: it is told nothing
 * that another one said, and its loudness is its own, as for the sounds of a batch of transformers.
 */
import { SILERO_RATE } from '../../../audio/silero-frames.ts';
import type { TurnOptions } from '../../../audio/turn-taking.ts';
import type { TranscriptSegment } from '../../../text/transcript-formats.ts';
import { speechStretches } from '../speech-stretches.ts';
import type { SoundPart } from '../sound-turns.ts';
import type { VoiceDetector } from '../voice-detector.ts';
import { sideBySide } from './side-by-side.ts';
import { shifted, windowByWindow } from './window-by-window.ts';
import type { WindowCall, WindowParts } from './window-by-window.ts';
import { FRAME_SECONDS } from './window-segments.ts';

export interface TogetherCall extends WindowCall {
  readonly detector: VoiceDetector;
  /** Stretches at a time. */
  readonly count: number;
  /** Seconds that were cut into stretches. */
  readonly onHeard: (seconds: number) => void;
}

/** As of a recogniser of turns; a turn is as long as a window at most. */
const TURNS: TurnOptions = { endSilenceMs: 600, preRollMs: 300, postRollMs: 200 };

export async function* windowsTogether(parts: WindowParts, call: TogetherCall): AsyncGenerator<TranscriptSegment> {
  const { pieces, detector, count, hearing, onHeard, options: { signal } } = call;
  const mostSamples = Math.round(parts.mel.rows * FRAME_SECONDS * SILERO_RATE);
  const turns = { ...TURNS, maxTurnMs: 1000 * (mostSamples / SILERO_RATE) };
  const stretches = speechStretches(pieces, detector, { turns, mostSamples, onHeard: (samples) => onHeard(samples / SILERO_RATE) });
  let group: SoundPart[] = [];
  for await (const stretch of stretches) {
    signal?.throwIfAborted();
    group.push(stretch);
    // The first says which language it is.
    if (group.length < (parts.tokens.languages.size > 0 && hearing.language === undefined ? 1 : count)) continue;
    yield* await hearStretches(parts, group, call);
    group = [];
  }
  signal?.throwIfAborted();
  if (group.length > 0) yield* await hearStretches(parts, group, call);
}

/** Segments of stretches of one sound, or sounds of their own, in order and in seconds of the whole. */
export async function hearStretches(
  parts: WindowParts, stretches: readonly SoundPart[], { options, hearing, inTurn, onWindow }: Omit<WindowCall, 'pieces'>,
): Promise<TranscriptSegment[]> {
  const heard = await inTurn(() => sideBySide(parts.decoder, stretches.map(({ samples, startSample }) => async (decoder) => {
    const segments: TranscriptSegment[] = [];
    const start = startSample / SILERO_RATE;
    // The turn is that of all lanes.
    const own = { options, hearing, pieces: once(samples), inTurn: <Result>(work: () => Promise<Result>) => work() };
    for await (const segment of windowByWindow({ ...parts, decoder }, own)) segments.push(shifted(segment, start));
    return segments;
  })));
  const { startSample, samples } = stretches.at(-1)!;
  onWindow?.((startSample + samples.length) / SILERO_RATE, (startSample + samples.length) / SILERO_RATE);
  return heard.flat();
}

async function* once(samples: Float32Array): AsyncGenerator<Float32Array> {
  yield samples;
}
