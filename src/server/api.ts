/** The public types of the server: what `createServer` takes and returns. */
import type { Model } from '../engine/api.ts';
import type { Platform } from '../tensor/platform.ts';
import type { RequestRecord } from './request-record.ts';
import type { ServerStore } from './store.ts';

/** A `Request`, as fetch has it. */
export type ServerRequest = Platform<'Request'>;
/** A `Response`, as fetch has it. */
export type ServerResponse = Platform<'Response'>;

/** What one client, and all of them together, may ask for. */
export interface ServerLimits {
  /** Most bytes of a request's body; default 8 MiB. */
  readonly bodyBytes?: number | undefined;
  /** Most milliseconds in which a body has to arrive; default 30,000. */
  readonly bodyMs?: number | undefined;
  /** Most requests at work at once, streams among them; default 256. One more is answered with 503. */
  readonly requests?: number | undefined;
  /** Most tokens of an answer: a request for more is refused, one that names no number gets as many. Default: what the context has left. */
  readonly outputTokens?: number | undefined;
  /** Most answers to one request (`n`, times the prompts of a completion); default 16. */
  readonly choices?: number | undefined;
  /** Most texts of a request for embeddings or a ranking; default 2,048. */
  readonly texts?: number | undefined;
  /** Most milliseconds of a request, from its arrival to its last byte; default 600,000. */
  readonly requestMs?: number | undefined;
  /** Most milliseconds in which a client takes no byte of a stream; default 60,000. */
  readonly stallMs?: number | undefined;
}

export interface ServerOptions {
  /** Loaded models by the names that requests have for them; a model may have several. They stay the caller's. */
  readonly models: Readonly<Record<string, Model>>;
  /**
   * Names that the header Host may have, besides `localhost`, names below it and addresses, so that no web page can have the server's
   * name stand for it (DNS rebinding). `['*']`: any.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of web pages that may use the server, `https://app.example.com`; `['*']`: all. Default: none but its own. */
  readonly corsOrigins?: readonly string[] | undefined;
  readonly limits?: ServerLimits | undefined;
  /** Milliseconds after which a stream that has nothing to say sends a comment, for proxies; default 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** What the server keeps: keys, quotas and an audit log. Default: nothing. It stays the caller's. */
  readonly store?: ServerStore | undefined;
  /** Whether requests need a key of the store's also while it has none; default false: from the first key on. */
  readonly requireKeys?: boolean | undefined;
  /** Whether the audit log has the bodies of requests; default false. */
  readonly auditPrompts?: boolean | undefined;
  /**
   * What becomes of requests while the audit log cannot be written. `refuse` (default): none is taken, and one whose entry is lost fails.
   * `serve`: they are answered, and `onStoreError` hears of it.
   */
  readonly auditFailure?: 'refuse' | 'serve' | undefined;
  /** Called when something could not be kept. */
  readonly onStoreError?: ((error: unknown) => void) | undefined;
  /** Called when a request is over. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
}

export interface Server {
  /** Answers a request. Never rejects. */
  readonly fetch: (request: ServerRequest) => Promise<ServerResponse>;
  /** How many requests are at work. */
  readonly active: number;
  /**
   * Takes no more requests (503, `/ready` too) and resolves when those at work are over.
   * @param options.withinMs those that take longer are stopped then; default: none is
   */
  drain(options?: { readonly withinMs?: number | undefined }): Promise<void>;
}
