/** A stream of server-sent events, or of bytes: read from what makes them only as the client takes them. */
import type { Call } from './call.ts';
import { failureOf } from './failure.ts';
import type { Failure } from './failure.ts';

export interface EventStreamOptions {
  /** The last events of a stream that failed, the failure among them; undefined where it can say nothing: then it breaks off. */
  readonly failureEvents: (failure: Failure) => string | undefined;
  readonly contentType?: string | undefined;
  /** What is sent while nothing comes; default a comment; an empty text: nothing. */
  readonly heartbeat?: string | undefined;
}

const COMMENT = ': still at work\n\n';

/** Settles as the promise, or resolves after some milliseconds. */
async function waitAtMost(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await Promise.race([promise, waited]);
  } finally {
    clearTimeout(timer);
  }
}

type Events = AsyncGenerator<string | Uint8Array, void, undefined>;
type Controller = ReadableStreamDefaultController<Uint8Array>;

interface OpenStream {
  readonly call: Call;
  readonly events: Events;
  /** Of the events, asked for already. */
  readonly first: ReturnType<Events['next']>;
  readonly options: EventStreamOptions;
}

/** One timer looks after a whole stream: two for each event would cost a tenth of what an event costs. */
class EventSource implements UnderlyingDefaultSource<Uint8Array> {
  readonly #call: Call;
  readonly #events: Events;
  readonly #options: EventStreamOptions;
  readonly #encoder = new TextEncoder();
  #pending: OpenStream['first'] | undefined;
  #isOver = false;
  #quietSince = performance.now();
  #dueMs = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ call, events, first, options }: OpenStream) {
    this.#call = call;
    this.#events = events;
    this.#options = options;
    this.#pending = first;
  }

  start(controller: Controller): void {
    this.#watch(controller);
  }

  async pull(controller: Controller): Promise<void> {
    this.#quietSince = performance.now();
    try {
      this.#pending ??= this.#events.next();
      const { done, value } = await this.#pending;
      this.#pending = undefined;
      if (this.#isOver) return;
      if (done !== true) return this.#give(controller, value);
      // The end of a stream says that the request is in the log.
      await this.#end();
      controller.close();
    } catch (error) {
      const failure = failureOf(error);
      await this.#end(failure).catch(() => {});
      this.#finish(controller, failure);
    }
  }

  cancel(): void {
    this.#isOver = true;
    this.#leave('client');
  }

  #end(error?: unknown) {
    clearTimeout(this.#timer);
    return this.#call.end(200, error);
  }

  #leave(by: 'client' | 'stall'): void {
    this.#call.stop(by);
    this.#pending?.catch(() => {});
    // A generator that waits for a piece hears the signal; one that does not is ended by this.
    this.#events.return().catch(() => {});
    this.#end().catch(() => {});
  }

  #give(controller: Controller, part: string | Uint8Array): void {
    this.#quietSince = performance.now();
    if (part.length > 0) controller.enqueue(typeof part === 'string' ? this.#encoder.encode(part) : part);
  }

  /** An error of the stream would be told to the platform, which may print it: one that nobody reads any more just ends. */
  #finish(controller: Controller, failure: Failure): void {
    if (this.#isOver || controller.desiredSize === null) return;
    this.#isOver = true;
    const text = this.#options.failureEvents(failure);
    // Bytes that just ended would look whole.
    if (text === undefined) return controller.error(failure);
    controller.enqueue(this.#encoder.encode(text));
    controller.close();
  }

  /** Where the client has taken all, the next event is waited for; else the client is. */
  #watch(controller: Controller): void {
    const { heartbeatMs, limits: { stallMs } } = this.#call.state;
    const isTaken = (controller.desiredSize ?? 0) > 0;
    // A process that stood still itself knows nothing of its client: what the client took meanwhile is not seen yet.
    if (performance.now() - this.#dueMs > stallMs / 2) this.#quietSince = performance.now();
    const quietMs = performance.now() - this.#quietSince;
    if (!isTaken && quietMs >= stallMs) {
      this.#leave('stall');
      return this.#finish(controller, failureOf(this.#call.signal.reason));
    }
    if (isTaken && quietMs >= heartbeatMs) this.#give(controller, this.#options.heartbeat ?? COMMENT);
    const left = (isTaken ? heartbeatMs : stallMs) - (performance.now() - this.#quietSince);
    const waitMs = Math.max(1, Math.min(left, heartbeatMs, stallMs));
    this.#dueMs = performance.now() + waitMs;
    this.#timer = setTimeout(() => this.#watch(controller), waitMs);
  }
}

/**
 * Answers when the first event is there, so that what is refused at once has a status of its own, or after a heartbeat's time.
 * @param events ready to be sent
 */
export async function eventStream(call: Call, events: Events, options: EventStreamOptions): Promise<Response> {
  const first = events.next();
  await waitAtMost(first, call.state.heartbeatMs);
  call.isStreaming = true;
  const { contentType = 'text/event-stream; charset=utf-8' } = options;
  return new Response(new ReadableStream(new EventSource({ call, events, first, options })), {
    headers: { 'content-type': contentType, 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' },
  });
}

/** One event with data alone, as OpenAI sends them. */
export function dataEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
