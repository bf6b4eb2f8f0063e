/**
 * Turns while somebody speaks: what a turn says so far, now and then, and what it said soon after its end. A turn is heard anew each
 * time, since its recogniser hears whole turns alone. While a pause lasts that may end it, the turn is heard as it would be then, so that
 * its text is there when the pause is long enough.
 */
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { TranscriptSegment } from '../../text/transcript-formats.ts';
import { createTurnCutter } from './sound-turns.ts';
import type { HeardPart, SoundPart, TurnCut, TurnCutter } from './sound-turns.ts';
import type { VoiceDetector } from './voice-detector.ts';

export type LiveEvent =
  /** Somebody begins to speak: who interrupts an answer, say. */
  | { readonly kind: 'start'; readonly start: number }
  /** What the turn that goes on says so far, in place of the last such text. */
  | { readonly kind: 'partial'; readonly segment: TranscriptSegment }
  /** What a turn said: one for each `start`; its text is empty where no words were heard. */
  | { readonly kind: 'final'; readonly segment: TranscriptSegment; readonly lateMs: number };

export interface LiveTurnsOptions {
  readonly detector: VoiceDetector;
  /** What a turn says. Called for one at a time. */
  readonly recognise: (part: SoundPart, options: RecogniseOptions) => Promise<HeardPart>;
  readonly turns: TurnOptions;
  /** Least sound between two partial texts, in ms. */
  readonly partialMs: number;
  readonly signal?: CancelSignal | undefined;
  readonly onHeard?: ((samples: number) => void) | undefined;
}

export interface RecogniseOptions {
  readonly signal: CancelSignal;
  /** What was heard last of the same turn, when there was less of it. */
  readonly before: HeardPart | undefined;
}

const FRAME_MS = (1000 * SILERO_SAMPLES) / SILERO_RATE;
/** Of the time, at most so much goes into partial texts: 1 / (1 + this). */
const REST = 1.5;
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

/** A turn being heard. */
interface Job {
  readonly part: SoundPart;
  /** Whether it is over: it is heard to its end. */
  readonly isFinal: boolean;
  readonly controller: AbortController;
}

class LiveTurns {
  readonly #options: LiveTurnsOptions;
  readonly #cutter: TurnCutter;
  /** How long a pause is heard as an end. */
  readonly #speculateMs: number;
  readonly #ended: (EndedTurn | { readonly start: number })[] = [];
  #isOver = false;
  #failure: { readonly reason: unknown } | undefined;
  #soundFailure: { readonly reason: unknown } | undefined;
  #wakeWorker = (): void => {};
  #wakeReader = (): void => {};
  /** Of the last job: what it heard, and what it cost. */
  #last = { startSample: -1, length: 0, heard: { text: '' } as HeardPart, costMs: 0 };
  #job: Job | undefined;

  constructor(options: LiveTurnsOptions) {
    this.#options = options;
    this.#cutter = createTurnCutter(options.detector, options.turns);
    // As many frames as a turn keeps of a pause.
    this.#speculateMs = FRAME_MS * Math.round((options.turns.postRollMs ?? 100) / FRAME_MS);
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#job?.controller.abort(reason);
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
    const job = this.#job?.isFinal === false ? this.#job : undefined;
    for (const cut of cuts) {
      if (cut.kind === 'start') this.#ended.push({ start: cut.startSample / SILERO_RATE });
      else this.#ended.push({ part: cut.part, atMs });
      // What is heard of it meanwhile is of no use, unless it is all of it.
      if (cut.kind === 'end' && job !== undefined && !isSame(job.part, cut.part)) job.controller.abort();
    }
    const open = this.#cutter.open();
    const isPausing = open !== undefined && open.quietMs >= this.#speculateMs;
    if (isPausing && job !== undefined && job.part.samples.length < open.length) job.controller.abort();
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
      const part = this.#partToHear();
      if (part !== undefined) {
        const text = await this.#hear(part, false);
        if (text !== undefined && text !== '') yield { kind: 'partial', segment: segmentOf(part, text) };
        continue;
      }
      if (this.#isOver) return;
      await new Promise<void>((resolve) => void (this.#wakeWorker = resolve));
    }
  }

  async #final({ part, atMs }: EndedTurn): Promise<LiveEvent> {
    const { startSample, length, heard } = this.#last;
    const said = startSample === part.startSample && length === part.samples.length ? heard.text : await this.#hear(part, true);
    if (said === undefined) throw this.#failure?.reason ?? new Error('a turn was not heard to its end');
    return { kind: 'final', segment: segmentOf(part, said), lateMs: performance.now() - atMs };
  }

  /** What is worth hearing of the turn that goes on. */
  #partToHear(): SoundPart | undefined {
    const open = this.#cutter.open();
    if (open === undefined) return undefined;
    const { startSample, length, quietMs } = open;
    const heard = startSample === this.#last.startSample ? this.#last.length : 0;
    const newMs = (1000 * (length - heard)) / SILERO_RATE;
    const isPausing = quietMs >= this.#speculateMs;
    // A pause that begins may be the end: then nothing is to be under way.
    if (quietMs > 0 && !isPausing) return undefined;
    const least = isPausing ? 0 : Math.max(this.#options.partialMs, REST * this.#last.costMs);
    return newMs > least ? { startSample, samples: open.samples() } : undefined;
  }

  /** Undefined where it was stopped. */
  async #hear(part: SoundPart, isFinal: boolean): Promise<string | undefined> {
    const controller = new AbortController();
    const startMs = performance.now();
    this.#job = { part, isFinal, controller };
    try {
      const before = this.#last.startSample === part.startSample ? this.#last.heard : undefined;
      const heard = await this.#options.recognise(part, { signal: controller.signal, before });
      this.#last = { startSample: part.startSample, length: part.samples.length, heard, costMs: performance.now() - startMs };
      return heard.text;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    } finally {
      this.#job = undefined;
    }
  }
}

function isSame(a: SoundPart, b: SoundPart): boolean {
  return a.startSample === b.startSample && a.samples.length === b.samples.length;
}

function segmentOf({ startSample, samples }: SoundPart, text: string): TranscriptSegment {
  return { start: startSample / SILERO_RATE, end: (startSample + samples.length) / SILERO_RATE, text };
}
