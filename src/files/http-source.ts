/** Files behind HTTP(S), read by ranges: only the bytes asked for travel. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import { absentFile, beginsAsHtml, checkPart, filePart, htmlInstead, isEmptyFile, saysHtml, throwIfPassing } from './http-answer.ts';
import type { AbsentFile, FileFacts } from './file-facts.ts';
import { chunksOf, remoteOf, withIdleLimit } from './http-request.ts';
import type { HttpOptions } from './http-options.ts';
import type { Remote, Request } from './http-request.ts';
import { PassingFault, withRetries } from './http-retry.ts';
import { checkFileNameBelow, checkReadRange } from './read-range.ts';
import { sideBySide } from './side-by-side.ts';

/** One stretch of a file on its way, over as many answers as it takes. */
interface Transfer {
  readonly remote: Remote;
  readonly offset: number;
  /** Bytes of `into` that have arrived. */
  done: number;
  /** Cut to the file's end once that is known. */
  into: Uint8Array;
  /** Undefined until the first answer of a file that is being opened. */
  known: FileFacts | undefined;
}

/** A file behind a URL, with what its server said of it when it was opened. */
export interface HttpFile extends ByteSource {
  readonly facts: FileFacts;
}

const rangeBytes = 16 * 1024 * 1024;
const parallelRanges = 4;

/**
 * A source over one URL. What may pass is tried again, from the byte where it stopped.
 * @throws InputError for a URL that cannot be reached, holds no file or whose server does not answer ranges, or that goes on failing;
 *   FormatError when answers go on being cut short or the file changes while it is read.
 */
export async function httpSource(url: string | PlatformUrl, options: HttpOptions = {}): Promise<HttpFile> {
  const remote = remoteOf(url, options);
  const found = await openRemote(remote, options.signal);
  if ('reason' in found) throw new InputError(`${remote.name}: ${found.reason}. ${found.advice}`);
  return found;
}

/**
 * The files below a base URL, whose query (a signature, say) is sent with each of them. A file is absent where the server refuses it, by
 * any status of 4xx that does not ask to try again, or answers with a page of HTML in its place.
 */
export function httpFolder(baseUrl: string | PlatformUrl, options: HttpOptions = {}): SourceFolder {
  const base = remoteOf(baseUrl, options);
  const directory = new URL(base.url);
  if (!directory.pathname.endsWith('/')) directory.pathname += '/';
  return {
    name: base.name,
    async open(fileName, readOptions) {
      checkFileNameBelow(fileName, base.name);
      const url = new URL(fileName.split('/').map(encodeURIComponent).join('/'), directory);
      url.search = directory.search;
      const remote = remoteOf(url, options);
      const found = await openRemote(remote, readOptions?.signal ?? options.signal);
      if (!('reason' in found)) return found;
      readOptions?.onAbsent?.(`${remote.name}: ${found.reason}`);
      return undefined;
    },
  };
}

/** As {@link httpSource}; a file that is not there is told by what is returned. */
export function openHttpFile(url: string | PlatformUrl, options: HttpOptions): Promise<HttpFile | AbsentFile> {
  return openRemote(remoteOf(url, options), options.signal);
}

async function openRemote(remote: Remote, signal: AbortSignal | undefined): Promise<HttpFile | AbsentFile> {
  const head: Transfer = { remote, offset: 0, done: 0, into: new Uint8Array(remote.headBytes), known: undefined };
  const absent = await transfer(head, signal);
  if (absent) return absent;
  const { known, into: headRead } = head;
  const { sizeBytes } = known!;
  return {
    name: remote.name,
    sizeBytes,
    facts: known!,
    async read(offset, into, options) {
      options?.signal?.throwIfAborted();
      checkReadRange(remote.name, sizeBytes, offset, into.length);
      const inHead = headRead.subarray(offset, offset + into.length);
      into.set(inHead);
      await readRanges({ remote, offset: offset + inHead.length, into: into.subarray(inHead.length), known, done: 0 }, options);
    },
    async close() {},
  };
}

/** Reads by several requests at once; the first failure stops the others. */
async function readRanges(whole: Transfer, options: ReadOptions | undefined): Promise<void> {
  const { into, offset, remote } = whole;
  let next = 0;
  await sideBySide(Math.min(parallelRanges, Math.ceil(into.length / rangeBytes)), options?.signal, async (signal) => {
    while (next < into.length) {
      const start = next;
      next = Math.min(start + rangeBytes, into.length);
      const absent = await transfer({ ...whole, offset: offset + start, into: into.subarray(start, next) }, signal);
      if (absent) throw new InputError(`${remote.name}: ${absent.reason}, which was there before. Open it again.`);
    }
  });
}

/** Fills `into`, over as many attempts as it takes and the rules allow. Resolves to the reason where there is no such file. */
function transfer(part: Transfer, signal: AbortSignal | undefined): Promise<AbsentFile | undefined> {
  const rules = { ...part.remote, receivedBytes: () => part.done };
  return withRetries(rules, signal, () =>
    withIdleLimit({ remote: part.remote, isOpen: part.known !== undefined }, signal, (request) => attempt(part, ranged(request))),
  );
}

interface RangeRequest {
  (offset: number, length: number): Promise<Response>;
  readonly alive: () => void;
}

function ranged(request: Request): RangeRequest {
  return Object.assign((offset: number, length: number) => request({ range: `bytes=${offset}-${offset + length - 1}` }), {
    alive: request.alive,
  });
}

async function attempt(part: Transfer, request: RangeRequest): Promise<AbsentFile | undefined> {
  const { known, remote: { name } } = part;
  const [offset, length] = [part.offset + part.done, part.into.length - part.done];
  const response = await request(offset, length);
  throwIfPassing(response);
  const absent = absentFile(response) ?? (await htmlPage(response, request));
  if (absent) return absent;
  if (known === undefined && isEmptyFile(response)) {
    part.known = { sizeBytes: 0, etag: null, lastModified: null };
    part.into = new Uint8Array(0);
    return undefined;
  }
  const found = filePart(response, name);
  checkPart(found, { name, offset, length, known });
  part.known ??= found.facts;
  part.into = part.into.subarray(0, found.end - part.offset);
  await readBody(response, part, request);
  return part.offset === 0 && beginsAsHtml(part.into, response) ? htmlInstead(response.status) : undefined;
}

/** A page in place of a file comes whole, whatever range was asked for. */
async function htmlPage(response: Response, request: RangeRequest): Promise<AbsentFile | undefined> {
  if (response.status !== 200) return undefined;
  if (saysHtml(response)) return htmlInstead(200);
  for await (const chunk of chunksOf(response, request)) return beginsAsHtml(chunk, response) ? htmlInstead(200) : undefined;
  return undefined;
}

/** Puts an answer's body at the end of what the transfer has; what arrives before a break is kept. */
async function readBody(response: Response, part: Transfer, request: RangeRequest): Promise<void> {
  const { remote: { name }, into, offset } = part;
  const cutShort = (cause?: unknown) =>
    new PassingFault({
      reason:
        `the server's answer was cut short: expected the bytes from ${offset} to ${offset + into.length}, ` +
        `but it ends at ${offset + part.done}`,
      advice: 'The file there is probably incomplete, or the connection bad: try again later.',
      error: FormatError,
      cause,
    });
  try {
    for await (const chunk of chunksOf(response, request)) {
      if (part.done + chunk.length > into.length)
        throw new FormatError(
          `${name}: the server sent more than the bytes from ${offset} to ${offset + into.length} that were asked for.`,
        );
      into.set(chunk, part.done);
      part.done += chunk.length;
    }
  } catch (error) {
    throw error instanceof FormatError ? error : cutShort(error);
  }
  if (part.done < into.length) throw cutShort();
}
