/** Short-time Fourier transforms, centred: frame t is of the samples around t * hop. */
import { InputError } from '../tensor/errors.ts';
import { createFft } from './fft.ts';
import type { Fft } from './fft.ts';
import { createSampleQueue } from './sample-queue.ts';

export interface StftShape {
  /** Samples of a frame, and length of the window. */
  readonly window: Float64Array;
  /** Samples from one frame to the next. */
  readonly hop: number;
  /** What stands before the first sample and behind the last, half a frame each: the samples mirrored, or zeros. */
  readonly padding: 'reflect' | 'zero';
}

/** Takes a frame's bins: [size / 2 + 1], views that the next frame overwrites. */
export type OnFrame = (real: Float64Array, imaginary: Float64Array) => void;

export interface Stft {
  /** Half the frame's length, rounded down, and one. */
  readonly bins: number;
  /** Gives the frames that the samples so far decide. */
  push(samples: Float32Array): void;
  /**
   * Gives the others: floor(samples / hop) + 1 in all.
   * @throws InputError where there are too few samples to be mirrored
   */
  end(): void;
}

export function createStft({ window, hop, padding }: StftShape, onFrame: OnFrame): Stft {
  const size = window.length;
  const half = Math.floor(size / 2);
  const fft = createFft(size);
  const [frame, real, imaginary] = [new Float64Array(size), new Float64Array(fft.bins), new Float64Array(fft.bins)];
  // A window that is shorter than the transform is zero at both ends.
  const first = Math.max(0, window.findIndex((value) => value !== 0));
  const end = window.findLastIndex((value) => value !== 0) + 1;
  // What is not yet behind all frames that see it, and what the end is mirrored from.
  const queue = createSampleQueue();
  let isPadded = false;
  let passed = 0;
  const run = (): void => {
    const samples = queue.view();
    for (; passed + size <= samples.length; passed += hop) {
      for (let t = first; t < end; t++) frame[t] = samples[passed + t]! * window[t]!;
      fft.forward(frame, real, imaginary);
      onFrame(real, imaginary);
    }
    const spare = Math.min(passed, samples.length - half - 1);
    if (spare > 0) {
      queue.drop(spare);
      passed -= spare;
    }
  };
  const padFront = (): void => {
    const samples = queue.view().slice();
    if (padding === 'reflect' && samples.length <= half)
      throw new InputError(`the sound is too short for frames of ${size} samples: expected more than ${half}, found ${samples.length}.`);
    queue.drop(samples.length);
    queue.append(padding === 'zero' ? new Float32Array(half) : samples.subarray(1, half + 1).toReversed());
    queue.append(samples);
    isPadded = true;
  };
  return {
    bins: fft.bins,
    push(samples) {
      queue.append(samples);
      if (!isPadded && queue.length > half) padFront();
      if (isPadded) run();
    },
    end() {
      if (!isPadded) padFront();
      const samples = queue.view();
      const mirrored = samples.subarray(Math.max(0, samples.length - 1 - half), samples.length - 1).toReversed();
      queue.append(padding === 'zero' ? new Float32Array(half) : mirrored);
      run();
    },
  };
}

export interface IstftShape {
  readonly window: Float64Array;
  readonly hop: number;
  /** Samples cut off at both ends: half a frame undoes a centred transform; (frame - hop) / 2 gives hop samples a frame ("same"). */
  readonly trim: number;
}

export interface Istft {
  /**
   * Samples that later frames do not touch: hop of them at most.
   * @param real,imaginary bins of one frame: [size / 2 + 1]
   */
  push(real: ArrayLike<number>, imaginary: ArrayLike<number>): Float32Array;
  end(): Float32Array;
}

/**
 * Frames added up where they overlap, over the sum of the squared windows: what `createStft` was given, wherever windows are not zero.
 * @throws InputError for a trim or hop that leaves samples between the frames
 */
export function createIstft({ window, hop, trim }: IstftShape): Istft {
  const size = window.length;
  if (trim < 0 || trim > size - hop)
    throw new InputError(`trim must be from 0 to ${size - hop}, a frame less its hop, found ${trim}.`);
  const fft: Fft = createFft(size);
  const frame = new Float64Array(size);
  const squares = window.map((value) => value * value);
  const sums = new Float64Array(size);
  const weights = new Float64Array(size);
  let toTrim = trim;
  const give = (count: number): Float32Array => {
    const samples = new Float32Array(count);
    for (let t = 0; t < count; t++) samples[t] = weights[t]! > 1e-11 ? sums[t]! / weights[t]! : sums[t]!;
    for (const array of [sums, weights]) {
      array.copyWithin(0, count);
      array.fill(0, size - count);
    }
    const cut = Math.min(toTrim, count);
    toTrim -= cut;
    return samples.subarray(cut);
  };
  let isFirst = true;
  return {
    push(real, imaginary) {
      const given = isFirst ? new Float32Array(0) : give(hop);
      isFirst = false;
      fft.inverse(real, imaginary, frame);
      for (let t = 0; t < size; t++) {
        sums[t]! += frame[t]! * window[t]!;
        weights[t]! += squares[t]!;
      }
      return given;
    },
    end() {
      if (isFirst) return new Float32Array(0);
      const rest = give(size);
      return rest.subarray(0, rest.length - trim);
    },
  };
}
