/** A sound cut where nobody speaks, or every so many seconds: the parts that a recogniser hears one by one. */
import { createSampleQueue } from '../../audio/sample-queue.ts';
import type { SampleQueue } from '../../audio/sample-queue.ts';
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import { createTurnTaking } from '../../audio/turn-taking.ts';
import type { TurnEvent, TurnOptions } from '../../audio/turn-taking.ts';
import type { TranscriptWord } from '../../text/transcript-formats.ts';
import type { VoiceDetector } from './voice-detector.ts';

export interface SoundPart {
  /** Of its first sample, from the beginning of the sound. */
  readonly startSample: number;
  /** 16 kHz. */
  readonly samples: Float32Array;
}

/** What was said in a part of a sound. */
export interface HeardPart {
  /** Without space around it. */
  readonly text: string;
  /** Where the model knows when it was; times are from the beginning of the part. */
  readonly words?: readonly TranscriptWord[] | undefined;
  /** Those of the text, of a model that makes use of them when it hears more of the same. */
  readonly tokens?: readonly number[] | undefined;
}

/** Kept behind what has been heard while nobody speaks: pre-roll, and speech that is no turn yet. */
export const KEPT_SAMPLES = 5 * SILERO_RATE;

export type TurnCut =
  /** @see TurnEvent */
  | { readonly kind: 'start'; readonly startSample: number }
  | { readonly kind: 'end'; readonly part: SoundPart; readonly reason: Extract<TurnEvent, { readonly kind: 'end' }>['reason'] };

/** Cuts a sound into turns while it comes. A call at a time. */
export interface TurnCutter {
  /** Samples that came. */
  readonly heard: number;
  /** @param samples 16 kHz; @returns what they decide */
  push(samples: Float32Array): Promise<TurnCut[]>;
  /** The sound is over. */
  end(): Promise<TurnCut[]>;
  /** The turn that goes on, as far as it would be kept if nothing more were said, and the milliseconds since its last speech. */
  open(): OpenPart | undefined;
  /** Ends the turn that goes on, if there is one; what comes next may be another. */
  cut(): TurnCut[];
  /** As of {@link TurnTaking}. */
  setOtherSpeaking(isSpeaking: boolean): void;
  /** To be called whether the sound was heard to the end or not. */
  close(): void;
}

export interface OpenPart {
  readonly startSample: number;
  readonly length: number;
  readonly quietMs: number;
  /** A copy, of those from `offset` on. */
  samples(offset?: number): Float32Array;
}

/** @param onFrame told of each frame's probability, before what it decides */
export function createTurnCutter(
  detector: VoiceDetector, options: TurnOptions, onFrame: (probability: number) => void = () => {},
): TurnCutter {
  const voice = detector.open();
  const turns = createTurnTaking(options);
  const window = createWindow();
  const part = (from: number, to: number): SoundPart => window.part(from * SILERO_SAMPLES, to * SILERO_SAMPLES);
  const cutsOf = (events: readonly TurnEvent[]): TurnCut[] => {
    const cuts: TurnCut[] = [];
    for (const event of events) {
      if (event.kind === 'start') {
        window.openFrom = event.from * SILERO_SAMPLES;
        cuts.push({ kind: 'start', startSample: window.openFrom });
      } else if (event.kind === 'end') {
        cuts.push({ kind: 'end', part: part(event.from, event.to), reason: event.reason });
        window.openFrom = undefined;
      }
    }
    window.forget();
    return cuts;
  };
  const eventsOf = (probabilities: Float32Array): TurnEvent[] => [...probabilities].flatMap((probability) => {
    onFrame(probability);
    return turns.push(probability);
  });
  return {
    get heard() {
      return window.end;
    },
    async push(samples) {
      window.append(samples);
      return cutsOf(eventsOf(await voice.push(samples)));
    },
    end: async () => cutsOf([...eventsOf(await voice.end()), ...turns.close()]),
    open() {
      const open = turns.open();
      if (open === undefined) return undefined;
      const { from, to, quiet } = open;
      return {
        startSample: from * SILERO_SAMPLES, length: (to - from) * SILERO_SAMPLES, quietMs: (1000 * quiet * SILERO_SAMPLES) / SILERO_RATE,
        samples: (offset = 0) => window.part(from * SILERO_SAMPLES + offset, to * SILERO_SAMPLES).samples,
      };
    },
    cut: () => cutsOf(turns.close()),
    setOtherSpeaking: (isSpeaking) => turns.setOtherSpeaking(isSpeaking),
    close: () => voice.close(),
  };
}

/**
 * The turns of a sound, each as soon as it is over.
 * @param pieces samples at 16 kHz
 * @param onHeard called with the samples that were heard so far
 */
export async function* speechTurns(
  pieces: AsyncIterable<Float32Array>, detector: VoiceDetector,
  { turns, onHeard }: { readonly turns: TurnOptions; readonly onHeard?: ((samples: number) => void) | undefined },
): AsyncGenerator<SoundPart> {
  const cutter = createTurnCutter(detector, turns);
  try {
    for await (const piece of pieces) {
      for (const cut of await cutter.push(piece)) if (cut.kind === 'end') yield cut.part;
      onHeard?.(cutter.heard);
    }
    for (const cut of await cutter.end()) if (cut.kind === 'end') yield cut.part;
  } finally {
    cutter.close();
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
