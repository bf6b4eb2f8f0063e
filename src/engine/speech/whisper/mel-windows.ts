/** A sound's log mel rows, window by window, in memory of one window and what a stream gives at a time. */
import { createSampleQueue } from '../../../audio/sample-queue.ts';
import { createWhisperMel, largest, scaleWhisperMel, WHISPER_RATE } from '../../../audio/whisper-features.ts';

export interface MelWindows {
  /** Rows of sound from here on, as far as one window reaches; 0 at the end. */
  fill(): Promise<number>;
  /** [window, bands], scaled by the loudest value up to its end. */
  window(): Float32Array;
  advance(rows: number): void;
  /** Samples that came so far. */
  readonly samples: number;
}

export interface MelShape {
  readonly bands: number;
  readonly rows: number;
  /** The model's own, as `createWhisperMel` takes them. */
  readonly filters?: ArrayLike<number> | undefined;
}

/** Silence behind the sound, so that the last window is whole. */
const PADDING_SECONDS = 30;

/**
 * @param pieces samples at 16 kHz
 * @param shape `rows` of a window: 3,000
 */
export function createMelWindows(pieces: AsyncIterable<Float32Array>, { bands, rows, filters }: MelShape): MelWindows {
  const mel = createWhisperMel(bands, filters);
  const iterator = pieces[Symbol.asyncIterator]();
  const queue = createSampleQueue();
  let samples = 0;
  let passed = 0;
  let isOver = false;
  let loudest = -Infinity;
  /** Whether rows may have come. */
  const read = async (): Promise<boolean> => {
    if (isOver) return false;
    const next = await iterator.next();
    if (next.done !== true) {
      samples += next.value.length;
      queue.append(mel.push(next.value));
      return true;
    }
    isOver = true;
    queue.append(mel.push(new Float32Array(Math.max(PADDING_SECONDS * WHISPER_RATE, rows * 160))));
    queue.append(mel.end());
    return true;
  };
  return {
    get samples() {
      return samples;
    },
    async fill() {
      while (queue.length < rows * bands && (await read()));
      // Rows of the padding are no sound: how many rows are sound is known at the end.
      return isOver ? Math.max(0, Math.min(rows, Math.floor(samples / 160) - passed)) : rows;
    },
    window() {
      const values = queue.view().slice(0, rows * bands);
      loudest = Math.max(loudest, largest(values));
      return scaleWhisperMel(values, loudest);
    },
    advance(count) {
      queue.drop(count * bands);
      passed += count;
    },
  };
}
