/** How the hub is asked: what a platform gives for it. */
import type { HttpRetry } from '../http-retry.ts';

export interface HubRequest {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly method?: 'GET' | 'HEAD' | undefined;
}

export interface HubFetch {
  (url: URL, init: HubRequest): Promise<Response>;
  /** Ends its connections to a proxy. Idempotent. */
  close(): Promise<void>;
}

export interface HubEndpoint {
  /** `https://huggingface.co`, without a slash at its end. */
  readonly endpoint: string;
  /** Sent to the endpoint's own host alone. */
  readonly token: string | undefined;
}

export interface HubAccess<Settings extends HubEndpoint = HubEndpoint> {
  readonly settings: Settings;
  readonly fetch: HubFetch;
  readonly onRetry?: ((retry: HttpRetry) => void) | undefined;
  /** Replaces the clock between attempts, for tests. */
  readonly wait?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** A hub that sends nothing for this long is asked again. Default 30 s. */
  readonly idleTimeoutMs?: number | undefined;
}
