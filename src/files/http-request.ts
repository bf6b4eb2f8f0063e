/** One request over HTTP at a time: what a caller may set, an answer that falls silent, and what a broken connection means. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { Fetch, PlatformUrl } from '../tensor/platform.ts';
import { PassingFault, waitFor } from './http-retry.ts';
import type { RetryRules } from './http-retry.ts';
import type { HttpOptions } from './http-options.ts';

export interface Remote extends Omit<RetryRules, 'receivedBytes'> {
  readonly url: URL;
  /** The URL without its query, which may hold a secret. */
  readonly name: string;
  readonly fetch: Fetch;
  readonly idleTimeoutMs: number;
  readonly headBytes: number;
  /** What a person can do where no connection comes about. Default: what helps with any URL. */
  readonly advice?: string | undefined;
}

const HEAD_BYTES = 64 * 1024;

/** @throws InputError for what is no http or https URL, holds a password, and for settings that cannot be meant */
export function remoteOf(url: string | PlatformUrl, options: HttpOptions): Remote {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new InputError(`Expected an http or https URL, found ${JSON.stringify(String(url))}.`);
  const name = parsed.origin + parsed.pathname;
  if (parsed.username !== '' || parsed.password !== '') {
    throw new InputError(
      `${name}: the URL holds a user name or password, which is not supported. Pass a fetch function that adds the header instead.`,
    );
  }
  // Called through a closure: a browser's fetch must not be called as a method of another object.
  const call = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const { attempts = 5, idleTimeoutMs = 30_000, headBytes = HEAD_BYTES, onRetry, wait = waitFor, advice } = options;
  if (!(Number.isInteger(attempts) && attempts >= 1))
    throw new InputError(`attempts must be an integer from 1, found ${String(attempts)}.`);
  if (!(idleTimeoutMs > 0)) throw new InputError(`idleTimeoutMs must be a number above 0, found ${String(idleTimeoutMs)}.`);
  return { url: parsed, name, fetch: call, idleTimeoutMs, headBytes, attempts, onRetry, wait, advice };
}

export interface Request {
  (headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Tells that bytes have arrived. */
  readonly alive: () => void;
}

/** Runs `work` with a request function that ends when the caller aborts or the server falls silent. */
export async function withIdleLimit<Result>(
  { remote, isOpen }: { readonly remote: Remote; readonly isOpen: boolean },
  signal: AbortSignal | undefined,
  work: (request: Request) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const giveUp = () =>
    stop.abort(
      new PassingFault({
        reason: `the server sent nothing for ${remote.idleTimeoutMs / 1000} s`,
        advice: remote.advice ?? 'Try again later.',
      }),
    );
  let timer = setTimeout(giveUp, remote.idleTimeoutMs);
  // Not a listener of one's own on the caller's signal: files of a folder are opened side by side, and Node warns of more than ten.
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const request = Object.assign(
    (headers: Readonly<Record<string, string>> = {}) =>
      remote.fetch(remote.url, { headers: { ...headers, 'accept-encoding': 'identity' }, signal: both }),
    {
      alive: () => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, remote.idleTimeoutMs);
      },
    },
  );
  try {
    return await work(request);
  } catch (error) {
    if (both.aborted) throw both.reason;
    if (error instanceof FormatError || error instanceof InputError || error instanceof PassingFault) throw error;
    throw connectionFault(error, { name: remote.name, isOpen, advice: remote.advice });
  } finally {
    clearTimeout(timer);
    // Frees the connection of an answer whose body was not read to its end.
    stop.abort();
  }
}

/** What stays wrong however often it is tried: the wrong address, a certificate, a circle of redirects. */
const lastingFault = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO|redirect count exceeded/;
/** The wrong address as well, unless the server has answered before. */
const noServer = /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ENETUNREACH/;

interface Connection {
  readonly name: string;
  /** The server has answered before. */
  readonly isOpen: boolean;
  readonly advice?: string | undefined;
}

/** What a request that threw means: a fault that may pass, or an error. */
function connectionFault(error: unknown, { name, isOpen, advice = 'Check the URL and the network.' }: Connection): Error {
  const cause = innermost(error);
  const reason = `the connection failed (${cause.message || cause.name})`;
  const told = `${cause.message} ${'code' in cause ? String(cause.code) : ''}`;
  if (lastingFault.test(told) || (!isOpen && noServer.test(told))) return new InputError(`${name}: ${reason}. ${advice}`, { cause: error });
  return new PassingFault({ reason, advice, cause: error });
}

/** `fetch` hides the reason in the error's cause. */
function innermost(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? error.cause : error;
}

/** The body as it arrives. */
export async function* chunksOf(response: Response, { alive }: Pick<Request, 'alive'>): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  for (let read = await reader?.read(); read?.value; read = await reader?.read()) {
    alive();
    yield read.value;
  }
}
