/** A stream of server-sent events: read from what makes them only as the client takes them. */
import type { Call } from './call.ts';
import { failureOf } from './failure.ts';
import type { Failure } from './failure.ts';

export interface EventStreamOptions {
  /** The last events of a stream that failed, the failure among them. */
  readonly failureEvents: (failure: Failure) => string;
  readonly contentType?: string | undefined;
  /** What is sent while nothing comes; default a comment. */
  readonly heartbeat?: string | undefined;
}

const COMMENT = ': still at work\n\n';
const WAITED = Symbol('nothing came');

/** What comes first: the promise's result, or {@link WAITED} after some milliseconds. */
async function within<Result>(promise: Promise<Result>, ms: number): Promise<Result | typeof WAITED> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<typeof WAITED>((resolve) => {
    timer = setTimeout(() => resolve(WAITED), ms);
  });
  try {
    return await Promise.race([promise, waited]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Answers when the first event is there, so that what is refused at once has a status of its own, or after a heartbeat's time.
 * @param events ready to be sent
 */
export async function eventStream(
  call: Call, events: AsyncGenerator<string, void, undefined>, options: EventStreamOptions,
): Promise<Response> {
  const { heartbeatMs, limits: { stallMs } } = call.state;
  const { failureEvents, heartbeat = COMMENT, contentType = 'text/event-stream; charset=utf-8' } = options;
  const encoder = new TextEncoder();
  let pending: Promise<IteratorResult<string, void>> | undefined = events.next();
  await within(pending, heartbeatMs);
  call.isStreaming = true;
  let stalled: ReturnType<typeof setTimeout> | undefined;
  let hasLeft = false;
  const end = (error?: unknown) => {
    clearTimeout(stalled);
    return call.end(200, error);
  };
  const leave = (by: 'client' | 'stall') => {
    call.stop(by);
    pending?.catch(() => {});
    // A generator that waits for a piece hears the signal; one that does not is ended by this.
    events.return().catch(() => {});
    end().catch(() => {});
  };
  /** An error of the stream would be told to the platform, which may print it: one that nobody reads any more just ends. */
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>, text: string) => {
    if (hasLeft || controller.desiredSize === null) return;
    controller.enqueue(encoder.encode(text));
    controller.close();
  };
  const give = (controller: ReadableStreamDefaultController<Uint8Array>, text: string) => {
    controller.enqueue(encoder.encode(text));
    stalled = setTimeout(() => {
      leave('stall');
      finish(controller, failureEvents(failureOf(call.signal.reason)));
    }, stallMs);
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(stalled);
      try {
        pending ??= events.next();
        const next = await within(pending, heartbeatMs);
        if (next === WAITED) return give(controller, heartbeat);
        pending = undefined;
        if (next.done === true) {
          // The end of a stream says that the request is in the log.
          await end();
          return controller.close();
        }
        give(controller, next.value);
      } catch (error) {
        const failure = failureOf(error);
        await end(failure).catch(() => {});
        finish(controller, failureEvents(failure));
      }
    },
    cancel: () => {
      hasLeft = true;
      leave('client');
    },
  });
  return new Response(body, {
    headers: { 'content-type': contentType, 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' },
  });
}

/** One event with data alone, as OpenAI sends them. */
export function dataEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
