/** What a session sends: events in order, and no more ahead of its reader than a bound. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import type { ServerSocket } from '../api.ts';
import { newId } from './new-id.ts';

export interface ServerEvent {
  readonly type: string;
  readonly [name: string]: JsonValue | object | undefined;
}

export interface Outbox {
  send(event: ServerEvent): void;
  /** Resolves when little enough waits for the reader, or the session is over. */
  ready(): Promise<void>;
  /** Nothing is sent any more. */
  end(): void;
}

export interface OutboxOptions {
  readonly socket: ServerSocket;
  /** Most milliseconds in which the reader takes nothing of what waits. */
  readonly stallMs: number;
  readonly onStall: () => void;
}

/** Bytes (of characters) that may wait. What answers events comes on top: it is little, and clients that read nothing stall. */
const MOST_AHEAD = 1 << 20;

export function createOutbox({ socket, stallMs, onStall }: OutboxOptions): Outbox {
  /** Characters that wait. */
  let ahead = 0;
  let isOver = false;
  let waiting: (() => void)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const resume = () => {
    for (const go of waiting.splice(0)) go();
  };
  const watch = () => {
    clearTimeout(timer);
    const dueMs = performance.now() + stallMs;
    // A process that stood still itself knows nothing of its reader: what was taken meanwhile is not seen yet.
    const stalled = () => (performance.now() - dueMs > stallMs / 2 ? watch() : onStall());
    timer = ahead === 0 || isOver ? undefined : setTimeout(stalled, stallMs);
  };
  const taken = (length: number) => {
    ahead -= length;
    watch();
    if (ahead <= MOST_AHEAD) resume();
  };
  return {
    send(event) {
      if (isOver) return;
      const text = JSON.stringify({ event_id: newId('event'), ...event });
      ahead += text.length;
      if (timer === undefined) watch();
      void socket.send(text).then(() => taken(text.length));
    },
    ready: () => (ahead <= MOST_AHEAD || isOver ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))),
    end() {
      isOver = true;
      clearTimeout(timer);
      resume();
    },
  };
}
