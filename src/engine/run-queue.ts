/** First come, first served: one call has the model at a time. */

/** The right to run. Ends with {@link Turn.end}, whatever happens. */
export interface Turn {
  /**
   * Says that the reader has a piece and may take its time. While others wait, a turn whose reader stays away passes on
   * (a reader that itself awaits one of the others would otherwise wait forever).
   */
  pause(): void;
  /** Before going on after a pause: undefined where the turn is still held, else resolves when it is held again. */
  resume(signal?: AbortSignal): Promise<void> | undefined;
  /** Idempotent. */
  end(): void;
}

export interface RunQueue {
  /** Resolves when it is the caller's turn; rejects with the signal's reason, or when the queue closes. */
  take(signal?: AbortSignal): Promise<Turn>;
  /** Rejects those who wait and all that come, with `error`. */
  close(error: Error): void;
}

export interface RunQueueOptions {
  /** How long a paused turn keeps its place while others wait; Infinity: until it ends. */
  readonly patienceMs: number;
}

interface Place {
  held: boolean;
  paused: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

interface Waiter {
  readonly place: Place;
  readonly start: () => void;
  readonly fail: (reason: unknown) => void;
}

interface QueueState {
  readonly patienceMs: number;
  readonly waiting: Waiter[];
  holder: Place | undefined;
  closedBy: Error | undefined;
}

function startNext(state: QueueState): void {
  if (state.holder !== undefined) return;
  const next = state.waiting.shift();
  if (next === undefined) return;
  state.holder = next.place;
  next.place.held = true;
  next.start();
}

function release(state: QueueState, place: Place): void {
  clearTimeout(place.timer);
  place.timer = undefined;
  if (!place.held) return;
  place.held = false;
  state.holder = undefined;
  startNext(state);
}

/** Starts the clock of a paused holder as soon as somebody waits for it. */
function watchPause(state: QueueState): void {
  const place = state.holder;
  if (place === undefined || !place.paused || place.timer !== undefined || state.waiting.length === 0) return;
  if (state.patienceMs === Infinity) return;
  place.timer = setTimeout(() => release(state, place), state.patienceMs);
}

function enqueue(state: QueueState, place: Place, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise<void>((resolve, reject) => {
    const settle = () => signal?.removeEventListener('abort', abort);
    const waiter: Waiter = {
      place,
      start() {
        settle();
        resolve();
      },
      fail(reason) {
        settle();
        reject(reason);
      },
    };
    const abort = () => {
      const at = state.waiting.indexOf(waiter);
      if (at >= 0) state.waiting.splice(at, 1);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    state.waiting.push(waiter);
    startNext(state);
    watchPause(state);
  });
}

function turnOf(state: QueueState, place: Place): Turn {
  return {
    pause() {
      place.paused = true;
      watchPause(state);
    },
    resume(signal) {
      if (state.closedBy !== undefined) throw state.closedBy;
      clearTimeout(place.timer);
      place.timer = undefined;
      place.paused = false;
      return place.held ? undefined : enqueue(state, place, signal);
    },
    end: () => release(state, place),
  };
}

export function createRunQueue({ patienceMs }: RunQueueOptions): RunQueue {
  const state: QueueState = { patienceMs, waiting: [], holder: undefined, closedBy: undefined };
  return {
    async take(signal) {
      if (state.closedBy !== undefined) throw state.closedBy;
      const place: Place = { held: false, paused: false, timer: undefined };
      await enqueue(state, place, signal);
      return turnOf(state, place);
    },
    close(error) {
      state.closedBy ??= error;
      for (const waiter of state.waiting.splice(0)) waiter.fail(error);
    },
  };
}
