import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorOf, requestedRange, serveHttp } from '../../test/http-server.ts';
import type { TestServer } from '../../test/http-server.ts';
import { smallGguf } from '../../test/model-bytes.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { backoffMs, mayPass, retryAfterMs, waitFor } from './http-retry.ts';
import type { HttpRetry } from './http-retry.ts';
import { httpFolder, httpSource } from './http-source.ts';
import { openCheckpoint } from './open-checkpoint.ts';

const MiB = 1024 * 1024;
const big = Uint8Array.from({ length: 20 * MiB + 17 }, (_, index) => (index * 31 + (index >> 8)) % 256);
const gguf = smallGguf();

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}
type Fault = (call: Call) => void;

let server: TestServer;
let origin = '';
/** What the server does in place of answering well, by the number of the request. */
let faultOf: (request: number) => Fault | undefined;
let ranges: [start: number, end: number][] = [];
let waits: number[] = [];
let retries: HttpRetry[] = [];

function writePart({ response, start, end, bytes }: Call, length: number, done: () => void): void {
  response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': end - start });
  response.write(bytes.subarray(start, start + length), done);
}

const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  ({ response }) =>
    void response.writeHead(code, headers).end('<html>busy</html>');
const reset: Fault = ({ request }) => void request.socket.destroy();
/** How many of the bytes the client keeps is left to chance. */
const cutAfter = (length: number): Fault => (call) => writePart(call, length, () => call.response.destroy());
/** The client keeps them all. */
const shortBody = (length: number): Fault => ({ response, start, end, bytes }) => {
  response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` });
  response.end(bytes.subarray(start, Math.min(end, start + length)));
};
const stall = (length: number): Fault => (call) => writePart(call, length, () => {});

beforeAll(async () => {
  server = await serveHttp((request, response) => {
    const bytes = request.url === '/m.gguf' ? gguf : big;
    const call = { request, response, bytes, ...requestedRange(request, bytes.length) };
    ranges.push([call.start, call.end]);
    const fault = faultOf(ranges.length);
    if (fault) fault(call);
    else writePart(call, call.end - call.start, () => response.end());
  });
  origin = server.origin;
});
afterAll(() => server.close());
beforeEach(() => {
  faultOf = () => undefined;
  [ranges, waits, retries] = [[], [], []];
});

const options = {
  wait: async (ms: number) => void waits.push(ms),
  onRetry: (retry: HttpRetry) => void retries.push(retry),
};
const open = (more = {}) => httpSource(`${origin}/big.bin?secret=1`, { ...options, ...more });

async function readBig(offset: number, length: number): Promise<boolean> {
  const into = new Uint8Array(length);
  await (await open()).read(offset, into);
  return Buffer.compare(into, big.subarray(offset, offset + length)) === 0;
}

describe('what may pass is tried again', () => {
  test.each<[string, Fault, RegExp]>([
    ...[408, 425, 429, 500, 502, 503, 504, 522].map((code): [string, Fault, RegExp] => [
      `status ${code}`,
      status(code),
      new RegExp(`^the server answered ${code}`),
    ]),
    [
      'a page of HTML that says 503',
      ({ response }) => void response.writeHead(503, { 'content-type': 'text/html' }).end('<!doctype html>'),
      /answered 503/,
    ],
    ['a reset connection', reset, /^the connection failed/],
    ['an answer cut by the connection', cutAfter(100), /cut short/],
    ['an answer shorter than it says', shortBody(100), /cut short/],
  ])('%s, at the first request and later', async (_, fault, reason) => {
    for (const failing of [1, 2]) {
      [ranges, retries, waits] = [[], [], []];
      faultOf = (request) => (request === failing ? fault : undefined);
      expect(await readBig(70_000, 1000)).toBe(true);
      expect(ranges).toHaveLength(3);
      expect(retries).toMatchObject([{ url: `${origin}/big.bin`, failed: 1, attempts: 5, waitMs: waits[0] }]);
      expect(retries[0]!.reason).toMatch(reason);
      expect(retries[0]!.reason).not.toMatch(/secret/);
    }
  });

  test('silence, before and within an answer', async () => {
    for (const fault of [() => {}, stall(100)]) {
      ranges = [];
      faultOf = (request) => (request === 1 ? fault : undefined);
      const source = await open({ idleTimeoutMs: 100 });
      expect(source.sizeBytes).toBe(big.length);
      expect(retries.at(-1)!.reason).toBe('the server sent nothing for 0.1 s');
    }
  });

  test('from the byte where it stopped, in every part of a large read', async () => {
    const cut = new Set<number>();
    faultOf = (request) => (request === 1 ? shortBody(1000) : (call) => {
      if (cut.has(call.end)) return writePart(call, call.end - call.start, () => call.response.end());
      cut.add(call.end);
      shortBody(3 * MiB)(call);
    });
    expect(await readBig(0, big.length)).toBe(true);
    const [first, second, ...rest] = ranges;
    expect([first, second]).toEqual([[0, 65_536], [1000, 65_536]]);
    // Each of the two parts was asked for again from where it stopped.
    for (const [start, end] of rest.slice(0, 2)) expect(rest).toContainEqual([start + 3 * MiB, end]);
  });

  test('a line that breaks again and again but brings a mebibyte each time gets all', async () => {
    faultOf = (request) =>
      request > 1
        ? (call) =>
            call.end - call.start > MiB ? shortBody(MiB)(call) : writePart(call, call.end - call.start, () => call.response.end())
        : undefined;
    expect(await readBig(70_000, 8 * MiB)).toBe(true);
    expect(retries.map(({ failed }) => failed)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  test('a file replaced between two attempts is told', async () => {
    let etag = '"a"';
    faultOf = () => ({ response, start, end, bytes }) => {
      response.writeHead(206, { etag, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': end - start });
      if (start < 65_536) return void response.end(bytes.subarray(start, end));
      etag = '"b"';
      response.write(bytes.subarray(start, start + 100), () => response.destroy());
    };
    const error = await errorOf((await open()).read(70_000, new Uint8Array(1000)));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/changed on the server.*ETag "a" before, "b" now/);
  });

  test('every file of a folder', async () => {
    faultOf = (request) => (request % 2 === 1 ? status(503) : undefined);
    const checkpoint = await openCheckpoint({ folder: httpFolder(origin, options), fileName: 'm.gguf' });
    expect(checkpoint.tensors.size).toBe(3);
    expect(retries.length).toBeGreaterThan(0);
    await checkpoint.close();
  });
});

describe('what goes on failing is told', () => {
  test.each<[string, Fault, typeof FormatError | typeof InputError, RegExp]>([
    [
      'status 503',
      status(503, { 'retry-after': '7' }),
      InputError,
      new RegExp(
        String.raw`big.bin: the server answered 503 Service Unavailable, 5 times in a row\. It asks to wait 7 s\. ` +
          String.raw`Try again later, or download the file and open it from disk\.$`,
      ),
    ],
    [
      'status 429',
      status(429),
      InputError,
      /answered 429 Too Many Requests, 5 times in a row\. The server limits how often it is asked: try again later/,
    ],
    ['a reset connection', reset, InputError, /the connection failed \(.+\), 5 times in a row\. Check the URL and the network\.$/],
    [
      'an answer cut short',
      shortBody(100),
      FormatError,
      /cut short: expected the bytes from 0 to 65536, but it ends at 500, 5 times in a row\. The file there is probably incomplete/,
    ],
  ])('%s', async (_, fault, Kind, pattern) => {
    faultOf = () => fault;
    const error = await errorOf(open());
    expect(error).toBeInstanceOf(Kind);
    expect(error.message).toMatch(pattern);
    expect(error.message).not.toMatch(/secret/);
    expect(ranges).toHaveLength(5);
    expect(waits).toHaveLength(4);
  });

  test('at once where it is to be tried once', async () => {
    faultOf = () => status(503);
    await expect(open({ attempts: 1 })).rejects.toThrow(/answered 503 Service Unavailable\. Try again later/);
    expect(waits).toEqual([]);
  });

  test.each([[404], [403], [501]])('status %i is not tried again', async (code) => {
    faultOf = () => status(code);
    await expect(open()).rejects.toThrow(InputError);
    expect(ranges).toHaveLength(1);
  });

  test('neither is an address where nothing listens, unless the server has answered before', async () => {
    const refused = Object.assign(new TypeError('fetch failed'), {
      cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    });
    await expect(open({ fetch: () => Promise.reject(refused) })).rejects.toThrow(
      /connection failed \(connect ECONNREFUSED\)\. Check the URL/,
    );
    expect(waits).toEqual([]);
    let calls = 0;
    const source = await open({ fetch: (...args: Parameters<typeof fetch>) => (++calls === 2 ? Promise.reject(refused) : fetch(...args)) });
    await source.read(70_000, new Uint8Array(10));
    expect(waits).toHaveLength(1);
  });

  test.each([[0], [1.5], [Number.NaN]])('%d attempts are refused', async (attempts) => {
    await expect(open({ attempts })).rejects.toThrow(/attempts must be an integer from 1/);
    expect(() => httpFolder(origin, { attempts })).toThrow(/attempts must be/);
  });
});

describe('waiting', () => {
  test('an abort ends a wait with its reason, and nothing is asked after it', async () => {
    faultOf = () => status(503, { 'retry-after': '50' });
    const controller = new AbortController();
    const reason = new Error('enough');
    const opening = httpSource(`${origin}/big.bin`, {
      signal: controller.signal,
      onRetry: () => setTimeout(() => controller.abort(reason)),
    });
    await expect(opening).rejects.toBe(reason);
    expect(ranges).toHaveLength(1);
    await expect(waitFor(1e6, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('doubles, half of it by chance, up to half a minute', () => {
    const bounds = [1, 2, 3, 4, 7, 20].map((failed) => [0, 1].map((random) => backoffMs({ failed, random })));
    expect(bounds).toEqual([[250, 500], [500, 1000], [1000, 2000], [2000, 4000], [15_000, 30_000], [15_000, 30_000]]);
  });

  test('is as long as the server asks, up to a minute', () => {
    expect([0, 7000, 60_000, 3_600_000].map((askedMs) => backoffMs({ failed: 1, retryAfterMs: askedMs, random: 0 }))).toEqual([
      250, 7000, 60_000, 60_000,
    ]);
  });

  test('Retry-After reaches the wait', async () => {
    faultOf = (request) => (request === 1 ? status(429, { 'retry-after': '12' }) : undefined);
    await open();
    expect(waits).toEqual([12_000]);
  });

  test.each<[string | null, number | undefined]>([
    ['120', 120_000],
    [' 0 ', 0],
    ['Wed, 21 Oct 2015 07:28:30 GMT', 30_000],
    ['Wednesday, 21-Oct-15 07:28:30 GMT', 30_000],
    ['Wed, 21 Oct 2015 07:27:00 GMT', 0],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
    ['99999999999999', undefined],
  ])('Retry-After: %j', (header, expected) => {
    expect(retryAfterMs(header, Date.parse('2015-10-21T07:28:00Z'))).toBe(expected);
  });

  test('which statuses may pass', () => {
    const statuses = Array.from({ length: 200 }, (_, index) => 400 + index).filter(mayPass);
    expect(statuses).toEqual([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 528, 529, 530]);
  });
});
