/** Responses that are kept, by OpenAI's client, over the database that `ingot serve` has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { openStore } from '../../cli/serve/store/open-store.ts';
import type { ServeStore } from '../../cli/serve/store/open-store.ts';
import type { Model } from '../../engine/api.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-responses-'));
let model: Model;
let store: ServeStore;
let server: Server;
beforeAll(async () => {
  ({ model } = await loadFakeModel());
  store = await openStore(join(folder, 'serve.db'));
  server = createServer({ models: { fake: model }, store });
});
afterAll(async () => {
  await server.drain();
  await model.dispose();
  await store.close();
  rmSync(folder, { recursive: true });
});

function client(apiKey = 'none', of: Server = server) {
  const fetch = async (input: string | URL | Request, init?: RequestInit) => (await of.fetch(new Request(input, init))) as Response;
  return new OpenAI({ baseURL: 'http://localhost/v1', apiKey, maxRetries: 0, fetch });
}

const ASK = { model: 'fake', input: 'fox', max_output_tokens: 4, temperature: 0 } as const;
const messagesOf = (spy: { mock: { lastCall?: readonly any[] } }): { role: string; content: string }[] => spy.mock.lastCall![0].messages;

describe('a response that is kept', () => {
  it('is read, with its input by pages, and deleted', async () => {
    const input = [{ role: 'user', content: 'one' }, { role: 'assistant', content: 'two' }, { role: 'user', content: 'three' }] as const;
    const made = await client().responses.create({ ...ASK, input: [...input], metadata: { of: 'tests' } });
    expect(made).toMatchObject({ store: true, metadata: { of: 'tests' }, previous_response_id: null });
    const { _request_id: _id, output_text: text, ...read } = (await client().responses.retrieve(made.id)) as any;
    expect(read).toEqual(Object.fromEntries(Object.entries(made).filter(([name]) => name in read)));
    expect(text).toBe(made.output_text);
    const items: any[] = [];
    for await (const item of client().responses.inputItems.list(made.id, { limit: 2, order: 'asc' })) items.push(item);
    expect(items.map(({ type, role, content }) => [type, role, content[0].type, content[0].text])).toEqual([
      ['message', 'user', 'input_text', 'one'], ['message', 'assistant', 'output_text', 'two'], ['message', 'user', 'input_text', 'three'],
    ]);
    expect((await client().responses.inputItems.list(made.id)).data[0]).toEqual(items[2]);
    await client().responses.delete(made.id);
    await expect(client().responses.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
  });

  it('is gone on with: what was said goes before the input, instructions do not', async () => {
    const generate = vi.spyOn(model, 'generate');
    const first = await client().responses.create({ ...ASK, instructions: 'Be brief.' });
    const second = await client().responses.create({ ...ASK, input: 'owl', previous_response_id: first.id, stream: true });
    let last: any;
    for await (const event of second) last = event;
    expect(last.response.previous_response_id).toBe(first.id);
    expect(messagesOf(generate).map(({ role, content }) => [role, content])).toEqual([
      ['user', 'fox'], ['assistant', first.output_text], ['user', 'owl'],
    ]);
    await client().responses.create({ ...ASK, input: 'elk', previous_response_id: last.response.id, instructions: 'Rhyme.' });
    expect(messagesOf(generate).map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user', 'assistant', 'user']);
    // One that lacks a turn is no conversation any more.
    await client().responses.delete(first.id);
    await expect(client().responses.create({ ...ASK, previous_response_id: last.response.id })).rejects.toMatchObject({
      status: 404, code: 'previous_response_not_found', param: 'previous_response_id',
    });
    generate.mockRestore();
  });

  it('is one that asked for it, or did not say; for its time, and its key', async () => {
    const unkept = await client().responses.create({ ...ASK, store: false });
    expect(unkept).toMatchObject({ store: false });
    await expect(client().responses.retrieve(unkept.id)).rejects.toMatchObject({ status: 404 });
    const kept = await client().responses.create(ASK);
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 31 * 86_400_000);
    await expect(client().responses.retrieve(kept.id)).rejects.toMatchObject({ status: 404 });
    await store.responses.dropExpired(Date.now());
    vi.restoreAllMocks();
    expect(store.database.rows('SELECT 1 FROM responses WHERE id = ?', kept.id)).toEqual([]);
    const [one, other] = [(await store.keys.create('one', {})).text, (await store.keys.create('other', {})).text];
    const mine = await client(one).responses.create(ASK);
    expect((await client(one).responses.retrieve(mine.id)).id).toBe(mine.id);
    await expect(client(other).responses.retrieve(mine.id)).rejects.toMatchObject({ status: 404 });
    await expect(client(other).responses.create({ ...ASK, previous_response_id: mine.id })).rejects.toMatchObject({ status: 404 });
  });

  it('is refused by name where there is no store, and in what is not obeyed', async () => {
    const bare = client('none', createServer({ models: { fake: model } }));
    for (const [param, value] of [['previous_response_id', 'resp_1'], ['store', true], ['metadata', { a: 'b' }]] as const)
      await expect(bare.responses.create({ ...ASK, [param]: value })).rejects.toMatchObject({ param, code: 'unsupported_parameter' });
    expect(await bare.responses.create(ASK)).toMatchObject({ store: false });
    const { text } = await store.keys.create('third', {});
    const { id } = await client(text).responses.create(ASK);
    const asked = client(text).responses.retrieve(id, { include: ['message.output_text.logprobs'] });
    await expect(asked).rejects.toMatchObject({ status: 400, param: 'include' });
  });
});
