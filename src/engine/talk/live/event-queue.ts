/** Events from whoever makes them to one reader, in order; speech that nobody reads holds up what makes it. */
import type { TalkSessionEvent } from './talker.ts';

/** Samples of speech that may wait to be read: ten seconds at 24 kHz. */
const MOST_WAITING = 240_000;

export class EventQueue {
  readonly #events: TalkSessionEvent[] = [];
  #samples = 0;
  #isOver = false;
  #failure: { readonly reason: unknown } | undefined;
  #wakeReader = (): void => {};
  #wakeMakers: (() => void)[] = [];

  push(event: TalkSessionEvent): void {
    if (this.#isOver) return;
    this.#events.push(event);
    this.#samples += samplesOf(event);
    this.#wakeReader();
  }

  /** Resolves when the speech that waits is little enough, or nobody will read it. */
  async room(): Promise<void> {
    while (this.#samples > MOST_WAITING && !this.#isOver) await new Promise<void>((resolve) => void this.#wakeMakers.push(resolve));
  }

  /** What was pushed before is still read, unless it ends with a failure: that is told at once. */
  end(failure?: { readonly reason: unknown }): void {
    this.#failure ??= this.#isOver ? undefined : failure;
    this.#isOver = true;
    this.#wakeReader();
    this.#wake();
  }

  async *read(): AsyncGenerator<TalkSessionEvent> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const event = this.#events.shift();
      if (event !== undefined) {
        this.#samples -= samplesOf(event);
        this.#wake();
        yield event;
      } else if (this.#isOver) return;
      else await new Promise<void>((resolve) => void (this.#wakeReader = resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#wakeMakers.splice(0)) wake();
  }
}

function samplesOf(event: TalkSessionEvent): number {
  return event.kind === 'answer-audio' ? event.samples.length : 0;
}
