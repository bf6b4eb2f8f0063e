/** A sound cut where nobody speaks into stretches of several turns, as long as a model's window, with the pauses between them. */
import { createSampleQueue } from '../../audio/sample-queue.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import { createTurnCutter, KEPT_SAMPLES } from './sound-turns.ts';
import type { SoundPart } from './sound-turns.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface StretchOptions {
  readonly turns: TurnOptions;
  /** Of a stretch; no turn is longer. */
  readonly mostSamples: number;
  /** Called with the samples that were heard so far. */
  readonly onHeard?: ((samples: number) => void) | undefined;
}

/** @param pieces samples at 16 kHz */
export async function* speechStretches(
  pieces: AsyncIterable<Float32Array>, detector: VoiceDetector, { turns, mostSamples, onHeard }: StretchOptions,
): AsyncGenerator<SoundPart> {
  const cutter = createTurnCutter(detector, turns);
  const queue = createSampleQueue();
  /** Of the first sample in the queue. */
  let start = 0;
  let open: { readonly from: number; readonly to: number } | undefined;
  const openPart = ({ from, to }: { readonly from: number; readonly to: number }): SoundPart =>
    ({ startSample: from, samples: queue.view().slice(from - start, to - start) });
  /** The stretch that a turn does not fit. */
  const add = ({ startSample: from, samples: { length } }: SoundPart): SoundPart | undefined => {
    const to = from + length;
    const fits = open !== undefined && to - open.from <= mostSamples;
    const full = open === undefined || fits ? undefined : openPart(open);
    open = { from: fits ? open!.from : from, to };
    return full;
  };
  const forget = (): void => {
    const keep = Math.max(start, open?.from ?? Math.min(cutter.open()?.startSample ?? Infinity, cutter.heard - KEPT_SAMPLES));
    queue.drop(keep - start);
    start = keep;
  };
  try {
    for await (const piece of pieces) {
      queue.append(piece);
      for (const cut of await cutter.push(piece)) {
        const full = cut.kind === 'end' ? add(cut.part) : undefined;
        if (full !== undefined) yield full;
      }
      forget();
      onHeard?.(cutter.heard);
    }
    for (const cut of await cutter.end()) {
      const full = cut.kind === 'end' ? add(cut.part) : undefined;
      if (full !== undefined) yield full;
    }
    if (open !== undefined) yield openPart(open);
  } finally {
    cutter.close();
  }
}
