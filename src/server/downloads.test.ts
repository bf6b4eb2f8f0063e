/** Models that clients have the server download: who may, what is told of it, and what is there afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ollama } from 'ollama';
import { afterEach, describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { eventsOf } from '../../test/server-rig.ts';
import { openStore } from '../cli/serve/store/open-store.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import type { ModelDownloads, Server, ServerOptions } from './api.ts';
import { createServer } from './create-server.ts';

let server: Server;
afterEach(() => server?.close());

async function started(options: Omit<ServerOptions, 'models'> = {}) {
  const { model } = await loadFakeModel();
  server = createServer({ models: { fake: model }, ...options });
  return model;
}

const ask = (path: string, body?: object, { signal, key }: { signal?: AbortSignal; key?: string } = {}) =>
  server.fetch(new Request(`http://localhost${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }), signal: signal ?? null,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  })) as Promise<Response>;

/** Brings the fake model, in two steps. */
async function bringing(): Promise<ModelDownloads & { readonly asked: string[] }> {
  const asked: string[] = [];
  return {
    asked,
    async download(id, { signal, onProgress }) {
      asked.push(id);
      if (id === 'nothing') throw new InputError('nothing is not an id of the hub.');
      if (id === 'o/large') throw new CapacityError('The disk of /secret/cache is full.');
      if (id === 'o/odd') throw new FormatError('/secret/cache/odd.gguf: an architecture that Ingot does not run.');
      if (id === 'o/broken') throw new Error('/secret/cache: set HF_TOKEN.');
      for (const loaded of [0, 40]) {
        onProgress({ phase: 'download', loaded, total: 100 });
        await new Promise((resolve) => setTimeout(resolve, 250));
        if (id === 'o/endless') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      }
      const { model } = await loadFakeModel();
      return { name: id.replace(/:.*/, ''), loader: { load: async () => model }, alias: id.includes(':') ? id : undefined };
    },
  };
}

describe('POST /v1/models/download', () => {
  it('is refused by name where it is not allowed, as is Ollama\'s', async () => {
    const model = await started();
    for (const path of ['/v1/models/download', '/api/pull']) {
      const response = await ask(path, { model: 'o/m' });
      expect(response.status).toBe(403);
      expect(JSON.stringify(await response.json())).toContain('--allow-downloads');
    }
    expect(((await (await ask('/v1/models')).json()) as any).downloads).toBe(null);
    expect(() => createServer({ models: { fake: model }, downloads: {} as never })).toThrow('downloads must be an object with download');
  });

  it('tells how far it is, and has the model among the server\'s', async () => {
    const downloads = await bringing();
    await started({ downloads, memoryBytes: 1e12 });
    expect(((await (await ask('/v1/models')).json()) as any).downloads).toEqual({ memory_bytes: 1e12 });
    const events = eventsOf(await (await ask('/v1/models/download', { model: 'o/m' })).text());
    // What was told while nobody could look is told once, with where it is by then.
    const loaded = expect.toSatisfy((count: number) => [0, 40].includes(count));
    expect(events[0]).toEqual({ object: 'model.download', model: 'o/m', phase: 'download', loaded, total: 100 });
    expect(events.at(-2)).toMatchObject({ object: 'model', id: 'o/m', status: 'unloaded' });
    expect(events.at(-1)).toBe('[DONE]');
    const messages = [{ role: 'user', content: 'a' }];
    const answer = (await (await ask('/v1/chat/completions', { model: 'o/m', messages, max_tokens: 2 })).json()) as any;
    expect(answer.usage.completion_tokens).toBe(2);
    // Again it is there already.
    await (await ask('/v1/models/download', { model: 'o/m' })).text();
    const { data } = (await (await ask('/v1/models')).json()) as any;
    expect(data.map(({ id }: any) => id)).toEqual(['fake', 'o/m']);
  });

  it('stops when it is left', async () => {
    await started({ downloads: await bringing() });
    const controller = new AbortController();
    const response = await ask('/v1/models/download', { model: 'o/endless' }, { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    controller.abort();
    await reader.cancel().catch(() => {});
    await expect.poll(() => server.active).toBe(0);
  });

  it('tells what a client got wrong, and nothing of this machine', async () => {
    await started({ downloads: await bringing() });
    const wrong = await ask('/v1/models/download', { model: 'nothing' });
    expect([wrong.status, await wrong.text()]).toEqual([400, expect.stringContaining('not an id of the hub')]);
    const refused = [['o/broken', 502, 'download_failed'], ['o/large', 507, 'no_room'], ['o/odd', 422, 'unsupported_model']] as const;
    for (const [model, status, code] of refused) {
      const response = await ask('/v1/models/download', { model });
      const text = await response.text();
      expect([response.status, text]).toEqual([status, expect.stringContaining(code)]);
      expect(text).not.toMatch(/secret|HF_TOKEN/);
    }
  });

  it('brings one at a time, and says which', async () => {
    await started({ downloads: await bringing() });
    const first = await ask('/v1/models/download', { model: 'o/m' });
    const second = await ask('/v1/models/download', { model: 'o/other' });
    expect([second.status, await second.text()]).toEqual([409, expect.stringMatching(/downloads o\/m now.*download_in_progress/s)]);
    await first.text();
    expect((await ask('/v1/models/download', { model: 'nothing' })).status).toBe(400);
  });

  it('has one model for many ids of it', async () => {
    await started({ downloads: await bringing() });
    for (const model of ['o/m', 'o/m:Q4_0']) await (await ask('/v1/models/download', { model })).text();
    const { data } = (await (await ask('/v1/models')).json()) as any;
    expect(data.map(({ id, alias_of }: any) => [id, alias_of])).toEqual([['fake', undefined], ['o/m', undefined], ['o/m:Q4_0', 'o/m']]);
  });
});

it('is not for keys that may ask some models only', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-downloads-'));
  const store = await openStore(join(folder, 'keys.db'));
  try {
    await started({ downloads: await bringing(), store });
    const { text: some } = await store.keys.create('some', { models: ['fake'] });
    const { text: all } = await store.keys.create('all', {});
    expect((await ask('/v1/models/download', { model: 'o/m' })).status).toBe(401);
    const refused = await ask('/v1/models/download', { model: 'o/m' }, { key: some });
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('may ask fake alone')]);
    expect(((await (await ask('/v1/models', undefined, { key: some })).json()) as any).downloads).toBe(null);
    expect((await ask('/v1/models/download', { model: 'o/m' }, { key: all })).status).toBe(200);
  } finally {
    await server.close();
    await store.close();
    rmSync(folder, { recursive: true });
  }
});

it('pulls by Ollama\'s own client', async () => {
  await started({ downloads: await bringing() });
  const fetch = (async (url: string, init: RequestInit) => server.fetch(new Request(url, init))) as never;
  const client = new Ollama({ host: 'http://localhost', fetch });
  const told: string[] = [];
  const lines = await client.pull({ model: 'o/m', stream: true });
  for await (const { status, completed } of lines) told.push(`${status} ${completed ?? ''}`.trim());
  expect(told).toEqual(['pulling manifest', 'pulling o/m 0', 'pulling o/m 40', 'success']);
  expect(await client.pull({ model: 'o/m' })).toEqual({ status: 'success' });
  expect((await client.list()).models.map(({ name }) => name)).toEqual(['fake', 'o/m']);
});
