/** What a revoked key's requests come to, over the database that `ingot serve` has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { eventsOf } from '../../../test/server-rig.ts';
import { openStore } from '../../cli/serve/store/open-store.ts';
import type { Model, Piece } from '../../engine/api.ts';
import { createServer } from '../create-server.ts';
import type { RequestRecord } from '../request-record.ts';

const { model: fake } = await loadFakeModel();
const folder = mkdtempSync(join(tmpdir(), 'ingot-revocations-'));
const store = await openStore(join(folder, 'serve.db'));
afterAll(async () => {
  await fake.dispose();
  await store.close();
  rmSync(folder, { recursive: true });
});

const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1 };

let speaking = 0;
let finish!: () => void;
const finished = new Promise<void>((resolve) => void (finish = resolve));

/** Says something, and then nothing until all may end, or its signal aborts. */
async function* speak({ signal }: { signal: AbortSignal }): AsyncGenerator<Piece> {
  const piece = (rest: object) => ({ index: 0, text: 'a', tokens: [1], parts: [{ kind: 'text', text: 'a', tokens: [1] }], ...rest }) as any;
  for (let i = 0; i < 4; i++) yield piece({});
  speaking++;
  await Promise.race([finished, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
  signal.throwIfAborted();
  yield piece({ finishReason: 'stop', usage });
}

const records: RequestRecord[] = [];
const server = createServer({
  models: { fake: { ...fake, generate: speak } as unknown as Model }, store, onRequest: (record) => records.push(record),
});

async function ask(key: string, stream: boolean) {
  const body = JSON.stringify({ model: 'fake', messages: [{ role: 'user', content: 'x' }], stream });
  const headers = { authorization: `Bearer ${key}` };
  const response = (await server.fetch(new Request('http://localhost/v1/chat/completions', { method: 'POST', headers, body }))) as Response;
  return { status: response.status, text: await response.text() };
}

it('ends answers under way, and lets others be', async () => {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(async (name) => (await store.keys.create(name, {})).text));
  const asked = [ask(alice!, true), ask(alice!, false), ask(bob!, true), ask(carol!, true)];
  await vi.waitFor(() => expect(speaking).toBe(4));
  await store.keys.revoke('alice');
  await store.keys.revoke('carol', { letsEnd: true });
  // They end while the others are still at work.
  const [stream, whole] = await Promise.all(asked.slice(0, 2));
  finish();
  const [other, letEnd] = await Promise.all(asked.slice(2));
  const events = eventsOf(stream!.text);
  expect([stream!.status, events.at(-1)]).toEqual([200, '[DONE]']);
  expect(events.at(-2).error).toMatchObject({ type: 'authentication_error', code: 'revoked_api_key' });
  expect(events.length).toBeGreaterThan(3);
  expect([whole!.status, JSON.parse(whole!.text).error.code]).toEqual([401, 'revoked_api_key']);
  for (const ended of [other!, letEnd!]) expect(eventsOf(ended.text).at(-2).choices[0].finish_reason).toBe('stop');
  expect((await ask(carol!, true)).status).toBe(401);
  await vi.waitFor(() => expect(records.map(({ outcome }) => outcome).toSorted()).toEqual(
    ['done', 'done', 'refused', 'refused', 'refused'],
  ));
  expect(server.active).toBe(0);
});
