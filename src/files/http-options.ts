import type { CancelSignal, Fetch } from '../tensor/platform.ts';
import type { HttpRetry } from './http-retry.ts';

export interface HttpOptions {
  /** Cancels the opening, waits between attempts included; reads take a signal of their own. */
  readonly signal?: CancelSignal | undefined;
  /** Replaces the platform's `fetch`, to add headers or for tests. */
  readonly fetch?: Fetch | undefined;
  /** A server that sends nothing for this long is asked again; 30 s by default. */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * How often in a row a request may fail in a way that may pass (a broken connection, silence, status 408, 425, 429 or 5xx) before it
   * is given up: from 1, by default 5. Waits double from half a second and are as long as the server's Retry-After asks, up to a minute.
   */
  readonly attempts?: number | undefined;
  /** How many bytes come with the answer that tells a file's size. Default 64 KiB: they hold most headers, and small files. */
  readonly headBytes?: number | undefined;
  /** What a person can do where no connection comes about: whole sentences. Default: what helps with any URL. */
  readonly advice?: string | undefined;
  /** Called before each wait for another attempt. */
  readonly onRetry?: ((retry: HttpRetry) => void) | undefined;
  /** Replaces the clock between attempts, for tests. */
  readonly wait?: ((ms: number, signal: CancelSignal | undefined) => Promise<void>) | undefined;
}
