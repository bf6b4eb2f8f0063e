/** A sound that was taken to be heard, and may never be: an abort comes first, or it is refused. */
import type { Sound } from './mono-sound.ts';

export interface TakenSound {
  readonly sound: Sound;
  /** Lets go of a stream that nobody began to read; one that was begun is closed by its reader. Waits for nothing, and does not throw. */
  release(): void;
}

export function takenSound(sound: Sound): TakenSound {
  // What is no stream has nothing to be closed, or is refused by name where it is heard.
  if (typeof sound !== 'object' || sound === null || 'samples' in sound || typeof sound.chunks?.[Symbol.asyncIterator] !== 'function')
    return { sound, release() {} };
  const { sampleRate, channels, frames, chunks } = sound;
  let isBegun = false;
  const begin = (): AsyncIterator<Float32Array> => {
    isBegun = true;
    return chunks[Symbol.asyncIterator]();
  };
  return {
    sound: {
      sampleRate, chunks: { [Symbol.asyncIterator]: begin },
      ...(channels !== undefined && { channels }), ...(frames !== undefined && { frames }),
    },
    release() {
      if (isBegun) return;
      const reading = begin();
      // A generator closes its file only where it was begun. Its first samples may be long in coming, so nobody waits for them.
      reading.next().catch(() => {});
      reading.return?.().catch(() => {});
    },
  };
}
