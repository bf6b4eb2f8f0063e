import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorOf, requestedRange, sendPart, serveHttp } from '../../test/http-server.ts';
import type { ByteRange, TestServer } from '../../test/http-server.ts';
import { smallGguf, smallSafetensors, utf8 } from '../../test/model-bytes.ts';
import { loadTokenizer } from '../node/load-tokenizer.ts';
import { locate } from '../node/open-path.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { httpFolder, httpSource } from './http-source.ts';
import { openCheckpoint } from './open-checkpoint.ts';

const big = Uint8Array.from({ length: 40 * 1024 * 1024 + 17 }, (_, index) => (index * 31 + (index >> 8)) % 256);
const files: Record<string, Uint8Array> = {
  '/big.bin': big,
  '/empty.bin': new Uint8Array(0),
  '/three.bin': new Uint8Array([1, 2, 3]),
  '/g/my model.gguf': smallGguf(),
  '/hf/config.json': utf8({ model_type: 'llama' }),
  '/hf/model.safetensors': smallSafetensors(),
};

type Answer = (request: IncomingMessage, response: ServerResponse, range: ByteRange) => void;

const page = '<!doctype html><title>app</title>';
/** Waits for nothing between attempts. */
const quick = { wait: () => Promise.resolve() };

let server: TestServer;
let origin = '';
/** What the server does instead of answering well, from the second request on where `afterFirst` says so. */
let answer: Answer | undefined;
let afterFirst = false;
let requests: string[] = [];

function handle(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, 'http://localhost');
  requests.push(`${request.url} ${request.headers.range}`);
  const range = requestedRange(request, Infinity);
  if (answer && !(afterFirst && requests.length === 1)) return answer(request, response, range);
  if (url.pathname === '/moved.bin') return void response.writeHead(302, { location: '/big.bin' }).end();
  const bytes = files[decodeURIComponent(url.pathname)];
  if (!bytes) return void response.writeHead(404).end('<html>not here</html>');
  if (range.start >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  sendPart(response, bytes, range);
}

beforeAll(async () => {
  server = await serveHttp(handle);
  origin = server.origin;
});
afterAll(() => server.close());
beforeEach(() => {
  answer = undefined;
  afterFirst = false;
  requests = [];
});

describe('httpSource', () => {
  test('reads ranges of any size, large ones by several requests', async () => {
    const source = await httpSource(`${origin}/big.bin`);
    expect(source.sizeBytes).toBe(big.length);
    expect(requests).toEqual(['/big.bin bytes=0-65535']);
    const small = new Uint8Array(10);
    await source.read(65_530, small);
    expect([...small]).toEqual([...big.subarray(65_530, 65_540)]);
    const whole = new Uint8Array(new SharedArrayBuffer(big.length));
    await source.read(0, whole);
    expect(Buffer.compare(whole, big)).toBe(0);
    expect(requests).toHaveLength(2 + 3);
    await expect(source.read(big.length - 1, new Uint8Array(2))).rejects.toThrow(/ended early/);
    await source.close();
  });

  test('small and empty files cost one request', async () => {
    const into = new Uint8Array(2);
    const source = await httpSource(`${origin}/three.bin`);
    await source.read(1, into);
    expect([...into]).toEqual([2, 3]);
    const empty = await httpSource(`${origin}/empty.bin`);
    expect(empty.sizeBytes).toBe(0);
    await empty.read(0, new Uint8Array(0));
    expect(requests).toHaveLength(2);
  });

  test('follows a redirect, uses the fetch it is given', async () => {
    const source = await httpSource(`${origin}/moved.bin`, { fetch: (input, init) => fetch(input, init) });
    expect(source.sizeBytes).toBe(big.length);
  });

  test.each<[string, Answer, RegExp]>([
    [
      'no range support',
      (_, response) => void response.writeHead(200).end(big),
      /does not support range requests \(it answered 200, expected 206\). Download the file/,
    ],
    ['a status that says nothing', (_, response) => void response.writeHead(501).end(), /expected status 206, the server answered 501/],
    ['no access', (_, response) => void response.writeHead(403).end(), /big.bin: the server refuses access \(status 403\)/],
    ['no rights', (_, response) => void response.writeHead(401).end(), /refuses access \(status 401\).*pass a fetch function/],
    ['not found', (_, response) => void response.writeHead(404).end(), /no such file \(status 404\)/],
    ['a bad request', (_, response) => void response.writeHead(400).end(), /refuses the request \(status 400 Bad Request\)/],
    [
      'a page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(page),
      /a page of HTML in place of the file \(status 200\)/,
    ],
    ['no Content-Range', (_, response) => void response.writeHead(206).end('x'), /expected a header "Content-Range/],
    ['an unknown size', (_, response) => void response.writeHead(206, { 'content-range': 'bytes 0-2/*' }).end('abc'), /"bytes 0-2\/\*"/],
    [
      'another range',
      (_, response) => sendPart(response, big, { start: 5, end: 10 }),
      /asked for 65536 bytes at 0, the server answered with those from 5 to 9/,
    ],
    ['compression', (_, response, range) => sendPart(response, big, range, { 'content-encoding': 'br' }), /compresses ranges \(br\)/],
    [
      'endless redirects',
      (_, response) => void response.writeHead(302, { location: '/again' }).end(),
      /connection failed \(redirect count exceeded\)/,
    ],
  ])('%s', async (_, broken, pattern) => {
    answer = broken;
    const error = await errorOf(httpSource(`${origin}/big.bin?secret=1`));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(pattern);
    expect(error.message).not.toMatch(/secret/);
  });

  test.each<[string, Answer, RegExp]>([
    [
      'a body longer than asked for',
      (_, response, { start, end }) => {
        response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${big.length}` });
        response.end(big.subarray(start, end + 1));
      },
      /sent more than the bytes from 70000 to 71000/,
    ],
    [
      'a file of another size',
      (_, response, range) => sendPart(response, big.subarray(0, 80_000), range),
      /changed on the server while it was read \(41943057 bytes before, 80000 now\)/,
    ],
    [
      'a file that is shorter now',
      (_, response) => void response.writeHead(416, { 'content-range': 'bytes */100' }).end(),
      /changed on the server while it was read \(it is shorter/,
    ],
  ])('later: %s', async (_, broken, pattern) => {
    afterFirst = true;
    answer = broken;
    const source = await httpSource(`${origin}/big.bin`);
    const error = await errorOf(source.read(70_000, new Uint8Array(1000)));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(pattern);
  });

  test.each<[string, (request: number) => Record<string, string>, RegExp]>([
    [
      'by its ETag',
      (request) => ({ etag: `"${request}"`, 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' }),
      /changed on the server.*ETag "1" before, "2" now/,
    ],
    [
      'by its date',
      (request) => ({ 'last-modified': `Mon, 0${request} Jan 2024 00:00:00 GMT` }),
      /changed on the server.*last modified Mon, 01 Jan .* before, Mon, 02 Jan/,
    ],
    [
      'by its date, an ETag being gone',
      (request): Record<string, string> => (request === 1 ? { etag: '"a"', 'last-modified': 'x' } : { 'last-modified': 'y' }),
      /last modified x before, y now/,
    ],
  ])('a file replaced by one of the same size: %s', async (_, headers, pattern) => {
    answer = (_request, response, range) => sendPart(response, big, range, headers(requests.length));
    const source = await httpSource(`${origin}/big.bin`);
    const error = await errorOf(source.read(70_000, new Uint8Array(10)));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(pattern);
  });

  test('a date that changes under the same ETag is no change', async () => {
    answer = (_, response, range) =>
      sendPart(response, big, range, { etag: '"a"', 'last-modified': `Mon, 0${requests.length} Jan 2024 00:00:00 GMT` });
    const source = await httpSource(`${origin}/big.bin`);
    await source.read(70_000, new Uint8Array(10));
  });

  test('one failing part of a large read ends it', async () => {
    afterFirst = true;
    answer = (_, response, range) => (range.start > 20_000_000 ? void response.writeHead(503).end() : sendPart(response, big, range));
    const source = await httpSource(`${origin}/big.bin`, quick);
    const error = await errorOf(source.read(0, new Uint8Array(big.length)));
    expect(error.message).toMatch(/answered 503 Service Unavailable, 5 times in a row/);
  });

  test('a silent server is given up, before and within an answer', async () => {
    answer = () => {};
    const options = { ...quick, idleTimeoutMs: 100, attempts: 2 };
    await expect(httpSource(`${origin}/big.bin`, options)).rejects.toThrow(/sent nothing for 0.1 s, 2 times in a row/);
    answer = (_, response, { start, end }) => {
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${big.length}`, 'content-length': end - start });
      response.write(big.subarray(start, start + 100));
    };
    await expect(httpSource(`${origin}/big.bin`, options)).rejects.toThrow(/sent nothing for 0.1 s/);
  });

  test('aborting rejects with the reason, while opening and while reading', async () => {
    const reason = new Error('enough');
    await expect(httpSource(`${origin}/big.bin`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const source = await httpSource(`${origin}/big.bin`);
    answer = () => {};
    const controller = new AbortController();
    const reading = source.read(100_000, new Uint8Array(big.length - 100_000), { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(reading).rejects.toBe(reason);
    answer = undefined;
    await source.read(100_000, new Uint8Array(10));
  });

  test('URLs that cannot be used', async () => {
    for (const url of ['ftp://example.com/x', 'nonsense', 'file:///etc/passwd']) await expect(httpSource(url)).rejects.toThrow(InputError);
    const error = await errorOf(httpSource('http://me:hunter2@127.0.0.1/x'));
    expect(error.message).toMatch(/user name or password/);
    expect(error.message).not.toMatch(/hunter2/);
    // Nothing listens on the port of a client, and nobody else can take it meanwhile.
    const client = connect(Number(new URL(origin).port), '127.0.0.1');
    await once(client, 'connect');
    await expect(httpSource(`http://127.0.0.1:${client.localPort}/x`)).rejects.toThrow(/connection failed \(.*ECONNREFUSED/);
    client.destroy();
  });
});

describe('httpFolder', () => {
  test('absent files are undefined, names are encoded, the query is kept', async () => {
    const folder = httpFolder(`${origin}/g?token=1`);
    expect(await folder.open('absent')).toBeUndefined();
    expect((await folder.open('my model.gguf'))?.sizeBytes).toBe(smallGguf().length);
    expect(requests.map((request) => request.split(' ')[0])).toEqual(['/g/absent?token=1', '/g/my%20model.gguf?token=1']);
    await expect(folder.open('../x')).rejects.toThrow(/refused/);
  });

  test.each([
    ['/g/my%20model.gguf', 'gguf'],
    ['/hf', 'safetensors'],
    ['/hf/', 'safetensors'],
    ['/hf/model.safetensors', 'safetensors'],
  ])('a model at %s', async (path, format) => {
    const checkpoint = await openCheckpoint(await locate(origin + path, { reads: 'headers' }));
    expect(checkpoint.format).toBe(format);
    expect(checkpoint.tensors.size).toBe(3);
    const entry = [...checkpoint.tensors.values()][0]!;
    const into = new Uint8Array(entry.sizeBytes);
    await entry.read(0, into);
    const bytes = format === 'gguf' ? smallGguf() : smallSafetensors();
    expect(Buffer.compare(into, bytes.subarray(entry.fileOffset, entry.fileOffset + entry.sizeBytes))).toBe(0);
    await checkpoint.close();
  });

  test.each<[string, Answer]>([
    ...[400, 401, 403, 404, 405, 406, 409, 410, 451].map((status): [string, Answer] => [
      `status ${status}`,
      (_, response) => void response.writeHead(status).end('<Error/>'),
    ]),
    ['a page of HTML', (_, response) => void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)],
    ['XHTML', (_, response) => void response.writeHead(200, { 'content-type': 'application/xhtml+xml' }).end(page)],
    ['a page without a type', (_, response) => void response.writeHead(200).end(`\n<!-- app -->\n<HTML>${' '.repeat(100_000)}`)],
    ['a page by ranges', (_, response, range) => sendPart(response, utf8(page), range, { 'content-type': 'text/html' })],
    ['a page by ranges without a type', (_, response, range) => sendPart(response, utf8(page), range)],
    [
      'a fragment by ranges',
      (_, response, range) => sendPart(response, utf8('<head><title>x</title>'), range, { 'content-type': 'text/html' }),
    ],
  ])('%s for what is absent', async (_, refuse) => {
    answer = (request, response, range) => {
      const bytes = files[new URL(request.url!, origin).pathname];
      return bytes ? sendPart(response, bytes, range) : refuse(request, response, range);
    };
    const checkpoint = await openCheckpoint(await locate(`${origin}/hf`, { reads: 'headers' }));
    expect([...checkpoint.assets.keys()]).toEqual(['config.json']);
    await checkpoint.close();
    const error = await errorOf(openCheckpoint(await locate(`${origin}/absent?token=1`, { reads: 'headers' })));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(
      new RegExp(
        String.raw`absent has no config.json, which says what model it is \(http://127.0.0.1:\d+/absent/config.json: ` +
          String.raw`the server .*\(status \d+.*\)\)\. Copy or download it`,
      ),
    );
    await expect(openCheckpoint(await locate(`${origin}/absent/m.gguf`, { reads: 'headers' }))).rejects.toThrow(
      /has no file "m.gguf" \(.*m.gguf: the server .*status/,
    );
    await expect(loadTokenizer(`${origin}/absent/tokenizer.json`)).rejects.toThrow(
      /has no file "tokenizer.json" \(.*tokenizer.json: the server .*status/,
    );
  });

  test('what only looks like a page is the file', async () => {
    const texts = { '/t/a.jinja': '<s>{{ x }}', '/t/b.jinja': '{# <html> #}', '/t/c.jinja': '<|im_start|>', '/t/d.jinja': '<htmlish>' };
    for (const type of ['text/html', 'text/plain']) {
      answer = (request, response, range) =>
        sendPart(response, utf8(texts[request.url as keyof typeof texts]), range, { 'content-type': type });
      const folder = httpFolder(`${origin}/t`);
      for (const name of Object.keys(texts)) expect(await folder.open(name.slice(3)), name).toBeDefined();
    }
  });

  test('weights that are refused are told with their status', async () => {
    answer = (request, response, range) =>
      request.url === '/hf/config.json' ? sendPart(response, files['/hf/config.json']!, range) : void response.writeHead(403).end();
    const error = await errorOf(openCheckpoint(await locate(`${origin}/hf`, { reads: 'headers' })));
    expect(error.message).toMatch(
      new RegExp(
        String.raw`neither model.safetensors nor model.safetensors.index.json ` +
          String.raw`\(.*index.json: the server refuses access \(status 403\)\)\. Weights in other`,
      ),
    );
  });

  test('a folder on a server without ranges says what to do', async () => {
    answer = (_, response) => void response.writeHead(200).end('{}');
    const opening = openCheckpoint({ folder: httpFolder(`${origin}/hf`) });
    await expect(opening).rejects.toThrow(/does not support range requests.*Download the file/);
  });
});
