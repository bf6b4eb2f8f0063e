/**
 * The text of a turn while it goes on. A recogniser of whole turns hears it anew each time: now and then for what it says so far, and
 * while a pause lasts that may end it, as it would be then, so that its text is there when the pause is long enough.
 */
import { SILERO_RATE, SILERO_SAMPLES } from '../../audio/silero-frames.ts';
import type { TurnOptions } from '../../audio/turn-taking.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { HeardPart, OpenPart, SoundPart } from './sound-turns.ts';

export interface TurnHearingOptions {
  /** What a turn says. Called for one at a time. */
  readonly recognise: (part: SoundPart, options: RecogniseOptions) => Promise<HeardPart>;
  /** Least sound between two partial texts, in ms. */
  readonly partialMs: number;
  readonly turns: TurnOptions;
}

export interface RecogniseOptions {
  readonly signal: CancelSignal;
  /** What was heard last of the same turn, when there was less of it. */
  readonly before: HeardPart | undefined;
}

/** A turn being heard. */
interface Job {
  readonly part: SoundPart;
  /** Whether it is over: it is heard to its end. */
  readonly isFinal: boolean;
  readonly controller: AbortController;
}

const FRAME_MS = (1000 * SILERO_SAMPLES) / SILERO_RATE;
/** Of the time, at most so much goes into partial texts: 1 / (1 + this). */
const REST = 1.5;

export class TurnHearing {
  readonly #options: TurnHearingOptions;
  /** How long a pause is heard as an end. */
  readonly #speculateMs: number;
  /** Of the last job: what it heard, and what it cost. */
  #last = { startSample: -1, length: 0, heard: { text: '' } as HeardPart, costMs: 0 };
  #job: Job | undefined;

  constructor(options: TurnHearingOptions) {
    this.#options = options;
    // As many frames as a turn keeps of a pause.
    this.#speculateMs = FRAME_MS * Math.round((options.turns.postRollMs ?? 100) / FRAME_MS);
  }

  /** Stops what is being heard. */
  abort(reason: unknown): void {
    this.#job?.controller.abort(reason);
  }

  /**
   * Gives up what is of no use any more.
   * @param ended turns that are over
   * @param open the turn that goes on
   */
  update(ended: readonly SoundPart[], open: OpenPart | undefined): void {
    const job = this.#job?.isFinal === false ? this.#job : undefined;
    if (job === undefined) return;
    // What is heard of a turn that ends meanwhile is of no use, unless it is all of it.
    if (ended.some((part) => !isSame(job.part, part))) job.controller.abort();
    const isPausing = open !== undefined && open.quietMs >= this.#speculateMs;
    if (isPausing && job.part.samples.length < open.length) job.controller.abort();
  }

  /** What is worth hearing of the turn that goes on. */
  partToHear(open: OpenPart | undefined): SoundPart | undefined {
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

  /** The text so far; undefined where it was given up. */
  partial(part: SoundPart): Promise<string | undefined> {
    return this.#hear(part, false);
  }

  /** The text of a turn that is over; undefined where it was stopped. */
  async final(part: SoundPart): Promise<string | undefined> {
    const { startSample, length, heard } = this.#last;
    return startSample === part.startSample && length === part.samples.length ? heard.text : this.#hear(part, true);
  }

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
