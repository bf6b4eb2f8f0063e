/** When a request over HTTP is made again, and when that is given up: pure rules and one loop, without a network of their own. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';

/** A request that failed and is made again. */
export interface HttpRetry {
  /** Without the query, which may hold a secret. */
  readonly url: string;
  /** What went wrong, as a clause: `the server answered 503 Service Unavailable`. */
  readonly reason: string;
  /** Attempts that have failed in a row, from 1. */
  readonly failed: number;
  /** How many may fail in a row before the request is given up. */
  readonly attempts: number;
  readonly waitMs: number;
}

/** For people: `https://host/file: the server answered 503; attempt 2 of 5 in 0.5 s`. */
export function retryNote({ url, reason, failed, attempts, waitMs }: HttpRetry): string {
  return `${url}: ${reason}; attempt ${failed + 1} of ${attempts} in ${(waitMs / 1000).toFixed(1)} s`;
}

export interface RetryRules {
  /** For messages. */
  readonly name: string;
  readonly attempts: number;
  readonly onRetry: ((retry: HttpRetry) => void) | undefined;
  readonly wait: (ms: number, signal: CancelSignal | undefined) => Promise<void>;
  /** File bytes that all attempts together have brought. */
  readonly receivedBytes: () => number;
}

export interface Fault {
  /** What went wrong, as a clause. */
  readonly reason: string;
  /** What a person can do once it is given up. */
  readonly advice: string;
  /** The wait that the server asks for. */
  readonly retryAfterMs?: number | undefined;
  /** What is thrown once it is given up: by default InputError. */
  readonly error?: typeof FormatError | typeof InputError | undefined;
  readonly cause?: unknown;
}

/** A failure that may pass: of the connection, or of a server that is busy or being restarted. */
export class PassingFault extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.reason, { cause: fault.cause });
    this.fault = fault;
  }
}

const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** A server that asks for more is asked again after this time all the same; attempts being few, that does it no harm. */
const longestRetryAfterMs = 60_000;
/** An attempt that brought this much was no failure: large ranges over a bad line get through piece by piece. */
const enoughBytes = 1024 * 1024;

/** Request Timeout, Too Early, Too Many Requests; server errors that pass, among them those of Cloudflare's proxies. */
export function mayPass(status: number): boolean {
  return [408, 425, 429, 500, 502, 503, 504].includes(status) || (status >= 520 && status <= 530 && status !== 526);
}

/** The wait of a Retry-After header (RFC 9110, 10.2.3: seconds, or a date) from `nowMs` on; undefined where it has none. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // A date begins with the day's name; Date.parse alone would take "-5" and "2" for years.
  const dateMs = /^[a-z]{3,9},? /i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

export interface Backoff {
  /** Attempts that have failed in a row, from 1. */
  readonly failed: number;
  readonly retryAfterMs?: number | undefined;
  /** From 0 to 1: spreads the requests of many readers. */
  readonly random: number;
}

/** Doubles with every failure, half of it by chance; never sooner than the server asks, within bounds. */
export function backoffMs({ failed, retryAfterMs: askedMs = 0, random }: Backoff): number {
  const fullMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (failed - 1));
  return Math.round(Math.max(fullMs / 2 + (random * fullMs) / 2, Math.min(askedMs, longestRetryAfterMs)));
}

/**
 * Calls `attempt` until it succeeds, fails for good, or has failed with a {@link PassingFault} as often in a row as the rules allow.
 * @throws what `attempt` throws; the signal's reason; at the end the last fault, with the number of attempts
 */
export async function withRetries<Result>(
  rules: RetryRules,
  signal: CancelSignal | undefined,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const { name: url, attempts } = rules;
  for (let failed = 0; ;) {
    const before = rules.receivedBytes();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFault)) throw error;
      const { fault } = error;
      failed = rules.receivedBytes() - before >= enoughBytes ? 1 : failed + 1;
      if (failed >= attempts) throw givenUp(url, fault, failed);
      const waitMs = backoffMs({ failed, retryAfterMs: fault.retryAfterMs, random: Math.random() });
      rules.onRetry?.({ url, reason: fault.reason, failed, attempts, waitMs });
      await rules.wait(waitMs, signal);
      signal?.throwIfAborted();
    }
  }
}

function givenUp(name: string, { reason, advice, retryAfterMs: askedMs, error: Kind = InputError, cause }: Fault, failed: number): Error {
  const times = failed === 1 ? '' : `, ${failed} times in a row`;
  const asked = askedMs === undefined ? '' : ` It asks to wait ${Math.ceil(askedMs / 1000)} s.`;
  return new Kind(`${name}: ${reason}${times}.${asked} ${advice}`, { cause });
}

/** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
export function waitFor(ms: number, signal: CancelSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
