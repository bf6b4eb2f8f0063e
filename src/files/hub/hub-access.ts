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

/** What somebody does about it, in the words of the platform. */
export interface HubAdvice {
  /** With a token that was made: `set HF_TOKEN`. */
  readonly token: string;
  /** Where the hub is not reached: whole sentences. */
  readonly network: string;
  /** What the endpoint is set by: `HF_ENDPOINT`. */
  readonly endpoint: string;
}

export interface HubAccess<Settings extends HubEndpoint = HubEndpoint> {
  readonly settings: Settings;
  readonly fetch: HubFetch;
  readonly advice: HubAdvice;
  readonly onRetry?: ((retry: HttpRetry) => void) | undefined;
  /** Replaces the clock between attempts, for tests. */
  readonly wait?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** A hub that sends nothing for this long is asked again. Default 30 s. */
  readonly idleTimeoutMs?: number | undefined;
}
