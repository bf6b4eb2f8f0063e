/**
 * Another rate by a sinc with a Hann window over six of its zeros to each side, cut off at 0.99 of the lower rate's half: torchaudio's
 * `resample` as it is by default (sinc_interp_hann, width 6, rolloff 0.99), after J. O. Smith, "Digital Audio Resampling".
 */
import { checkSampleRate, runStage } from './audio-stream.ts';
import type { StreamStage, Waveform } from './audio-stream.ts';
import { createSampleQueue } from './sample-queue.ts';

const ZEROS = 6;
const ROLLOFF = 0.99;

/** The factors of one output sample among `to`, over consecutive inputs. */
interface Phase {
  /** First input, counted from `width` before the block of `from` inputs. */
  readonly first: number;
  readonly taps: Float64Array;
}

/**
 * A stage from samples of one rate to those of another: ceil(samples * to / from) in all.
 * @param rates whole numbers of Hz
 * @throws InputError for rates that are none
 */
export function createResampler(rates: { readonly from: number; readonly to: number }): StreamStage {
  checkSampleRate('from', rates.from);
  checkSampleRate('to', rates.to);
  if (rates.from === rates.to) return { push: (samples) => samples, end: () => new Float32Array(0) };
  const divisor = greatestCommonDivisor(rates.from, rates.to);
  const [from, to] = [rates.from / divisor, rates.to / divisor];
  const width = Math.ceil((ZEROS * from) / (Math.min(from, to) * ROLLOFF));
  const phases = Array.from({ length: to }, (_, phase) => phaseOf(phase, { from, to, width }));
  const queue = createSampleQueue();
  queue.append(new Float32Array(width));
  let received = 0;
  let made = 0;
  /** The first input of the queue, from `width` before the sound on. */
  let dropped = 0;
  const run = (most: number): Float32Array => {
    const samples = queue.view();
    const end = dropped + samples.length;
    const output: number[] = [];
    for (; made < most; made++) {
      const { first, taps } = phases[made % to]!;
      const at = Math.floor(made / to) * from + first;
      if (at + taps.length > end) break;
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += samples[at - dropped + k]! * taps[k]!;
      output.push(sum);
    }
    const next = Math.floor(made / to) * from + phases[made % to]!.first;
    if (next > dropped) {
      queue.drop(next - dropped);
      dropped = Math.min(next, end);
    }
    return Float32Array.from(output);
  };
  return {
    push(samples) {
      received += samples.length;
      queue.append(samples);
      return run(Infinity);
    },
    end() {
      queue.append(new Float32Array(width + from));
      return run(Math.ceil((received * to) / from));
    },
  };
}

function phaseOf(phase: number, { from, to, width }: { readonly from: number; readonly to: number; readonly width: number }): Phase {
  const base = Math.min(from, to) * ROLLOFF;
  const at = (phase * from) / to;
  const reach = (ZEROS * from) / base;
  const first = Math.max(0, Math.ceil(at - reach) + width);
  const last = Math.min(2 * width + from - 1, Math.floor(at + reach) + width);
  const taps = Float64Array.from({ length: last - first + 1 }, (_, k) => {
    const t = Math.max(-ZEROS, Math.min(ZEROS, (-phase / to + (first + k - width) / from) * base));
    const window = Math.cos((t * Math.PI) / ZEROS / 2) ** 2;
    const sinc = t === 0 ? 1 : Math.sin(t * Math.PI) / (t * Math.PI);
    return sinc * window * (base / from);
  });
  return { first, taps };
}

/** A whole sound at another rate. */
export function resample({ samples, sampleRate }: Waveform, to: number): Waveform {
  return { samples: runStage(createResampler({ from: sampleRate, to }), samples), sampleRate: to };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
