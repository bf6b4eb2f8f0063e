/**
 * When a loudspeaker falls silent for what may become an interruption: at the first frame that may be speech, since a turn is certain only
 * some frames later. Where it becomes none, the loudspeaker goes on. Pure.
 */

/**
 * From this probability on: speech begins with hiss ("she"), of which the detector is not sure. Noise, hum and clicks of 20 s stayed below.
 */
const LIKELY = 0.05;
/** Frames without it (32 ms each) that end a hush. */
const QUIET_FRAMES = 3;
/** A hush lasts so many frames at most: what goes on without becoming a turn is noise. */
const MOST_FRAMES = 31;

export interface HushGate {
  /** @returns what a frame's probability of speech changes */
  push(probability: number): 'hush' | 'unhush' | undefined;
  /** The hush is over: it became a turn, or nothing sounds any more. */
  reset(): void;
}

export function createHushGate(): HushGate {
  let hushed: { frames: number; quiet: number } | undefined;
  /** After a hush that was noise: until it is quiet. */
  let isNoisy = false;
  return {
    push(probability) {
      const isLikely = probability >= LIKELY;
      if (!isLikely) isNoisy = false;
      if (hushed === undefined) {
        if (!isLikely || isNoisy) return undefined;
        hushed = { frames: 1, quiet: 0 };
        return 'hush';
      }
      hushed.frames++;
      hushed.quiet = isLikely ? 0 : hushed.quiet + 1;
      if (hushed.quiet < QUIET_FRAMES && hushed.frames < MOST_FRAMES) return undefined;
      isNoisy = isLikely;
      hushed = undefined;
      return 'unhush';
    },
    reset() {
      hushed = undefined;
      isNoisy = false;
    },
  };
}
