import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { eventsOf, post, serverRig } from '../../test/server-rig.ts';
import type { Model, Piece } from '../engine/api.ts';
import type { ServerOptions } from './api.ts';
import type { RequestRecord } from './request-record.ts';
import { createServer } from './create-server.ts';

const { model: fake } = await loadFakeModel({ maxConcurrent: 4 });
const ask = { model: 'fake', messages: [{ role: 'user', content: 'x' }], max_tokens: 400, stream: true };

/** A server over a model whose answers a test makes. */
function serve(generate: () => AsyncIterable<Piece>, options: Omit<ServerOptions, 'models'> = {}) {
  const records: RequestRecord[] = [];
  const model = { ...fake, generate } as unknown as Model;
  const server = createServer({ models: { fake: model }, onRequest: (record) => records.push(record), ...options });
  const send = (body: unknown, headers: Record<string, string> = {}) =>
    server.fetch(new Request('http://localhost/v1/chat/completions', { method: 'POST', body: JSON.stringify(body), headers }));
  return { server, records, send };
}

const piece = (text: string, finishReason?: 'stop') =>
  ({
    text, tokens: [1], index: 0, parts: [{ kind: 'text', text, tokens: [1] }],
    ...(finishReason && { finishReason, usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 } }),
  }) as unknown as Piece;
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a stream', () => {
  it('is read only as the client takes it', async () => {
    let made = 0;
    const { send, server } = serve(async function* () {
      for (;;) yield piece(`${made++} `);
    });
    const response = await send(ask);
    const reader = response.body!.getReader();
    await reader.read();
    await later(30);
    expect(made).toBeLessThanOrEqual(3);
    await reader.cancel();
    expect(server.active).toBe(0);
  });

  it('tells what fails in its middle, and says no more than it may', async () => {
    const { send, records } = serve(async function* () {
      yield piece('a');
      throw new Error('/models/secret.gguf broke');
    });
    const text = await (await send(ask)).text();
    const [, , failure, done] = eventsOf(text);
    expect(failure.error).toMatchObject({ type: 'server_error', code: 'internal_error' });
    expect(text).not.toContain('secret');
    expect(done).toBe('[DONE]');
    await vi.waitFor(() => expect(records).toHaveLength(1));
    expect(records).toMatchObject([{ outcome: 'failed', status: 200, error: { message: '/models/secret.gguf broke' } }]);
  });

  it('that is refused at once has the status of a refusal', async () => {
    const { send } = serve(() => {
      throw new Error('no');
    });
    expect((await send(ask)).status).toBe(500);
  });

  it('sends comments while there is nothing to say', async () => {
    let speak!: () => void;
    const spoken = new Promise<void>((resolve) => (speak = resolve));
    const { send } = serve(async function* () {
      await spoken;
      yield piece('a', 'stop');
    }, { heartbeatMs: 20 });
    let text = '';
    for await (const bytes of (await send(ask)).body as any) {
      text += new TextDecoder().decode(bytes);
      if (text === ': still at work\n\n'.repeat(2)) speak();
    }
    expect(text).toMatch(/^(: still at work\n\n){2,}data: /);
    expect(eventsOf(text).at(-1)).toBe('[DONE]');
  });

  it('whose client takes nothing is given up', async () => {
    let isOver = false;
    const { send, records } = serve(async function* () {
      try {
        for (;;) yield piece('a');
      } finally {
        isOver = true;
      }
    }, { limits: { stallMs: 30 } });
    await send(ask);
    await vi.waitFor(() => expect(isOver).toBe(true));
    await vi.waitFor(() => expect(records).toMatchObject([{ outcome: 'cancelled' }]));
  });

  it('whose server stood still is not given up for that', async () => {
    const { send, records } = serve(async function* () {
      for (;;) yield piece('a');
    }, { limits: { stallMs: 30 } });
    const reader = (await send(ask)).body!.getReader();
    await reader.read();
    for (let round = 0; round < 3; round++) {
      await later(1);
      const from = performance.now();
      const turn = later(60);
      while (performance.now() - from < 120);
      // The timer of the stream was due before this one, and is late by now: the client comes behind both.
      await turn;
      expect((await reader.read()).done).toBe(false);
      expect(records).toEqual([]);
    }
    await reader.cancel();
  });
});

describe('limits', () => {
  it('requests beyond the most are answered with 503 and a time to come again', async () => {
    const { send } = serve(async function* () {
      for (;;) {
        await later(5);
        yield piece('a');
      }
    }, { limits: { requests: 1 } });
    const first = await send(ask);
    const second = await send(ask);
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
    await first.body!.cancel();
    const third = await send(ask);
    expect(third.status).toBe(200);
    await third.body!.cancel();
  });

  it('of tokens: more are refused, and who names none gets as many as there are', async () => {
    const server = createServer({ models: { fake }, limits: { outputTokens: 5 } });
    const send = async (body: object) => {
      const response = await server.fetch(new Request('http://localhost/v1/completions', { method: 'POST', body: JSON.stringify(body) }));
      return { status: response.status, body: (await response.json()) as any };
    };
    const tooMany = await send({ model: 'fake', prompt: 'abc', max_tokens: 6 });
    expect(tooMany).toMatchObject({ status: 400, body: { error: { param: 'max_tokens' } } });
    const chat = await server.fetch(new Request('http://localhost/v1/chat/completions', {
      method: 'POST', body: JSON.stringify({ ...ask, max_tokens: undefined, stream: false, logit_bias: { 256: -100 } }),
    }));
    const body = (await chat.json()) as any;
    expect(body.usage.completion_tokens).toBe(5);
    expect(body.choices[0].finish_reason).toBe('length');
  });

  it.each([
    [{ models: {} }, /models has no model/],
    [{ models: { a: 3 } }, /models\["a"\] must be a loaded model/],
    [{ limits: { bodyByte: 3 } }, /limits has no option "bodyByte". Did you mean bodyBytes/],
    [{ limits: { requests: 0 } }, /limits.requests must be an integer from 1/],
    [{ allowedHost: [] }, /createServer has no option "allowedHost"/],
    [{ corsOrigins: [''] }, /corsOrigins must be a list of texts/],
  ])('%j is refused by name', (options, message) => {
    expect(() => createServer({ models: { fake }, ...(options as object) })).toThrow(message);
  });

  it.each([
    ...['foo', 'https://x.com/page', 'https://*.x.com', 'null', 'https://me@x.com', 'http://x.com:99999'].map((origin) =>
      [{ corsOrigins: [origin] }, /is no origin of web pages: expected a scheme, a host/] as const),
    ...['http://x.com:80/', 'x.com:80', 'x.com/a', '*.x.com', 'a b'].map((host) =>
      [{ allowedHosts: [host] }, /is no name of a host: expected it without a scheme/] as const),
  ])('%j is refused, since it would match nothing', (options, message) => {
    expect(() => createServer({ models: { fake }, ...options })).toThrow(message);
  });
});

describe('who may ask', () => {
  const { server } = serve(async function* () {}, { allowedHosts: ['models.example.com'], corsOrigins: ['https://app.example.com'] });
  const get = (headers: Record<string, string>, method = 'GET') =>
    server.fetch(new Request('http://127.0.0.1:8080/v1/models', { headers, method }));

  it.each([
    [{ host: 'localhost:8080' }, 200], [{ host: '127.0.0.1:8080' }, 200], [{ host: '[::1]:8080' }, 200], [{ host: '192.168.1.7' }, 200],
    [{ host: 'models.example.com' }, 200], [{ host: 'MODELS.example.com:99' }, 200],
    [{ host: 'evil.example.com' }, 403], [{ host: '127.0.0.1.example.com' }, 403], [{ host: 'localhost.example.com' }, 403],
    [{ host: 'localhost:8080', origin: 'http://localhost:8080' }, 200],
    [{ host: 'localhost:8080', origin: 'http://localhost:3000' }, 403],
    [{ host: 'localhost:8080', origin: 'https://evil.example.com' }, 403],
    [{ host: 'localhost:8080', origin: 'null' }, 403],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'cross-site' }, 403],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'image' }, 403],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' }, 403],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document' }, 200],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'same-origin' }, 200],
    [{ host: 'localhost:8080', origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' }, 200],
  ])('%j: %i', async (headers, status) => {
    expect((await get(headers as Record<string, string>)).status).toBe(status);
  });

  it.each(['https://app.example.com/', 'https://APP.example.com:443'])('%s is told as browsers tell it', async (origin) => {
    const { server: own } = serve(async function* () {}, { corsOrigins: [origin, 'chrome-extension://abcd/'] });
    for (const sent of ['https://app.example.com', 'chrome-extension://abcd']) {
      const headers = { host: 'localhost:8080', origin: sent };
      expect((await own.fetch(new Request('http://127.0.0.1:8080/v1/models', { headers }))).status).toBe(200);
    }
  });

  it('a link of another page opens the app at /, and no frame of it', async () => {
    const app = { read: async (path: string) => (path === 'index.html' ? new TextEncoder().encode('<p>') : undefined) };
    const { server: withApp } = serve(async function* () {}, { app });
    const open = (own: Record<string, string>) => {
      const headers = { host: 'localhost:8080', 'sec-fetch-site': 'cross-site', ...own };
      return withApp.fetch(new Request('http://127.0.0.1:8080/', { headers }));
    };
    const opened = await open({ 'sec-fetch-dest': 'document' });
    expect(opened.status).toBe(200);
    const policy = opened.headers.get('content-security-policy');
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/\*|https?:/);
    expect(opened.headers.get('access-control-allow-origin')).toBe(null);
    for (const dest of ['iframe', 'empty', 'script']) expect((await open({ 'sec-fetch-dest': dest })).status).toBe(403);
    expect((await open({ 'sec-fetch-dest': 'document', host: 'evil.example.com' })).status).toBe(403);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=a', 'application/json'])(
    'a page of another origin cannot post %s', async (type) => {
      const headers = { host: 'localhost:8080', origin: 'https://evil.example.com', 'content-type': type };
      const posted = await server.fetch(new Request('http://127.0.0.1:8080/v1/chat/completions', { method: 'POST', headers, body: '{}' }));
      expect([posted.status, posted.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    });

  it('a page that is named gets what browsers ask for, and no other', async () => {
    const origin = 'https://app.example.com';
    const preflight = await get({ host: 'localhost', origin, 'access-control-request-headers': 'content-type' }, 'OPTIONS');
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type');
    expect((await get({ host: 'localhost', origin })).headers.get('access-control-allow-origin')).toBe(origin);
    expect((await get({ host: 'localhost' })).headers.get('access-control-allow-origin')).toBe(null);
    expect((await get({ host: 'localhost', origin: 'https://evil.example.com' }, 'OPTIONS')).status).toBe(403);
  });
});

describe('routes', () => {
  const { server } = serve(async function* () {});
  const get = async (path: string, method = 'GET') => {
    const response = await server.fetch(new Request(`http://localhost${path}`, { method }));
    return { status: response.status, allow: response.headers.get('allow'), body: (await response.json()) as any };
  };

  it('that are not there are 404, and of another method 405, as OpenAI says it', async () => {
    expect(await get('/v1/no-such-route')).toMatchObject({ status: 404, body: { error: { code: 'unknown_route' } } });
    expect(await get('/v1/chat/completions')).toMatchObject({ status: 405, allow: 'POST' });
    expect(await get('/v1/models/fake', 'POST')).toMatchObject({ status: 405, allow: 'GET' });
  });

  it('list models, and say whether the server takes requests', async () => {
    expect((await get('/v1/models')).body.data).toMatchObject([{ id: 'fake', object: 'model', owned_by: 'ingot' }]);
    expect((await get('/v1/models/fake')).body.id).toBe('fake');
    expect((await get('/v1/models/other')).body.error.code).toBe('model_not_found');
    expect((await get('/v1/models/%ff%00')).status).toBe(404);
    expect((await get('/health')).body).toEqual({ status: 'ok' });
    expect((await get('/ready')).status).toBe(200);
  });
});

it('a server that stops lets its requests end, and takes no others', async () => {
  const release: (() => void)[] = [];
  const { server, send } = serve(async function* () {
    yield piece('a');
    await new Promise<void>((resolve) => release.push(resolve));
    yield piece('b', 'stop');
  });
  const response = await send(ask);
  const text = response.text();
  const drained = server.drain();
  expect((await send(ask)).status).toBe(503);
  expect((await server.fetch(new Request('http://localhost/ready'))).status).toBe(503);
  expect((await server.fetch(new Request('http://localhost/health'))).status).toBe(200);
  while (release.length === 0) await later(5);
  release[0]();
  await drained;
  expect(eventsOf(await text).at(-1)).toBe('[DONE]');
});

it('a server that stops in a hurry ends what is at work, and says so', async () => {
  const fakeServer = createServer({ models: { fake } });
  const body = JSON.stringify({ ...ask, max_tokens: 900, logit_bias: { 256: -100 } });
  const response = await fakeServer.fetch(new Request('http://localhost/v1/chat/completions', { method: 'POST', body }));
  const reader = response.body!.getReader();
  await reader.read();
  await Promise.all([fakeServer.drain({ withinMs: 0 }), (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (new TextDecoder().decode(value).includes('stopping')) return reader.cancel();
    }
  })()]);
  expect(fakeServer.active).toBe(0);
});

describe('over a socket', () => {
  const rig = serverRig({ limits: { bodyBytes: 2000 } });
  const slow = serverRig({ limits: { bodyMs: 150 } });
  const url = () => `${rig.origin}/v1/chat/completions`;

  /** Writes bytes as they are, and reads what comes until the connection ends. */
  function raw(origin: string, bytes: string | Uint8Array): Promise<string> {
    return new Promise((resolve) => {
      let text = '';
      const socket = connect(Number(new URL(origin).port), '127.0.0.1', () => socket.write(bytes));
      const end = () => (socket.destroy(), resolve(text));
      socket.on('data', (chunk) => (text += String(chunk))).on('close', end).on('error', end);
    });
  }
  const head = (headers: string, path = '/v1/chat/completions') => `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`;

  it.each([
    ['no JSON', '{"model": "ember", ', 400], ['nothing', '', 400], ['an array', '[]', 400], ['a number', '1e999', 400],
    ['deep nesting', `{"a":${'['.repeat(500)}${']'.repeat(500)}}`, 400],
    ['deep nesting, unclosed', '['.repeat(1900), 400],
    ['a name of prototypes', '{"__proto__": {"model": "ember"}}', 400],
    ['a body that is too large', JSON.stringify({ model: 'x'.repeat(3000) }), 413],
  ])('%s', async (_, body, status) => {
    const answer = await post(url(), body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.type).toBe('invalid_request_error');
  });

  it('bytes that are no UTF-8', async () => {
    const body = new Uint8Array([...new TextEncoder().encode('{"model":"'), 0xff, 0xfe, ...new TextEncoder().encode('"}')]);
    const response = await fetch(url(), { method: 'POST', body });
    expect([response.status, ((await response.json()) as any).error.code]).toEqual([400, 'invalid_utf8']);
  });

  it('a body that comes too slowly, and one that ends early', async () => {
    expect(await raw(slow.origin, `${head('Content-Length: 100')}{"model":`)).toMatch(/^HTTP\/1\.1 408 /);
    const told = rig.records.length;
    const cut = connect(Number(new URL(rig.origin).port), '127.0.0.1', () => cut.end(`${head('Content-Length: 100')}{"model":`));
    await vi.waitFor(() => expect([rig.server.active, rig.records.length]).toEqual([0, told + 1]));
  });

  it('64 streams that are left free their places, and answer no more', async () => {
    const controller = new AbortController();
    const messages = [{ role: 'user', content: 'Tell me a long story.' }];
    const body = JSON.stringify({ model: 'ember', messages, stream: true, max_tokens: 300, ignore_eos: true });
    const told = rig.records.length;
    const streams = await Promise.all(
      Array.from({ length: 64 }, () => fetch(url(), { method: 'POST', body, signal: controller.signal })),
    );
    await streams[0].body!.getReader().read();
    expect(rig.server.active).toBeGreaterThan(32);
    controller.abort();
    await vi.waitFor(() => expect(rig.server.active).toBe(0));
    const left = rig.records.slice(told);
    expect(new Set(left.map(({ outcome }) => outcome))).toEqual(new Set(['cancelled']));
    // Some of the 300 tokens of each were made, of most none: what is left ends within a step.
    expect(left.reduce((sum, { completionTokens }) => sum + completionTokens, 0)).toBeLessThan((64 * 300) / 2);
    const next = await post(url(), { model: 'ember', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 });
    expect(next.status).toBe(200);
  });
});
