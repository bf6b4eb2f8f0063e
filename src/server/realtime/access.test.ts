/** Who may open a session, what bounds it, and what is left when it is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { loader, realtimeServers } from '../../../test/realtime-servers.ts';
import { scriptedModel, scriptedVoice } from '../../../test/scripted-cascade.ts';
import { openStore } from '../../cli/serve/store/open-store.ts';
import type { ServeStore } from '../../cli/serve/store/open-store.ts';
import type { ServerOptions } from '../api.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-sessions-'));
const servers = realtimeServers();
const rig = servers.open;
const stores: ServeStore[] = [];
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await servers.close();
});
afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

interface Opened {
  readonly socket: WebSocket;
  readonly events: any[];
  /** Code and reason. */
  readonly closed: Promise<readonly [number, string]>;
  until(type: string): Promise<any>;
}

function open(url: string, headers: Record<string, string> = {}, protocols: string[] = []): Opened {
  const socket = new WebSocket(url, protocols, { headers });
  sockets.push(socket);
  const events: any[] = [];
  socket.on('message', (data) => void events.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  const closed = new Promise<readonly [number, string]>((resolve) => socket.on('close', (code, reason) => resolve([code, String(reason)])));
  const until = (type: string) => vi.waitFor(() => {
    const found = events.find((event) => event.type === type);
    if (found === undefined) throw new Error(`no ${type}: ${events.map((event) => event.type).join(' ')}`);
    return found;
  }, { interval: 5 });
  return { socket, events, closed, until };
}

/** The status and the body of a refusal. */
async function refusal(url: string, headers: Record<string, string> = {}, protocols: string[] = []) {
  const socket = new WebSocket(url, protocols, { headers });
  socket.on('error', () => {});
  const response = await new Promise<any>((resolve) => socket.on('unexpected-response', (_, incoming) => resolve(incoming)));
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode as number, error: JSON.parse(text).error };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const send = ({ socket }: Opened, event: object) => socket.send(JSON.stringify(event));
const hello = { type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] } };
const plain = { type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } };

async function newStore(): Promise<ServeStore> {
  const store = await openStore(join(folder, `${stores.length}.db`));
  stores.push(store);
  return store;
}

describe('a session', () => {
  it('wants a key where the server does, also as pages of browsers send it', async () => {
    const store = await newStore();
    const { url, records } = await rig({ store });
    const key = (await store.keys.create('alice', { requestsPerMinute: 1 })).text;
    expect(await refusal(url)).toMatchObject({ status: 401, error: { code: 'missing_api_key' } });
    expect(await refusal(url, bearer(`${key}x`))).toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
    const other = (await store.keys.create('bob', {})).text;
    const both = await refusal(url, bearer(key), ['realtime', `openai-insecure-api-key.${other}`]);
    expect(both).toMatchObject({ status: 401, error: { code: 'contradicting_api_keys' } });
    // By OpenAI's client for pages, over a socket that asks without TLS.
    vi.stubGlobal('WebSocket', class extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address.replace('wss:', 'ws:'), protocols);
      }
    });
    const client = new OpenAI({ baseURL: url.replace(/^ws(.*)\/realtime.*$/, 'http$1'), apiKey: key, dangerouslyAllowBrowser: true });
    const page = new OpenAIRealtimeWebSocket({ model: 'text' }, client);
    vi.unstubAllGlobals();
    sockets.push(page.socket as unknown as WebSocket);
    const events: any[] = [];
    page.on('event', (event) => void events.push(event));
    page.on('error', () => {});
    const until = (type: string, count = 1) => vi.waitFor(() => expect(events.filter((event) => event.type === type).length).toBe(count));
    await until('session.created');
    expect((page.socket as unknown as WebSocket).protocol).toBe('realtime');
    for (const event of [plain, hello, { type: 'response.create' }]) page.send(event as any);
    await until('response.done');
    expect(events.find(({ type }) => type === 'rate_limits.updated').rate_limits).toEqual([{ name: 'requests', limit: 1, remaining: 0,
      reset_seconds: expect.any(Number) }]);
    // An answer is a request: the key has one a minute.
    page.send({ type: 'response.create', event_id: 'more' } as any);
    await until('error');
    expect(events.at(-1).error).toMatchObject({ code: 'rate_limit_exceeded', event_id: 'more' });
    expect(records.filter(({ keyId }) => keyId !== undefined).map(({ status }) => status)).toEqual([200, 429]);
  });

  it('is asked as browsers ask: by pages that may', async () => {
    const { url, origin } = await rig();
    expect(await refusal(url, { origin: 'https://other.example' })).toMatchObject({ status: 403, error: { code: 'origin_not_allowed' } });
    expect(await refusal(url, { host: 'evil.example' })).toMatchObject({ status: 403, error: { code: 'host_not_allowed' } });
    await open(url, { origin }).until('session.created');
  });

  it('is refused with a status and the parameter that is wrong', async () => {
    const { url, origin } = await rig();
    const of = (query: string) => url.replace('model=text', query);
    expect(await refusal(of(''))).toMatchObject({ status: 400, error: { param: 'model' } });
    expect(await refusal(of('model=none'))).toMatchObject({ status: 404, error: { code: 'model_not_found' } });
    expect(await refusal(of('model=voice'))).toMatchObject({ status: 400, error: { code: 'unsupported_model' } });
    expect(await refusal(of('model=text&call_id=a'))).toMatchObject({ status: 400, error: { param: 'call_id' } });
    expect(await refusal(of('model=text&intent=transcription'))).toMatchObject({ status: 400, error: { param: 'model' } });
    expect(await refusal(url, { 'openai-beta': 'realtime=v1' })).toMatchObject({ status: 400, error: { param: 'OpenAI-Beta' } });
    expect(await refusal(url.replace('/realtime', '/chat/completions'))).toMatchObject({ status: 405,
      error: { code: 'method_not_allowed' } });
    const response = await fetch(`${origin}/v1/realtime?model=text`);
    expect([response.status, response.headers.get('upgrade'), (await response.json()).error.code]).toEqual([426, 'websocket',
      'upgrade_required']);
  });

  it('is one of so many, and of the requests at work', async () => {
    const { url, server } = await rig({ limits: { sessions: 1 } });
    const first = open(url);
    await first.until('session.created');
    expect([server.active, server.streams]).toEqual([1, 1]);
    expect(await refusal(url)).toMatchObject({ status: 503, error: { code: 'overloaded' } });
    first.socket.close();
    await first.closed;
    await vi.waitFor(() => expect(server.active).toBe(0));
    await open(url).until('session.created');
  });

  it('ends where nothing is sent, at its time, and with the server', async () => {
    const idle = open((await rig({ limits: { sessionIdleMs: 100 } })).url);
    expect(await idle.closed).toEqual([1000, 'session_idle']);
    expect(idle.events.at(-1)).toMatchObject({ type: 'error', error: { code: 'session_idle' } });
    const long = open((await rig({ limits: { sessionMs: 100 } })).url);
    expect(await long.closed).toEqual([1000, 'session_expired']);
    const { url, server } = await rig();
    const stopped = open(url);
    await stopped.until('session.created');
    await server.drain();
    expect(await stopped.closed).toEqual([1001, 'stopping']);
    expect(await refusal(url)).toMatchObject({ status: 503, error: { code: 'stopping' } });
  });

  it('lets its answer end when the server stops', async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => void (finish = resolve));
    const { url, server } = await rig({}, async function* () {
      yield 'One. ';
      await finished;
      yield 'Two.';
    });
    const client = open(url);
    await client.until('session.created');
    for (const event of [plain, hello, { type: 'response.create' }]) send(client, event);
    await client.until('response.output_text.delta');
    const drained = server.drain();
    finish();
    await drained;
    expect((await client.until('response.done')).response).toMatchObject({ status: 'completed' });
    expect((await client.closed)[0]).toBe(1001);
  });

  it('ends within a second of its key being revoked', async () => {
    const store = await newStore();
    const { url } = await rig({ store });
    const { text } = await store.keys.create('alice', {});
    const client = open(url, bearer(text));
    await client.until('session.created');
    await store.keys.revoke('alice');
    expect(await client.closed).toEqual([1008, 'revoked_api_key']);
  });

  it('takes no message beyond the bound, nor frames that are none', async () => {
    const { url, server, origin } = await rig({ limits: { bodyBytes: 1000 } });
    const client = open(url);
    await client.until('session.created');
    client.socket.send('x'.repeat(1001));
    expect((await client.closed)[0]).toBe(1009);
    const raw = connect(Number(new URL(origin).port), '127.0.0.1');
    raw.on('error', () => {});
    const head = ['GET /v1/realtime?model=text HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket',
      'Sec-WebSocket-Version: 13'];
    raw.write(`${[...head, 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='].join('\r\n')}\r\n\r\n`);
    await new Promise((resolve) => raw.once('data', resolve));
    // Reserved bits, and no mask.
    raw.write(Buffer.from([0xf1, 0x05, 1, 2, 3, 4, 5]));
    await new Promise((resolve) => raw.once('close', resolve));
    await vi.waitFor(() => expect(server.active).toBe(0));
  });

  it('of a client that reads nothing is not written ahead of, and ended', async () => {
    let spoken = 0;
    // Sentences of ten seconds, as many as anybody takes.
    const models = {
      text: loader('text', scriptedModel(async function* (_, signal) {
        for (let i = 0; i < 300 && !signal.aborted; i++) yield 'Word. ';
      }).model),
      voice: loader('voice', scriptedVoice(10_000, () => void spoken++)),
    };
    const { url, server } = await rig({ models, limits: { stallMs: 300 } });
    const client = open(url);
    await client.until('session.created');
    send(client, hello);
    await client.until('conversation.item.done');
    client.socket.pause();
    send(client, { type: 'response.create' });
    await vi.waitFor(() => expect(server.active).toBe(0));
    // Of 640 kB each: what waits here, and what the systems' buffers took.
    expect(spoken).toBeGreaterThan(1);
    expect(spoken).toBeLessThan(30);
  });

  it('frees all when its client goes, in the middle of an answer or of a load', async () => {
    let isAborted = false;
    const { url, server, records } = await rig({}, async function* (_, signal) {
      signal.addEventListener('abort', () => void (isAborted = true));
      for (let i = 0; !signal.aborted; i++) {
        yield 'Word. ';
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const client = open(url);
    await client.until('session.created');
    for (const event of [hello, { type: 'response.create' }]) send(client, event);
    await client.until('response.output_audio.delta');
    client.socket.terminate();
    await vi.waitFor(() => expect(server.active).toBe(0));
    expect(isAborted).toBe(true);
    expect(records.map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
    let isLoadAborted = false;
    const load = ({ signal }: { readonly signal: AbortSignal }) => new Promise<never>((_, reject) => signal.addEventListener('abort',
      () => {
      isLoadAborted = true;
      reject(signal.reason);
    }));
    const loading = await rig({ models: { text: { load } } as unknown as ServerOptions['models'] });
    const early = open(loading.url);
    await vi.waitFor(() => expect(loading.server.active).toBe(1));
    early.socket.terminate();
    await vi.waitFor(() => expect([loading.server.active, isLoadAborted]).toEqual([0, true]));
  });
});

it('other upgrades than to WebSockets are passed over, as before: the request is answered', async () => {
  const { origin } = await rig();
  const raw = connect(Number(new URL(origin).port), '127.0.0.1');
  const body = JSON.stringify({ model: 'text', messages: [{ role: 'user', content: 'hi' }] });
  const lines = [
    'POST /v1/none HTTP/1.1', 'Host: localhost', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    'Content-Type: application/json', `Content-Length: ${body.length}`,
  ];
  raw.write(`${lines.join('\r\n')}\r\n\r\n${body}GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of raw) text += String(chunk);
  expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['404', '200']);
});
