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
function sourceOf({ call, events, first, options }: OpenStream): UnderlyingDefaultSource<Uint8Array> {
  const { heartbeatMs, limits: { stallMs } } = call.state;
  const { failureEvents, heartbeat = COMMENT } = options;
  const encoder = new TextEncoder();
  let pending: OpenStream['first'] | undefined = first;
  let [isOver, quietSince, dueMs] = [false, performance.now(), Infinity];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (error?: unknown) => {
    clearTimeout(timer);
    return call.end(200, error);
  };
  const leave = (by: 'client' | 'stall') => {
    call.stop(by);
    pending?.catch(() => {});
    // A generator that waits for a piece hears the signal; one that does not is ended by this.
    events.return().catch(() => {});
    end().catch(() => {});
  };
  const give = (controller: Controller, part: string | Uint8Array) => {
    quietSince = performance.now();
    if (part.length > 0) controller.enqueue(typeof part === 'string' ? encoder.encode(part) : part);
  };
  /** An error of the stream would be told to the platform, which may print it: one that nobody reads any more just ends. */
  const finish = (controller: Controller, failure: Failure) => {
    if (isOver || controller.desiredSize === null) return;
    isOver = true;
    const text = failureEvents(failure);
    // Bytes that just ended would look whole.
    if (text === undefined) return controller.error(failure);
    controller.enqueue(encoder.encode(text));
    controller.close();
  };
  /** Where the client has taken all, the next event is waited for; else the client is. */
  const watch = (controller: Controller) => {
    const isTaken = (controller.desiredSize ?? 0) > 0;
    // A process that stood still itself knows nothing of its client: what the client took meanwhile is not seen yet.
    if (performance.now() - dueMs > stallMs / 2) quietSince = performance.now();
    const quietMs = performance.now() - quietSince;
    if (!isTaken && quietMs >= stallMs) {
      leave('stall');
      return finish(controller, failureOf(call.signal.reason));
    }
    if (isTaken && quietMs >= heartbeatMs) give(controller, heartbeat);
    const left = (isTaken ? heartbeatMs : stallMs) - (performance.now() - quietSince);
    const waitMs = Math.max(1, Math.min(left, heartbeatMs, stallMs));
    dueMs = performance.now() + waitMs;
    timer = setTimeout(() => watch(controller), waitMs);
  };
  return {
    start: watch,
    async pull(controller) {
      quietSince = performance.now();
      try {
        pending ??= events.next();
        const { done, value } = await pending;
        pending = undefined;
        if (isOver) return;
        if (done !== true) return give(controller, value);
        // The end of a stream says that the request is in the log.
        await end();
        controller.close();
      } catch (error) {
        const failure = failureOf(error);
        await end(failure).catch(() => {});
        finish(controller, failure);
      }
    },
    cancel: () => {
      isOver = true;
      leave('client');
    },
  };
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
  return new Response(new ReadableStream(sourceOf({ call, events, first, options })), {
    headers: { 'content-type': contentType, 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' },
  });
}

/** One event with data alone, as OpenAI sends them. */
export function dataEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
