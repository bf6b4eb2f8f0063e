import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sha256 } from '../../../test/hub-server.ts';
import { errorOf, requestedRange, sendPart, serveHttp } from '../../../test/http-server.ts';
import type { ByteRange, TestServer } from '../../../test/http-server.ts';
import { FormatError } from '../../tensor/errors.ts';
import { cachedSnapshots } from './cache-layout.ts';
import { removeOldBlobs, urlPlace } from './url-cache.ts';
import { urlFolder } from './url-folder.ts';
import type { UrlFolderOptions } from './url-folder.ts';

/** Two pieces and a bit; and a file of which most does not come with the first answer. */
const big = Uint8Array.from({ length: 2 * 8 * 1024 * 1024 + 17 }, (_, index) => (index * 31 + (index >> 8)) % 256);
const otherBig = big.map((byte) => byte ^ 1);
const model = big.subarray(0, 300_000);
const other = otherBig.subarray(0, 300_000);
const small = new TextEncoder().encode('{"model_type": "llama"}');

type Answer = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, range: ByteRange) => void;

let server: TestServer;
let home = '';
let files: Record<string, Uint8Array> = {};
let answer: Answer;
const requests: string[] = [];
let notes: string[] = [];
let progress = { loaded: 0, total: 0 };

const etags = new Map<Uint8Array, string>([big, otherBig, model, other, small].map((bytes) => [bytes, `"${sha256(bytes).slice(0, 12)}"`]));
const etagOf = (bytes: Uint8Array) => etags.get(bytes)!;
const good: Answer = (request, response, bytes, range) => {
  if (request.headers['if-none-match'] === etagOf(bytes)) return void response.writeHead(304).end();
  sendPart(response, bytes, range, { etag: etagOf(bytes) });
};
const withoutRanges: Answer = (_, response, bytes) =>
  void response.writeHead(200, { 'content-length': bytes.length, etag: etagOf(bytes) }).end(bytes);

beforeAll(async () => {
  server = await serveHttp((request, response) => {
    const { pathname, search } = new URL(request.url!, 'http://x');
    requests.push(`${pathname}${search} ${request.headers.range ?? ''} ${request.headers.authorization ?? ''}`.trim());
    const bytes = files[pathname.split('/').at(-1)!];
    if (bytes === undefined) return void response.writeHead(404).end();
    answer(request, response, bytes, requestedRange(request, bytes.length));
  });
});
afterAll(() => server.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ingot-url-'));
  [files, answer, notes] = [{ 'm.gguf': model, 'big.gguf': big, 'config.json': small }, good, []];
  requests.length = 0;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function read(name: string, extra: Partial<UrlFolderOptions> & { readonly offline?: boolean } = {}): Promise<Uint8Array | undefined> {
  const { offline = false, ...options } = extra;
  const folder = await urlFolder(new URL(`${server.origin}/models/?key=secret`), {
    reads: 'all',
    wait: () => Promise.resolve(),
    environment: { HF_HOME: home, HF_TOKEN: 'hf_secret', ...(offline ? { HF_HUB_OFFLINE: '1' } : {}) },
    onProgress: ({ loaded, total, note }) => {
      progress = { loaded, total };
      if (note !== undefined) notes.push(note);
    },
    ...options,
  });
  const source = await folder.open(name);
  if (source === undefined) return undefined;
  try {
    const bytes = new Uint8Array(source.sizeBytes);
    await source.read(0, bytes);
    return bytes;
  } finally {
    await source.close();
  }
}

const blobs = () => {
  const [only] = readdirSync(join(home, 'hub'));
  return readdirSync(join(home, 'hub', only!, 'blobs'));
};

describe('a URL whose files are kept', () => {
  test('comes once, in pieces; then its ETag is asked for, and nothing where the cache is all there is', async () => {
    expect(sha256((await read('big.gguf'))!)).toBe(sha256(big));
    expect(progress).toEqual({ loaded: big.length, total: big.length });
    expect(requests.filter((line) => line.includes('bytes=')).length).toBeGreaterThan(2);
    requests.length = 0;
    expect(sha256((await read('big.gguf'))!)).toBe(sha256(big));
    expect(requests).toEqual(['/models/big.gguf?key=secret bytes=0-0']);
    requests.length = 0;
    expect(sha256((await read('big.gguf', { offline: true }))!)).toBe(sha256(big));
    expect(await read('config.json', { offline: true })).toBeUndefined();
    expect(requests).toEqual([]);
  });

  test('another ETag is another file: it is fetched, and the old one goes', async () => {
    await read('m.gguf');
    files['m.gguf'] = other;
    expect(sha256((await read('m.gguf'))!)).toBe(sha256(other));
    expect(blobs()).toHaveLength(1);
  });

  test('who reads while others fetch its new bytes has a file all the time', async () => {
    await read('m.gguf');
    files['m.gguf'] = other;
    const over = new AbortController();
    const fetching = Promise.all(Array.from({ length: 3 }, () => read('m.gguf'))).finally(() => over.abort());
    const found = new Set<string>();
    while (!over.signal.aborted) found.add(sha256((await read('m.gguf', { offline: true }))!));
    expect((await fetching).map((bytes) => sha256(bytes!))).toEqual(Array(3).fill(sha256(other)));
    for (const hash of found) expect([sha256(model), sha256(other)]).toContain(hash);
    expect(sha256((await read('m.gguf', { offline: true }))!)).toBe(sha256(other));
    expect(blobs()).toHaveLength(1);
  });

  test('what a slower one takes for an earlier blob stays where the file has it by now', async () => {
    await read('m.gguf');
    const place = urlPlace(join(home, 'hub'), new URL(`${server.origin}/models/?key=secret`));
    const [earlier] = blobs();
    files['m.gguf'] = other;
    await read('m.gguf');
    // The one that fetched the earlier bytes tidies up once it comes to it.
    await removeOldBlobs(place, 'm.gguf', join(place.folder, 'blobs', earlier!));
    expect(sha256((await read('m.gguf', { offline: true }))!)).toBe(sha256(other));
  });

  test('without marks too, the copy is there while others come, and when they do not come', async () => {
    const bare: Answer = (_, response, bytes, range) => sendPart(response, bytes, range);
    answer = bare;
    await read('m.gguf');
    files['m.gguf'] = other;
    // Of the same size: only the hash that is asked for tells them apart.
    const wanted = { sha256: { fileName: 'm.gguf', hex: sha256(other) } };
    const copies: Promise<string>[] = [];
    answer = (request, response) => {
      // Ranges that are asked for once the place is its own.
      const copy = read('m.gguf', { offline: true }).then((found) => sha256(found!));
      copies.push(copy);
      if (copies.length === 1) void copy.finally(() => bare(request, response, other, requestedRange(request, other.length)));
      else void copy.finally(() => response.destroy()).catch(() => undefined);
    };
    await errorOf(read('m.gguf', wanted));
    expect(copies.length).toBeGreaterThan(1);
    expect(new Set(await Promise.all(copies))).toEqual(new Set([sha256(model)]));
    expect(sha256((await read('m.gguf', { offline: true }))!)).toBe(sha256(model));
    answer = bare;
    expect(sha256((await read('m.gguf', wanted))!)).toBe(sha256(other));
    expect(sha256((await read('m.gguf', { offline: true }))!)).toBe(sha256(other));
    expect(blobs()).toHaveLength(1);
  });

  test.each([
    ['with marks', good],
    ['without', (_, response, bytes, range) => sendPart(response, bytes, range)],
  ] satisfies [string, Answer][])(
    'two that want one file, %s: one fetches it, the other waits, which is said, and finds it',
    async (_, send) => {
      // The rest of it comes once the other waits.
      const waits = () => expect.poll(() => notes.join()).toMatch(/big\.gguf: process \d+ is getting it/);
      answer = (request, response, bytes, range) => {
        if (range.start === 0 && range.end < 1e6) send(request, response, bytes, range);
        else void waits().then(() => send(request, response, bytes, range));
      };
      const both = await Promise.all([read('big.gguf'), read('big.gguf')]);
      expect(both.map((bytes) => sha256(bytes!))).toEqual([sha256(big), sha256(big)]);
      expect(requests.filter((line) => /bytes=16777216-/.test(line))).toHaveLength(1);
    },
  );

  test('another file that does not come leaves the copy', async () => {
    await read('m.gguf');
    files['m.gguf'] = other;
    answer = (request, response, bytes, range) => {
      if (request.headers.range === 'bytes=0-0') good(request, response, bytes, range);
      else response.destroy();
    };
    await errorOf(read('m.gguf'));
    expect(sha256((await read('m.gguf', { offline: true }))!)).toBe(sha256(model));
  });

  test('a copy is not taken for the file of another hash that is asked for', async () => {
    await read('m.gguf');
    const error = await errorOf(read('m.gguf', { sha256: { fileName: 'm.gguf', hex: sha256(other) } }));
    expect(error).toBeInstanceOf(FormatError);
    expect(sha256((await read('m.gguf'))!)).toBe(sha256(model));
  });

  test('the secret of its query is not written, nor is the token of the hub sent', async () => {
    await read('config.json');
    const texts = readdirSync(home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'));
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.join('\n')).not.toContain('secret');
    expect(requests.join('\n')).not.toContain('hf_');
    const [snapshot] = await cachedSnapshots(join(home, 'hub'));
    expect(snapshot!.files.map(({ name }) => name)).toEqual(['config.json']);
  });

  test('a server that is gone leaves the copy, which is said', async () => {
    await read('config.json');
    answer = (_, response) => void response.destroy();
    expect(await read('config.json')).toEqual(small);
    expect(notes.join()).toMatch(/The copy of \d{4}-\d\d-\d\d is used/);
    expect((await errorOf(read('m.gguf'))).message).toContain('5 times in a row');
  });

  test('headers alone come by ranges and are not kept; what is kept is read there', async () => {
    expect(await read('config.json', { reads: 'headers' })).toEqual(small);
    expect(existsSync(join(home, 'hub'))).toBe(false);
    await read('config.json');
    requests.length = 0;
    expect(await read('config.json', { reads: 'headers', offline: true })).toEqual(small);
    expect(requests).toEqual([]);
  });

  test('a file that is not there is absent, and so is a page of HTML in its place', async () => {
    expect(await read('nope.json')).toBeUndefined();
    answer = (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><html></html>');
    expect(await read('config.json')).toBeUndefined();
  });
});

describe('a server that misbehaves', () => {
  test('connections that break: what came before the process ended is not asked for again', async () => {
    let count = 0;
    const stop = new AbortController();
    answer = (request, response, bytes, range) => {
      // The first piece comes.
      if (range.start < 8e6) return good(request, response, bytes, range);
      const isListed = () => existsSync(join(home, 'hub')) && blobs().some((name) => name.endsWith('.ingot-part.json'));
      if (count++ === 0) void expect.poll(isListed).toBe(true).then(() => stop.abort(new Error('killed')));
    };
    expect((await errorOf(read('big.gguf', { signal: stop.signal }))).message).toBe('killed');
    expect(blobs().some((name) => name.endsWith('.ingot-part.json'))).toBe(true);
    answer = good;
    requests.length = 0;
    expect(sha256((await read('big.gguf'))!)).toBe(sha256(big));
    expect(requests.filter((line) => /bytes=\d{1,6}-8388607/.test(line))).toEqual([]);
  });

  test('an ETag that changes in the middle: begun anew, and whole', async () => {
    let count = 0;
    answer = (request, response, _, range) => {
      if (range.start > 0 && count++ === 0) files['m.gguf'] = other;
      good(request, response, files['m.gguf']!, range);
    };
    expect(sha256((await read('m.gguf'))!)).toBe(sha256(other));
    expect(notes.join()).toContain('beginning anew');
    expect(blobs()).toHaveLength(1);
    let tag = 0;
    answer = (_, response, bytes, range) => sendPart(response, bytes, range, { etag: `"${tag++}"` });
    files['m.gguf'] = model;
    expect((await errorOf(read('m.gguf'))).message).toMatch(/changed on the server/);
  });

  test.each([
    ['with its length', withoutRanges],
    ['in chunks, of a length that nobody knows', (_, response, bytes) => {
      response.writeHead(200);
      response.write(bytes.subarray(0, 1e5));
      response.end(bytes.subarray(1e5));
    }],
  ] satisfies [string, Answer][])('no ranges, %s: it comes whole, with a word about it, and is not asked for twice', async (_, send) => {
    answer = send;
    expect(sha256((await read('m.gguf', { reads: 'headers' }))!)).toBe(sha256(model));
    expect(notes.join()).toContain('downloaded whole');
    notes = [];
    expect(sha256((await read('m.gguf'))!)).toBe(sha256(model));
    expect(notes).toEqual([]);
  });

  test('no mark of what file it is: parts of an ended download are not gone on with', async () => {
    const stop = new AbortController();
    const bare: Answer = (_, response, bytes, range) => sendPart(response, bytes, range);
    answer = (request, response, bytes, range) =>
      range.start === 0 ? bare(request, response, bytes, range) : void setTimeout(() => stop.abort(new Error('killed')), 200);
    expect((await errorOf(read('big.gguf', { signal: stop.signal }))).message).toBe('killed');
    [answer, files['big.gguf']] = [bare, otherBig];
    expect(sha256((await read('big.gguf'))!)).toBe(sha256(otherBig));
  });

  test('a hash that is asked for: wrong bytes are fetched once more and refused; right ones are never asked for again', async () => {
    const hash = (hex: string) => ({ sha256: { fileName: 'm.gguf', hex } });
    const error = await errorOf(read('m.gguf', hash('0'.repeat(64))));
    expect(error).toBeInstanceOf(FormatError);
    expect(notes.join()).toContain('fetching it again');
    expect(await read('m.gguf', { offline: true })).toBeUndefined();
    await read('m.gguf', hash(sha256(model)));
    requests.length = 0;
    expect(sha256((await read('m.gguf', hash(sha256(model))))!)).toBe(sha256(model));
    expect(requests).toEqual([]);
  });

  test('names that lead out of the folder are refused before anything is asked', async () => {
    expect(await errorOf(read('../x.gguf'))).toBeInstanceOf(FormatError);
    expect(requests).toEqual([]);
  });

  test('429 and silence are tried again', async () => {
    let count = 0;
    answer = (request, response, bytes, range) => {
      if (count++ === 0) return void response.writeHead(429, { 'retry-after': '7' }).end();
      if (count === 2) return;
      good(request, response, bytes, range);
    };
    const waits: number[] = [];
    const wait = (ms: number) => Promise.resolve(void waits.push(ms));
    expect(await read('config.json', { wait, idleTimeoutMs: 300 })).toEqual(small);
    expect(waits[0]).toBe(7000);
    // Silence is cut at 300 ms, also that of a machine that stood still: all requests but the head's and the file's own are waited for.
    expect(waits.length).toBeGreaterThanOrEqual(2);
    expect(waits).toHaveLength(count - 2);
  });
});
