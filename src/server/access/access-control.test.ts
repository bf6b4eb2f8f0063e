/** Keys, quotas and the audit log by requests, over the database that `ingot serve` has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { openStore } from '../../cli/serve/store/open-store.ts';
import type { ServeStore } from '../../cli/serve/store/open-store.ts';
import type { Model } from '../../engine/api.ts';
import type { Server, ServerOptions } from '../api.ts';
import { createServer } from '../create-server.ts';
import type { KeyLimits } from '../store.ts';
import { createTokenBucket } from './token-bucket.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-access-'));
let model: Model;
const stores: ServeStore[] = [];
beforeAll(async () => void ({ model } = await loadFakeModel()));
afterAll(async () => {
  await model.dispose();
  await Promise.all(stores.map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

async function newStore(): Promise<ServeStore> {
  const store = await openStore(join(folder, `${stores.length}.db`));
  stores.push(store);
  return store;
}

async function rig(options: Partial<ServerOptions> = {}) {
  const store = await newStore();
  const server = createServer({ models: { fake: model, other: model }, store, ...options });
  const key = async (name: string, limits: KeyLimits = {}) => (await store.keys.create(name, limits)).text;
  return { store, server, key };
}

const ASK = { model: 'fake', prompt: 'fox', max_tokens: 4 };

async function ask(server: Server, headers: Record<string, string> = {}, body: object = ASK, path = '/v1/completions') {
  const response = (await server.fetch(
    new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) }),
  )) as Response;
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('keys', () => {
  it('are asked for from the first one on, while the server runs, and for good', async () => {
    const { store, server, key } = await rig();
    expect((await ask(server)).status).toBe(200);
    const text = await key('alice');
    expect(text).toMatch(/^ingot-[0-9a-f]{16}-[A-Za-z0-9_-]{43}$/);
    const missing = await ask(server);
    expect(missing).toMatchObject({ status: 401, body: { error: { type: 'authentication_error', code: 'missing_api_key' } } });
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    expect((await ask(server, bearer(text))).status).toBe(200);
    expect((await ask(server, { 'x-api-key': text })).status).toBe(200);
    expect((await ask(server, { ...bearer(text), 'x-api-key': text })).status).toBe(200);
    const contradicting = await ask(server, { ...bearer(text), 'x-api-key': 'sk-other' });
    expect(contradicting).toMatchObject({ status: 401, body: { error: { code: 'contradicting_api_keys' } } });
    // Public routes have none of what keys protect.
    for (const path of ['/health', '/ready', '/openapi.json'])
      expect(((await server.fetch(new Request(`http://localhost${path}`))) as Response).status, path).toBe(200);
    for (const path of ['/v1/models', '/metrics'])
      expect(((await server.fetch(new Request(`http://localhost${path}`))) as Response).status, path).toBe(401);
    await store.keys.revoke('alice');
    expect((await ask(server, bearer(text))).body.error.code).toBe('revoked_api_key');
    expect((await ask(server)).status).toBe(401);
  });

  it('are refused where one character differs, and where only the id is known', async () => {
    const { server, key } = await rig();
    const text = await key('alice');
    const wrong = text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');
    const unknown = `ingot-${'0'.repeat(16)}-${'A'.repeat(43)}`;
    for (const one of [wrong, `${text}A`, text.slice(0, 22), text.toUpperCase(), 'ingot', 'x'.repeat(5000), unknown])
      expect((await ask(server, bearer(one))).body.error.code).toBe('invalid_api_key');
  });

  it('are not kept: neither the database nor the log has the text', async () => {
    const { store, server, key } = await rig({ auditPrompts: true });
    const text = await key('alice');
    await ask(server, bearer(text));
    const tables = ['keys', 'requests', 'usage'].map((name) => JSON.stringify(store.database.rows(`SELECT * FROM ${name}`)));
    expect(tables.join('').includes(text.slice(23))).toBe(false);
    expect(tables.join('')).toContain('fox');
  });

  it('are wanted before the first one where the server is told so, and of a store alone', async () => {
    const { server } = await rig({ requireKeys: true });
    expect((await ask(server)).status).toBe(401);
    expect(() => createServer({ models: { fake: model }, requireKeys: true })).toThrow(/requireKeys needs a store/);
  });

  it("are refused in Anthropic's form on its route", async () => {
    const { server, key } = await rig();
    const text = await key('alice', { requestsPerMinute: 1, models: ['fake'] });
    const body = { model: 'other', max_tokens: 2, messages: [{ role: 'user', content: 'a' }] };
    const asked = (headers: Record<string, string>) => ask(server, headers, body, '/v1/messages');
    expect((await asked({})).body).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    expect(await asked({ 'x-api-key': text })).toMatchObject({ status: 403, body: { error: { type: 'permission_error' } } });
    expect(await asked({ 'x-api-key': text })).toMatchObject({ status: 429, body: { error: { type: 'rate_limit_error' } } });
  });
});

describe('limits of a key', () => {
  it('are models: others are refused and not listed', async () => {
    const { store, server, key } = await rig();
    const headers = bearer(await key('alice', { models: ['fake'] }));
    expect(await ask(server, headers, { ...ASK, model: 'other' })).toMatchObject({
      status: 403, body: { error: { code: 'model_not_allowed', param: 'model', message: /may not ask the model "other"/ } },
    });
    expect([...store.audit.entries({ from: undefined, to: undefined })]).toMatchObject([{ key: 'alice', model: 'other', status: 403 }]);
    const { body } = await ask(server, headers, { ...ASK, model: 'none' });
    expect([body.error.code, body.error.message.includes('other')]).toEqual(['model_not_found', false]);
    const listed = (await server.fetch(new Request('http://localhost/v1/models', { headers }))) as Response;
    expect((await listed.json()).data.map(({ id }: { id: string }) => id)).toEqual(['fake']);
  });

  it('are requests a minute, told in headers', async () => {
    const { server, key } = await rig();
    const headers = bearer(await key('alice', { requestsPerMinute: 2 }));
    const first = await ask(server, headers);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^(29\.\d+|30)s$/);
    await ask(server, headers);
    const third = await ask(server, headers);
    expect(third).toMatchObject({ status: 429, body: { error: { code: 'rate_limit_exceeded' } } });
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThanOrEqual(29);
    // Another key is not held up.
    expect((await ask(server, bearer(await key('bob')))).status).toBe(200);
  });

  it('are tokens a minute, a day and a month', async () => {
    const { server, key } = await rig();
    for (const name of ['tokensPerMinute', 'tokensPerDay', 'tokensPerMonth']) {
      const code = name === 'tokensPerMinute' ? 'rate_limit_exceeded' : 'insufficient_quota';
      const headers = bearer(await key(name, { [name]: 8 }));
      expect((await ask(server, headers)).body.usage).toMatchObject({ total_tokens: expect.any(Number) });
      let refused = await ask(server, headers);
      if (refused.status === 200) refused = await ask(server, headers);
      expect(refused).toMatchObject({ status: 429, body: { error: { code } } });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });

  it('are of what has a model work: a key that has used up all may still look, count and clean up', async () => {
    const { server, key } = await rig();
    const headers = bearer(await key('alice', { requestsPerMinute: 1, tokensPerDay: 1 }));
    expect((await ask(server, headers)).status).toBe(200);
    const get = async (path: string, method = 'GET') =>
      ((await server.fetch(new Request(`http://localhost${path}`, { method, headers }))) as Response).status;
    for (let round = 0; round < 3; round++)
      for (const path of ['/v1/models', '/api/ps', '/api/tags', '/v1/files', '/v1/batches']) expect(await get(path), path).toBe(200);
    expect(await get('/v1/files/file-none', 'DELETE')).toBe(404);
    expect((await ask(server, headers, { model: 'fake', prompt: 'fox' }, '/tokenize')).status).toBe(200);
    const messages = [{ role: 'user', content: 'fox' }];
    const told = {
      '/v1/messages/count_tokens': 200, '/v1/models/load': 200, '/v1/chat/completions': 429, '/v1/messages': 429, '/api/chat': 429,
    };
    for (const [path, status] of Object.entries(told)) {
      const most = path === '/v1/messages' ? { max_tokens: 1 } : {};
      const body = path.endsWith('load') ? { model: 'fake' } : { model: 'fake', messages, ...most };
      expect((await ask(server, headers, body, path)).status, path).toBe(status);
    }
  });

  it('are a priority, which the engine gets', async () => {
    const { server, key } = await rig();
    const generate = vi.spyOn(model, 'generate');
    await ask(server, bearer(await key('alice', { priority: 7 })));
    expect(generate.mock.lastCall?.[0]).toMatchObject({ priority: 7 });
    generate.mockRestore();
  });
});

describe('the audit log', () => {
  it('has who asked, when, what of, and what became of it, and sums by key, model and day', async () => {
    const { store, server, key } = await rig();
    const headers = bearer(await key('alice'));
    const before = Date.now();
    const { body } = await ask(server, headers, { ...ASK, user: 'u' });
    await ask(server, headers, { ...ASK, stream: true });
    await ask(server, headers, { ...ASK, n: 'three' });
    await ask(server, {});
    const entries = [...store.audit.entries({ from: undefined, to: undefined })];
    const told = entries.map((entry) => [entry.key, entry.route, entry.model, entry.status, entry.outcome, entry.prompt]);
    expect(told).toEqual([
      ['alice', '/v1/completions', 'fake', 200, 'done', null], ['alice', '/v1/completions', 'fake', 200, 'done', null],
      ['alice', '/v1/completions', '', 400, 'refused', null],
    ]);
    const { prompt_tokens: prompt, completion_tokens: completion } = body.usage;
    expect(entries[0]).toMatchObject({ user: 'u', prompt_tokens: prompt, completion_tokens: completion });
    expect(entries[0]!.first_token_ms).toBeGreaterThan(0);
    expect(Date.parse(entries[0]!.time as string)).toBeGreaterThanOrEqual(before);
    const day = new Date(before).toISOString().slice(0, 10);
    expect(store.audit.usage(['key', 'model', 'day'], { from: day, to: undefined })).toMatchObject([
      { key: 'alice', model: '', requests: 1, not_done: 1, prompt_tokens: 0 },
      { key: 'alice', model: 'fake', requests: 2, not_done: 0, prompt_tokens: 2 * prompt, completion_tokens: 2 * completion },
    ]);
    expect(store.audit.usage([], { from: undefined, to: '2000-01-01' })).toEqual([]);
    // Entries go, sums stay.
    expect(await store.audit.dropBefore(Date.now() + 1)).toBe(3);
    expect([...store.audit.entries({ from: undefined, to: undefined })]).toEqual([]);
    expect(store.audit.usage([], { from: undefined, to: undefined })).toMatchObject([{ requests: 3 }]);
  });

  it('has an entry before the answer, or the end of its stream, has gone out', async () => {
    const store = await newStore();
    let durable = 0;
    const add = async (entry: Parameters<typeof store.audit.add>[0]) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await store.audit.add(entry);
      durable++;
    };
    const server = createServer({ models: { fake: model }, store: { ...store, audit: { ...store.audit, add } } });
    await ask(server);
    expect(durable).toBe(1);
    await ask(server, {}, { ...ASK, stream: true });
    expect(durable).toBe(2);
  });

  it('refuses requests while it cannot be written, and takes them again by itself', async () => {
    const store = await newStore();
    const errors: unknown[] = [];
    let isFull = true;
    const failing = async () => {
      if (isFull) throw new Error('disk full at /secret/path');
    };
    const audit = { ...store.audit, check: failing, add: failing };
    const server = createServer({ models: { fake: model }, store: { ...store, audit }, onStoreError: (error) => errors.push(error) });
    const lost = await ask(server);
    expect(lost).toMatchObject({ status: 503, body: { error: { code: 'store_unavailable' } } });
    expect(JSON.stringify(lost.body)).not.toContain('secret');
    expect(lost.headers.get('retry-after')).toBe('5');
    const generate = vi.spyOn(model, 'generate');
    expect((await ask(server)).status).toBe(503);
    expect(generate).not.toHaveBeenCalled();
    const stream = await ask(server, {}, { ...ASK, stream: true });
    expect(stream.status).toBe(503);
    isFull = false;
    expect((await ask(server)).status).toBe(200);
    isFull = true;
    expect((await ask(server, {}, { ...ASK, stream: true })).body).toContain('store_unavailable');
    expect(errors.length).toBe(4);
    generate.mockRestore();
  });

  it('lets requests through while it cannot be written, where it is told so', async () => {
    const store = await newStore();
    const onStoreError = vi.fn();
    const fail = async () => {
      throw new Error('disk full');
    };
    const options = { models: { fake: model }, store: { ...store, audit: { ...store.audit, check: fail, add: fail } }, onStoreError };
    const server = createServer({ ...options, auditFailure: 'serve' });
    expect((await ask(server)).status).toBe(200);
    expect((await ask(server)).status).toBe(200);
    expect(onStoreError).toHaveBeenCalledTimes(3);
    expect(() => createServer({ ...options, auditFailure: 'ignore' as never })).toThrow(/auditFailure must be refuse or serve/);
  });
});

it('a bucket fills evenly, holds a minute, and may be overdrawn', () => {
  const bucket = createTokenBucket(60, 0);
  bucket.take(90, 0);
  expect([bucket.left(0), bucket.waitMs(1, 0), bucket.left(30_000), bucket.left(40_000)]).toEqual([-30, 31_000, 0, 10]);
  expect(bucket.left(10_000_000)).toBe(60);
});
