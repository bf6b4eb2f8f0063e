/** What a server's answer to a range request means: part of the file, no file at all, a fault that may pass, or the end. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { AbsentFile, FileFacts } from './file-facts.ts';
import { PassingFault, mayPass, retryAfterMs } from './http-retry.ts';

export interface FilePart {
  readonly facts: FileFacts;
  /** First byte of the part, and the byte after its last. */
  readonly start: number;
  readonly end: number;
}

/** The server is well, and gives no parts of files. */
export class RangesRefused extends InputError {
  /** What its answer tells of the file; the size is undefined where it comes in chunks. */
  readonly facts: Omit<FileFacts, 'sizeBytes'> & { readonly sizeBytes: number | undefined };

  constructor(message: string, headers: Response['headers']) {
    super(message);
    const size = headers.get('content-length');
    this.facts = { ...validators(headers), sizeBytes: size === null ? undefined : Number(size) };
  }
}

/** Another file has taken the place of the one that was opened. */
export class FileChanged extends FormatError {}

const fromDisk = 'Download the file and open it from disk.';

/** Answers about the request rather than the file: a proxy that wants a password, a range that cannot be met. */
const aboutRequest = [407, 416];

/**
 * Whether the answer says that there is no such file to be had. Servers say so in many ways: object stores without the right to list
 * answer 403 for what is absent, some proxies 401 or 400. Whether that matters is for the caller to know.
 */
export function absentFile({ status, statusText }: Response): AbsentFile | undefined {
  if (status < 400 || status > 499 || mayPass(status) || aboutRequest.includes(status)) return undefined;
  if (status === 404 || status === 410) return { reason: `the server has no such file (status ${status})`, advice: 'Check the URL.' };
  if (status === 401 || status === 403) {
    const advice = 'Check the URL and the rights, sign in there, or pass a fetch function that adds what the server wants to see.';
    return { reason: `the server refuses access (status ${status})`, advice };
  }
  return {
    reason: `the server refuses the request (status ${status}${statusText === '' ? '' : ` ${statusText}`})`,
    advice: 'Check the URL.',
  };
}

export function htmlInstead(status: number): AbsentFile {
  return {
    reason: `the server answered with a page of HTML in place of the file (status ${status})`,
    advice: 'Check the URL: it may be that of a web page.',
  };
}

export function saysHtml(response: Response): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(response.headers.get('content-type') ?? '');
}

/** Whether a file's first bytes are those of a web page. No file of a model begins so. */
export function beginsAsHtml(bytes: Uint8Array, response: Response): boolean {
  const text = new TextDecoder().decode(bytes.subarray(0, 1024));
  if (saysHtml(response) && /^\s*<(?:!doctype|!--|html|head|body|title|meta|script)\b/i.test(text)) return true;
  return /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]*?-->\s*)*<(?:!doctype\s+html|html)\b/i.test(text);
}

/** @throws PassingFault for a status that asks to try again */
export function throwIfPassing({ status, statusText, headers }: Response): void {
  if (!mayPass(status)) return;
  const advice =
    status === 429
      ? `The server limits how often it is asked: try again later, or ${lowerFirst(fromDisk)}`
      : `Try again later, or ${lowerFirst(fromDisk)}`;
  throw new PassingFault({
    reason: `the server answered ${status}${statusText === '' ? '' : ` ${statusText}`}`,
    advice,
    retryAfterMs: retryAfterMs(headers.get('retry-after'), Date.now()),
  });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * Reads the headers of a part of a file (status 206).
 * @throws InputError for an answer that is none, or that cannot be used
 */
export function filePart({ status, statusText, headers }: Response, name: string): FilePart {
  if (status === 416) throw new FileChanged(`${name} changed on the server while it was read (it is shorter now). Open it again.`);
  if (status === 200)
    throw new RangesRefused(`${name}: the server does not support range requests (it answered 200, expected 206). ${fromDisk}`, headers);
  if (status !== 206)
    throw new InputError(`${name}: expected status 206, the server answered ${status} ${statusText}. Check the URL or try again later.`);
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new InputError(`${name}: the server compresses ranges (${encoding}), so that they cannot be used. ${fromDisk}`);
  }
  const header = headers.get('content-range') ?? '';
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header);
  if (!match) {
    throw new InputError(
      `${name}: expected a header "Content-Range: bytes START-END/SIZE", found ${JSON.stringify(header)}. ` +
        'In a browser the server must expose it (Access-Control-Expose-Headers). Else download the file and open it from disk.',
    );
  }
  const facts = { sizeBytes: Number(match[3]), ...validators(headers) };
  return { facts, start: Number(match[1]), end: Number(match[2]) + 1 };
}

function validators(headers: Response['headers']): Omit<FileFacts, 'sizeBytes'> {
  return { etag: headers.get('etag'), lastModified: headers.get('last-modified') };
}

/** Whether the answer to a range from 0 on says that the file has no bytes. */
export function isEmptyFile({ status, headers }: Response): boolean {
  return status === 416 && /^bytes \*\/0$/.test(headers.get('content-range') ?? '');
}

/** @throws FormatError where another file has taken the place of the one that was opened; InputError for another part than was asked for */
export function checkPart(
  part: FilePart,
  { name, offset, length, known }: { name: string; offset: number; length: number; known: FileFacts | undefined },
): void {
  if (known !== undefined) checkUnchanged(name, known, part.facts);
  const end = Math.min(offset + length, part.facts.sizeBytes);
  if (part.start !== offset || part.end !== end) {
    throw new InputError(
      `${name}: asked for ${end - offset} bytes at ${offset}, the server answered with those from ${part.start} to ${part.end - 1}. ` +
        `${fromDisk}`,
    );
  }
}

/** @throws FileChanged where the facts are those of another file */
export function checkUnchanged(name: string, known: FileFacts, now: FileFacts): void {
  const change = changeOf(known, now);
  if (change !== undefined) throw new FileChanged(`${name} changed on the server while it was read (${change}). Open it again.`);
}

/**
 * What tells two answers' files apart; undefined where they are one. Compares by the strongest mark that both have. A browser sees an ETag
 * of another origin only where that exposes it.
 */
export function changeOf(known: FileFacts, now: FileFacts): string | undefined {
  if (now.sizeBytes !== known.sizeBytes) return `${known.sizeBytes} bytes before, ${now.sizeBytes} now`;
  if (known.etag !== null && now.etag !== null) return now.etag === known.etag ? undefined : `ETag ${known.etag} before, ${now.etag} now`;
  if (known.lastModified === null || now.lastModified === null || now.lastModified === known.lastModified) return undefined;
  return `last modified ${known.lastModified} before, ${now.lastModified} now`;
}
