/** Bytes that no client of good will sends: each connection is answered with a refusal or closed, and none smuggles a request in. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { heldBytes } from '../../../test/heap-bytes.ts';
import type { Model, Piece } from '../../engine/api.ts';
import type { RequestRecord } from '../../server/request-record.ts';
import { createServer } from '../../server/create-server.ts';
import { listen } from './listen.ts';

const { model: fake } = await loadFakeModel({ maxConcurrent: 4 });
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Own {
  readonly headMs?: number;
  readonly bodyMs?: number;
  readonly maxConnections?: number;
}

/** A server over a fake model, behind a port. */
async function opened(model: Model = fake, { bodyMs = 60_000, ...own }: Own = {}) {
  const records: RequestRecord[] = [];
  const onRequest = (record: RequestRecord) => records.push(record);
  const server = createServer({ models: { fake: model }, onRequest, limits: { bodyMs, bodyBytes: 4000 } });
  const listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch, ...own });
  const port = Number(new URL(listener.origin).port);
  const close = async () => {
    listener.destroy();
    await listener.close();
  };
  return { server, records, port, close };
}

/** Writes bytes as they are, and reads what comes until the server ends the connection: the last request of those bytes asks for that. */
function raw(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const end = () => (socket.destroy(), resolve(text));
    socket.on('data', (chunk) => (text += String(chunk))).on('close', end).on('error', end);
  });
}

const statusesOf = (text: string) => [...text.matchAll(/HTTP\/1\.\d (\d+)/g)].map(([, status]) => Number(status));
const HOST = 'Host: localhost\r\n';
const post = (headers: string, body = '') => `POST /v1/chat/completions HTTP/1.1\r\n${HOST}${headers}\r\n\r\n${body}`;
const LAST = `${HOST}Connection: close\r\n`;
const get = (headers = HOST, path = '/health') => `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked';

/** Of what could be read in two ways: answered once, with a refusal, and nothing behind it is read as a request. */
const AMBIGUOUS: readonly (readonly [string, string])[] = [
  ['two lengths', post('Content-Length: 4\r\nContent-Length: 5', 'abcd')],
  ['the same length twice', post('Content-Length: 4\r\nContent-Length: 4', 'abcd')],
  ['lengths in a list', post('Content-Length: 4, 4', 'abcd')],
  ['a length with a sign', post('Content-Length: +4', 'abcd')],
  ['a length below zero', post('Content-Length: -4', 'abcd')],
  ['a length in hexadecimal', post('Content-Length: 0x4', 'abcd')],
  ['a length beyond all numbers', post('Content-Length: 99999999999999999999999', 'abcd')],
  ['a length beside chunks', post(`Content-Length: 4\r\n${CHUNKED}`, '0\r\n\r\n')],
  ['chunks beside a length', post(`${CHUNKED}\r\nContent-Length: 4`, '0\r\n\r\n')],
  ['chunks that are no last coding', post(`${CHUNKED}\r\nTransfer-Encoding: identity`, '0\r\n\r\n')],
  ['an identity coding', post('Transfer-Encoding: identity', 'abc')],
  ['chunks by another name', post('Transfer-Encoding: xchunked', '0\r\n\r\n')],
  ['a space before the colon', post('Transfer-Encoding : chunked', '0\r\n\r\n')],
  ['a folded header', post('X-A: a\r\n b\r\nContent-Length: 2', '{}')],
  ['a folded coding', post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n')],
  ['line feeds alone', 'POST /v1/models HTTP/1.1\nHost: localhost\n\n'],
  ['a line feed alone behind a header', post('X-A: a\nContent-Length: 2', '{}')],
  ['a carriage return alone', post('X-A: a\rX-B: b\r\nContent-Length: 2', '{}')],
  ['a zero in a header', post('X-A: a\u0000b\r\nContent-Length: 2', '{}')],
  ['chunks of no size', post(CHUNKED, 'zz\r\nabc\r\n0\r\n\r\n')],
  ['chunks of too large a size', post(CHUNKED, 'ffffffffffffffffff\r\nabc\r\n0\r\n\r\n')],
  ['chunks of a size below zero', post(CHUNKED, '-2\r\nab\r\n0\r\n\r\n')],
  ['an endless chunk extension', post(CHUNKED, `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`)],
  ['trailers that are headers', post(CHUNKED, '2\r\n{}\r\n0\r\nContent-Length: 100\r\nHost: evil.example.com\r\n\r\n')],
  ['no host', get('')],
  ['a host with a user', get('Host: localhost@evil.example.com\r\n')],
  ['a host with a path', get('Host: localhost/evil.example.com\r\n')],
  ['two hosts', get('Host: evil.example.com\r\nHost: localhost\r\n')],
  ['another host in the first line', get(HOST, 'http://evil.example.com/v1/models')],
  ['another host in the header', get('Host: evil.example.com\r\n', 'http://localhost/v1/models')],
  ['a header of 20 kB', get(`${HOST}X-A: ${'a'.repeat(20_000)}\r\n`)],
  ['3,000 headers', get(`${HOST}${Array.from({ length: 3000 }, (_, i) => `X-${i}: a\r\n`).join('')}`)],
  ['a path of 20 kB', get(HOST, `/${'a'.repeat(20_000)}`)],
  ['no such method', `GE(T / HTTP/1.1\r\n${HOST}\r\n`],
  ['a later version', `GET /health HTTP/9.9\r\n${HOST}\r\n`],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
];

describe('connections', () => {
  let rig: Awaited<ReturnType<typeof opened>>;
  beforeAll(async () => void (rig = await opened()));
  afterAll(() => rig.close());

  it.each(AMBIGUOUS)('%s', async (_, bytes) => {
    rig.records.length = 0;
    const statuses = statusesOf(await raw(rig.port, `${bytes}${get(LAST, '/v1/smuggled')}`));
    expect(statuses.length).toBeLessThanOrEqual(bytes.includes('evil.example.com') ? 2 : 1);
    expect(statuses[0] ?? 400).toBeGreaterThanOrEqual(400);
    expect(statuses[0] ?? 400).toBeLessThan(500);
    // What has been refused for its host alone was read to its end.
    if (statuses.length < 2) expect(rig.records.filter(({ method }) => method === 'GET' && bytes.startsWith('POST'))).toEqual([]);
    await vi.waitFor(() => expect(rig.server.active).toBe(0));
  });

  it.each([
    ['a tunnel', `CONNECT evil.example.com:80 HTTP/1.1\r\n${HOST}\r\n`],
    ['TLS on a plain port', new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])],
    ['noise', Uint8Array.from({ length: 500 }, (_, i) => (i * 7919) % 256)],
  ])('%s is not answered, or refused', async (_, bytes) => {
    const [status = 400] = statusesOf(await raw(rig.port, bytes));
    expect(status).toBe(400);
    await vi.waitFor(() => expect(rig.server.active).toBe(0));
  });

  it('requests one behind the other on one connection are answered in their order', async () => {
    const text = await raw(rig.port, `${get()}${get(HOST, '/nowhere')}${post('Content-Length: 2', '{}')}${get(LAST, '/ready')}`);
    expect(statusesOf(text)).toEqual([200, 404, 400, 200]);
  });

  it('what a request does not read of its body is no request', async () => {
    const hidden = get(HOST, '/v1/smuggled');
    const text = await raw(rig.port, `${get(`${HOST}Content-Length: ${hidden.length}\r\n`)}${hidden}${get(LAST, '/ready')}`);
    expect(statusesOf(text)).toEqual([200, 200]);
  });

  it('a head, and a body, that come too slowly are given up', async () => {
    const slow = await opened(fake, { headMs: 150, bodyMs: 200 });
    // The second is HTTP/0.9, whose head never ends.
    for (const bytes of ['GET /health HTTP/1.1\r\nHost: local', 'GET /\r\n', post('Content-Length: 100', '{"model":')]) {
      expect(statusesOf(await raw(slow.port, bytes))).toEqual([408]);
    }
    await vi.waitFor(() => expect(slow.server.active).toBe(0));
    await slow.close();
  });

  it('one more connection than there may be is closed', async () => {
    const few = await opened(fake, { maxConnections: 3 });
    const sockets = await Promise.all(Array.from({ length: 3 }, () => connected(few.port)));
    expect(await raw(few.port, get(LAST))).toBe('');
    sockets[0].destroy();
    await vi.waitFor(async () => expect(statusesOf(await raw(few.port, get(LAST)))).toEqual([200]));
    await few.close();
  });

  it('answer still, when all of it is over', async () => {
    expect(statusesOf(await raw(rig.port, get(LAST)))).toEqual([200]);
  });
});

function connected(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', () => {});
  });
}

describe('streams', () => {
  // A trace of a request that was left would tell paths.
  const printed = [vi.spyOn(console, 'error'), vi.spyOn(console, 'info')];
  afterAll(() => {
    for (const print of printed) expect(print).not.toHaveBeenCalled();
  });

  const body = (more: object = {}) => {
    const messages = [{ role: 'user', content: 'x' }];
    const text = JSON.stringify({ model: 'fake', messages, stream: true, max_tokens: 900, logit_bias: { 256: -100 }, ...more });
    return post(`Content-Type: application/json\r\nContent-Length: ${text.length}`, text);
  };

  it('whose readers take nothing are not written ahead of, however many', async () => {
    let made = 0;
    const text = 'a'.repeat(50_000);
    async function* generate(): AsyncGenerator<Piece> {
      for (;;) {
        made++;
        yield { index: 0, text, tokens: [1], parts: [{ kind: 'text', text, tokens: [1] }] } as unknown as Piece;
      }
    }
    const rig = await opened({ ...fake, generate } as unknown as Model);
    const before = heldBytes();
    const sockets = await Promise.all(Array.from({ length: 64 }, () => connected(rig.port)));
    for (const socket of sockets) socket.pause().write(body());
    await vi.waitFor(() => expect(rig.server.active).toBe(64));
    // Until nothing was made in 20 turns.
    for (let [last, quiet] = [made, 0]; quiet < 20; quiet = made === last ? quiet + 1 : 0) {
      last = made;
      await later(10);
    }
    const after = heldBytes();
    // What sockets of both sides hold is megabytes each, of the system's; what is held here is a few pieces of each stream.
    expect(made * text.length).toBeLessThan(64 * 16e6);
    expect(after.heap + after.external - before.heap - before.external).toBeLessThan(64 * 2e6);
    expect(rig.server.active).toBe(64);
    const madeBefore = made;
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(() => expect(rig.server.active).toBe(0));
    // What a stream was about to say, and no more.
    expect(made - madeBefore).toBeLessThan(64 * 4);
    await rig.close();
  });

  it('that are cut off at any moment leave nothing behind', async () => {
    const rig = await opened();
    const cut = async (ms: number) => {
      const socket = await connected(rig.port);
      socket.write(body({ n: 1 + (ms % 3) }));
      await later(ms);
      socket.resetAndDestroy();
    };
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 16 }, (_, i) => cut((i * 7 + round * 3) % 40)));
    const left = () => [rig.server.active, fake.info.load.running, fake.info.load.waiting, fake.info.load.pages.held];
    await vi.waitFor(() => expect(left()).toEqual([0, 0, 0, 0]));
    expect(rig.records.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    await rig.close();
  });
});
