/** What Silero's voice detector hears: of every 512 samples at 16 kHz the magnitudes of four transforms. */
import type { StreamStage } from './audio-stream.ts';
import { createFft } from './fft.ts';
import { createSampleQueue } from './sample-queue.ts';
import { hannWindow } from './windows.ts';

export const SILERO_RATE = 16_000;
/** Samples of one probability. */
export const SILERO_SAMPLES = 512;
/** Rows of one probability, and values of each. */
export const SILERO_ROWS = 4;
export const SILERO_BINS = 129;

/** Samples of the piece before that each piece begins with, and those that are mirrored at its end. */
const CONTEXT = 64;
const FFT_SIZE = 256;
const HOP = 128;

/** Samples to [4 rows a piece, 129]; the last piece is filled up with zeros. */
export function createSileroFrames(): StreamStage {
  const fft = createFft(FFT_SIZE);
  const window = hannWindow(FFT_SIZE);
  const [frame, real, imaginary] = [new Float64Array(FFT_SIZE), new Float64Array(SILERO_BINS), new Float64Array(SILERO_BINS)];
  const piece = new Float32Array(CONTEXT + SILERO_SAMPLES + CONTEXT);
  const queue = createSampleQueue();
  const rowsOf = (samples: Float32Array): Float32Array => {
    const end = CONTEXT + SILERO_SAMPLES;
    piece.copyWithin(0, SILERO_SAMPLES, end);
    piece.set(samples, CONTEXT);
    for (let i = 0; i < CONTEXT; i++) piece[end + i] = piece[end - 2 - i]!;
    const rows = new Float32Array(SILERO_ROWS * SILERO_BINS);
    for (let row = 0; row < SILERO_ROWS; row++) {
      for (let t = 0; t < FFT_SIZE; t++) frame[t] = piece[row * HOP + t]! * window[t]!;
      fft.forward(frame, real, imaginary);
      for (let bin = 0; bin < SILERO_BINS; bin++) rows[row * SILERO_BINS + bin] = Math.hypot(real[bin]!, imaginary[bin]!);
    }
    return rows;
  };
  const allRows = (): Float32Array => {
    const pieces = Math.floor(queue.length / SILERO_SAMPLES);
    const rows = new Float32Array(pieces * SILERO_ROWS * SILERO_BINS);
    for (let i = 0; i < pieces; i++) {
      rows.set(rowsOf(queue.view().subarray(0, SILERO_SAMPLES)), i * SILERO_ROWS * SILERO_BINS);
      queue.drop(SILERO_SAMPLES);
    }
    return rows;
  };
  return {
    push(samples) {
      queue.append(samples);
      return allRows();
    },
    end() {
      if (queue.length > 0) queue.append(new Float32Array(SILERO_SAMPLES - queue.length));
      return allRows();
    },
  };
}
