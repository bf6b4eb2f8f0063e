/**
 * Turns while somebody speaks: what a turn says so far, now and then, and what it said soon after its end. A turn is heard anew each
 * time, since its recogniser hears whole turns alone. While a pause lasts that may end it, the turn is heard as it would be then, so that
 * its text is there when the pause is long enough.
 */
import { SILERO_RATE } from '../../audio/silero-frames.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import { createTurnCutter } from './sound-turns.ts';
import type { SoundPart, TurnCut, TurnCutter } from './sound-turns.ts';
import { TurnHearing } from './turn-hearing.ts';
import type { TurnHearingOptions } from './turn-hearing.ts';
import type { VoiceDetector } from './voice-detector.ts';

export type LiveEvent =
  /** Somebody begins to speak: who interrupts an answer, say. */
  | { readonly kind: 'start'; readonly start: number }
  /** What the turn that goes on says so far, in place of the last such text. */
  | { readonly kind: 'partial'; readonly segment: TranscriptSegment }
  /** What a turn said: one for each `start`; its text is empty where no words were heard. */
  | { readonly kind: 'final'; readonly segment: TranscriptSegment; readonly lateMs: number };

export interface LiveTurnsOptions extends TurnHearingOptions {
  readonly detector: VoiceDetector;
  readonly signal?: CancelSignal | undefined;
  readonly onHeard?: ((samples: number) => void) | undefined;
}

/** Turns that wait to be heard: then the sound is not read on. */
const MOST_WAITING = 2;

/** @param pieces samples at 16 kHz, as they come */
export async function* liveTurns(pieces: AsyncIterable<Float32Array>, options: LiveTurnsOptions): AsyncGenerator<LiveEvent> {
  const live = new LiveTurns(options);
  const onAbort = (): void => live.fail(options.signal!.reason);
  options.signal?.addEventListener('abort', onAbort);
  const iterator = pieces[Symbol.asyncIterator]();
  void live.read({ [Symbol.asyncIterator]: () => iterator });
  try {
    yield* live.events();
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    live.fail(new Error('nobody listens'));
    // Not waited for: a microphone may say nothing for long.
    void iterator.return?.()?.catch(() => {});
  }
}

/** A turn that is over. */
interface EndedTurn {
  readonly part: SoundPart;
  /** When that was known. */
  readonly atMs: number;
}

class LiveTurns {
  readonly #options: LiveTurnsOptions;
  readonly #cutter: TurnCutter;
  readonly #hearing: TurnHearing;
  readonly #ended: (EndedTurn | { readonly start: number })[] = [];
  #isOver = false;
  #failure: { readonly reason: unknown } | undefined;
  #soundFailure: { readonly reason: unknown } | undefined;
  #wakeWorker = (): void => {};
  #wakeReader = (): void => {};

  constructor(options: LiveTurnsOptions) {
    this.#options = options;
    this.#cutter = createTurnCutter(options.detector, options.turns);
    this.#hearing = new TurnHearing(options);
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#hearing.abort(reason);
    this.#wakeWorker();
    this.#wakeReader();
  }

  /** Takes the sound as it comes. */
  async read(pieces: AsyncIterable<Float32Array>): Promise<void> {
    try {
      for await (const piece of pieces) {
        this.#take(await this.#cutter.push(piece));
        this.#options.onHeard?.(this.#cutter.heard);
        while (this.#waiting() >= MOST_WAITING && this.#failure === undefined)
          await new Promise<void>((resolve) => void (this.#wakeReader = resolve));
        if (this.#failure !== undefined) return;
      }
      this.#take(await this.#cutter.end());
    } catch (error) {
      // What was said before is told first.
      this.#soundFailure = { reason: error };
    } finally {
      this.#isOver = true;
      this.#cutter.close();
      this.#wakeWorker();
    }
  }

  #waiting(): number {
    return this.#ended.filter((each) => 'part' in each).length;
  }

  #take(cuts: readonly TurnCut[]): void {
    const atMs = performance.now();
    for (const cut of cuts) {
      if (cut.kind === 'start') this.#ended.push({ start: cut.startSample / SILERO_RATE });
      else this.#ended.push({ part: cut.part, atMs });
    }
    this.#hearing.update(cuts.flatMap((cut) => (cut.kind === 'end' ? [cut.part] : [])), this.#cutter.open());
    this.#wakeWorker();
  }

  async *events(): AsyncGenerator<LiveEvent> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const next = this.#ended[0];
      if (next !== undefined) {
        if ('start' in next) yield { kind: 'start', start: next.start };
        else yield await this.#final(next);
        this.#ended.shift();
        this.#wakeReader();
        continue;
      }
      if (this.#soundFailure !== undefined) throw this.#soundFailure.reason;
      const part = this.#hearing.partToHear(this.#cutter.open());
      if (part !== undefined) {
        const text = await this.#hearing.partial(part);
        if (text !== undefined && text !== '') yield { kind: 'partial', segment: segmentOf(part, text) };
        continue;
      }
      if (this.#isOver) return;
      await new Promise<void>((resolve) => void (this.#wakeWorker = resolve));
    }
  }

  async #final({ part, atMs }: EndedTurn): Promise<LiveEvent> {
    const said = await this.#hearing.final(part);
    if (said === undefined) throw this.#failure?.reason ?? new Error('a turn was not heard to its end');
    return { kind: 'final', segment: segmentOf(part, said), lateMs: performance.now() - atMs };
  }
}

function segmentOf({ startSample, samples }: SoundPart, text: string): TranscriptSegment {
  return { start: startSample / SILERO_RATE, end: (startSample + samples.length) / SILERO_RATE, text };
}
