/** A sound cut where nobody speaks, or every so many seconds: the parts that a recogniser hears one by one. */
import { createSampleQueue } from '../../audio/sample-queue.ts';
import type { SampleQueue } from '../../audio/sample-queue.ts';
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { createTurnTaking } from '../../audio/turn-taking.ts';
import type { TurnEvent, TurnOptions } from '../../audio/turn-taking.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface SoundPart {
  /** Of its first sample, from the beginning of the sound. */
  readonly startSample: number;
  /** 16 kHz. */
  readonly samples: Float32Array;
}

/** Kept behind what has been heard while nobody speaks: pre-roll, and speech that is no turn yet. */
const KEPT_SAMPLES = 5 * SILERO_RATE;

/**
 * The turns of a sound, each as soon as it is over.
 * @param pieces samples at 16 kHz
 * @param onHeard called with the samples that were heard so far
 */
export async function* speechTurns(
  pieces: AsyncIterable<Float32Array>, detector: VoiceDetector,
  { turns: options, onHeard }: { readonly turns: TurnOptions; readonly onHeard?: ((samples: number) => void) | undefined },
): AsyncGenerator<SoundPart> {
  const voice = detector.open();
  const turns = createTurnTaking(options);
  const window = createWindow();
  const events = (probabilities: Float32Array): TurnEvent[] => [...probabilities].flatMap((probability) => turns.push(probability));
  const take = function* (of: readonly TurnEvent[]): Generator<SoundPart> {
    for (const event of of) {
      if (event.kind === 'start') window.openFrom = event.from * SILERO_SAMPLES;
      if (event.kind !== 'end') continue;
      yield window.part(event.from * SILERO_SAMPLES, event.to * SILERO_SAMPLES);
      window.openFrom = undefined;
    }
    window.forget();
  };
  try {
    for await (const piece of pieces) {
      window.append(piece);
      yield* take(events(await voice.push(piece)));
      onHeard?.(window.end);
    }
    yield* take([...events(await voice.end()), ...turns.close()]);
  } finally {
    voice.close();
  }
}

/** Parts of `seconds`, the last one shorter. @param pieces samples at 16 kHz */
export async function* evenParts(
  pieces: AsyncIterable<Float32Array>,
  { seconds, onHeard }: { readonly seconds: number; readonly onHeard?: ((samples: number) => void) | undefined },
): AsyncGenerator<SoundPart> {
  const length = Math.max(1, Math.round(seconds * SILERO_RATE));
  const queue = createSampleQueue();
  let startSample = 0;
  const part = (): SoundPart => {
    const made = { startSample, samples: queue.view().slice(0, length) };
    queue.drop(length);
    startSample += made.samples.length;
    return made;
  };
  for await (const piece of pieces) {
    queue.append(piece);
    while (queue.length >= length) yield part();
    onHeard?.(startSample + queue.length);
  }
  if (queue.length > 0) yield part();
}

/** The samples that a turn may still take. */
interface Window {
  /** Of the turn that goes on. */
  openFrom: number | undefined;
  /** Samples that came. */
  readonly end: number;
  append(samples: Float32Array): void;
  part(from: number, to: number): SoundPart;
  forget(): void;
}

function createWindow(): Window {
  const queue: SampleQueue = createSampleQueue();
  let start = 0;
  let end = 0;
  return {
    openFrom: undefined,
    get end() {
      return end;
    },
    append(samples) {
      queue.append(samples);
      end += samples.length;
    },
    part: (from, to) => ({ startSample: from, samples: queue.view().slice(Math.max(0, from - start), Math.max(0, to - start)) }),
    forget() {
      const keep = Math.max(start, Math.min(this.openFrom ?? Infinity, end - KEPT_SAMPLES));
      queue.drop(keep - start);
      start = keep;
    },
  };
}
