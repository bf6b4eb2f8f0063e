/** Files behind HTTP(S), read by ranges: only the bytes asked for travel. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import { checkPlainFileName, checkReadRange, endedEarly } from './read-range.ts';

export interface HttpOptions {
  /** Cancels the opening; reads take a signal of their own. */
  readonly signal?: AbortSignal | undefined;
  /** Replaces the platform's `fetch`, to add headers or for tests. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** A server that sends nothing for this long is given up; 60 s by default. */
  readonly idleTimeoutMs?: number | undefined;
}

interface Remote {
  readonly url: URL;
  /** The URL without its query, which may hold a secret. */
  readonly name: string;
  readonly fetch: typeof globalThis.fetch;
  readonly idleTimeoutMs: number;
}

interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly sizeBytes: number;
}

/** A file's first bytes come with the request that asks its size: they hold most headers and small files. */
const headBytes = 64 * 1024;
const rangeBytes = 16 * 1024 * 1024;
const parallelRanges = 4;

/**
 * A source over one URL.
 * @throws InputError for a URL that cannot be reached or whose server does not answer ranges,
 *   FormatError when an answer is cut short or the file changes while it is read.
 */
export async function httpSource(url: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  const remote = remoteOf(url, options);
  const source = await openRemote(remote, options.signal);
  if (!source) throw new InputError(`${remote.name}: the server has no such file (status 404 or 410). Check the URL.`);
  return source;
}

/** The files below a base URL, whose query (a signature, say) is sent with each of them. */
export function httpFolder(baseUrl: string | URL, options: HttpOptions = {}): SourceFolder {
  const base = remoteOf(baseUrl, options);
  const directory = new URL(base.url);
  if (!directory.pathname.endsWith('/')) directory.pathname += '/';
  return {
    name: base.name,
    async open(fileName, readOptions) {
      checkPlainFileName(fileName, base.name);
      const url = new URL(encodeURIComponent(fileName), directory);
      url.search = directory.search;
      return openRemote(remoteOf(url, options), readOptions?.signal ?? options.signal);
    },
  };
}

function remoteOf(url: string | URL, options: HttpOptions): Remote {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new InputError(`Expected an http or https URL, found ${JSON.stringify(String(url))}.`);
  const name = parsed.origin + parsed.pathname;
  if (parsed.username !== '' || parsed.password !== '') {
    throw new InputError(`${name}: the URL holds a user name or password, which is not supported. Pass a fetch function that adds the header instead.`);
  }
  // Called through a closure: a browser's fetch must not be called as a method of another object.
  const call = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  return { url: parsed, name, fetch: call, idleTimeoutMs: options.idleTimeoutMs ?? 60_000 };
}

/** Resolves to undefined when the server has no such file. */
async function openRemote(remote: Remote, signal: AbortSignal | undefined): Promise<ByteSource | undefined> {
  const head = new Uint8Array(headBytes);
  const opened = await withIdleLimit(remote, signal, async (request) => {
    const response = await request(0, headBytes);
    if (response.status === 404 || response.status === 410) return undefined;
    if (response.status === 416 && /^bytes \*\/0$/.test(response.headers.get('content-range') ?? '')) return { sizeBytes: 0, tag: null };
    const { start, end, sizeBytes } = contentRangeOf(response, remote);
    const expected = Math.min(headBytes, sizeBytes);
    if (start !== 0 || end !== expected) throw wrongRange(remote, 0, expected, response);
    await readBody(response, remote, 0, head.subarray(0, expected), request.alive);
    return { sizeBytes, tag: response.headers.get('etag') };
  });
  if (!opened) return undefined;
  const { sizeBytes, tag } = opened;
  return {
    name: remote.name,
    sizeBytes,
    async read(offset, into, options) {
      options?.signal?.throwIfAborted();
      checkReadRange(remote.name, sizeBytes, offset, into.length);
      const known = Math.max(0, Math.min(into.length, headBytes - offset));
      into.set(head.subarray(offset, offset + known));
      await readRanges({ remote, sizeBytes, tag }, offset + known, into.subarray(known), options);
    },
    async close() {},
  };
}

interface OpenedRemote {
  readonly remote: Remote;
  readonly sizeBytes: number;
  readonly tag: string | null;
}

/** Reads by several requests at once; the first failure stops the others. */
async function readRanges(opened: OpenedRemote, offset: number, into: Uint8Array, options: ReadOptions | undefined): Promise<void> {
  const stop = new AbortController();
  const signal = options?.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  let next = 0;
  const worker = async () => {
    while (next < into.length) {
      const start = next;
      next = Math.min(start + rangeBytes, into.length);
      await readRange(opened, offset + start, into.subarray(start, next), signal);
    }
  };
  const workers = Array.from({ length: Math.min(parallelRanges, Math.ceil(into.length / rangeBytes)) }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(workers);
    throw error;
  }
}

function readRange({ remote, sizeBytes, tag }: OpenedRemote, offset: number, into: Uint8Array, signal: AbortSignal): Promise<void> {
  return withIdleLimit(remote, signal, async (request) => {
    const response = await request(offset, into.length);
    const range = contentRangeOf(response, remote);
    const newTag = response.headers.get('etag');
    if (range.sizeBytes !== sizeBytes || (tag !== null && newTag !== null && newTag !== tag)) {
      throw new FormatError(`${remote.name} changed on the server while it was read (${sizeBytes} bytes before, ${range.sizeBytes} now). Open it again.`);
    }
    if (range.start !== offset || range.end !== offset + into.length) throw wrongRange(remote, offset, into.length, response);
    await readBody(response, remote, offset, into, request.alive);
  });
}

interface Request {
  (offset: number, length: number): Promise<Response>;
  /** Tells that bytes have arrived. */
  readonly alive: () => void;
}

/** Runs `work` with a request function that ends when the caller aborts or the server falls silent. */
async function withIdleLimit<Result>(
  remote: Remote,
  signal: AbortSignal | undefined,
  work: (request: Request) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const giveUp = () => stop.abort(new InputError(`${remote.name}: the server sent nothing for ${remote.idleTimeoutMs / 1000} s. Try again later.`));
  let timer = setTimeout(giveUp, remote.idleTimeoutMs);
  const forward = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', forward, { once: true });
  const request = Object.assign(
    (offset: number, length: number) =>
      remote.fetch(remote.url, {
        headers: { range: `bytes=${offset}-${offset + length - 1}`, 'accept-encoding': 'identity' },
        signal: stop.signal,
      }),
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
    if (stop.signal.aborted) throw stop.signal.reason;
    if (error instanceof FormatError || error instanceof InputError) throw error;
    throw new InputError(`${remote.name}: the connection failed (${networkReason(error)}). Check the URL and the network.`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', forward);
    // Frees the connection of an answer whose body was not read to its end.
    stop.abort();
  }
}

/** `fetch` hides the reason in the error's cause. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** Checks that an answer is the part of a file that was asked for, and says which part it is; `end` is exclusive. */
function contentRangeOf(response: Response, { name }: Remote): ContentRange {
  const { status } = response;
  if (status === 401 || status === 403) throw new InputError(`${name}: the server refuses access (status ${status}). Check the rights or sign in there.`);
  if (status === 200) {
    throw new InputError(`${name}: the server does not support range requests (it answered 200, expected 206). Download the file and open it from disk.`);
  }
  if (status !== 206) throw new InputError(`${name}: expected status 206, the server answered ${status} ${response.statusText}. Check the URL or try again later.`);
  const encoding = response.headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new InputError(`${name}: the server compresses ranges (${encoding}), so that they cannot be used. Download the file and open it from disk.`);
  }
  const header = response.headers.get('content-range') ?? '';
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header);
  if (!match) {
    throw new InputError(
      `${name}: expected a header "Content-Range: bytes START-END/SIZE", found ${JSON.stringify(header)}. ` +
        'In a browser the server must expose it (Access-Control-Expose-Headers). Else download the file and open it from disk.',
    );
  }
  return { start: Number(match[1]), end: Number(match[2]) + 1, sizeBytes: Number(match[3]) };
}

function wrongRange(remote: Remote, offset: number, length: number, response: Response): InputError {
  const found = response.headers.get('content-range');
  return new InputError(
    `${remote.name}: asked for ${length} bytes at ${offset}, the server answered with ${JSON.stringify(found)}. Download the file and open it from disk.`,
  );
}

async function readBody(response: Response, remote: Remote, offset: number, into: Uint8Array, alive: () => void): Promise<void> {
  let done = 0;
  const reader = response.body?.getReader();
  const next = async () =>
    (await reader?.read().catch((error: unknown) => {
      throw cutShort(remote, offset, into.length, done, error);
    }))?.value;
  for (let value = await next(); value; value = await next()) {
    alive();
    if (done + value.length > into.length) {
      throw new FormatError(`${remote.name}: the server sent more than the ${into.length} bytes at ${offset} that were asked for.`);
    }
    into.set(value, done);
    done += value.length;
  }
  if (done < into.length) throw cutShort(remote, offset, into.length, done);
}

function cutShort(remote: Remote, offset: number, length: number, done: number, cause?: unknown): FormatError {
  const { message } = endedEarly(remote.name, offset, length, offset + done);
  return new FormatError(`${message} (The server's answer was cut short.)`, { cause });
}
