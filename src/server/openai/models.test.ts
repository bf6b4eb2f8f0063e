/** Models that the server loads and frees while it runs, as requests have them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf } from '../../../test/server-rig.ts';
import { modelLoader } from '../../node/model-loader.ts';
import { bundledModelPath } from '../../node/package-root.ts';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';
import type { RequestRecord } from '../request-record.ts';

const loader = () => modelLoader(bundledModelPath(), { device: 'cpu', threads: 1, contextLength: 256 });
const records: RequestRecord[] = [];
let server: Server;
let memoryBytes = 0;

beforeAll(async () => {
  const { bytes } = await loader().memoryNeeds();
  memoryBytes = Math.ceil(1.5 * bytes);
  server = createServer({
    models: { one: loader(), two: loader() }, aliases: { 'gpt-4o': 'one' }, memoryBytes, onRequest: (record) => records.push(record),
  });
});
afterAll(() => server.close());

async function ask(path: string, body?: object, signal?: AbortSignal) {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  return server.fetch(new Request(`http://localhost${path}`, { ...init, signal }));
}

const read = async (path: string, body?: object) => (await ask(path, body)).json() as Promise<any>;
const chat = (model: string, rest: object = {}) => ({
  model, messages: [{ role: 'user', content: 'Tell me a story.' }], max_tokens: 8, temperature: 0, ...rest,
});
const statuses = async () => Object.fromEntries((await read('/v1/models')).data.map(({ id, status }: any) => [id, status]));

describe('two models in the memory of one', () => {
  it('are loaded when they are asked for, by name or alias, each in the place of the other', async () => {
    expect(await statuses()).toEqual({ one: 'unloaded', 'gpt-4o': 'unloaded', two: 'unloaded' });
    const first = await read('/v1/chat/completions', chat('gpt-4o'));
    expect(first).toMatchObject({ model: 'gpt-4o', usage: { completion_tokens: 8 } });
    expect(await statuses()).toEqual({ one: 'loaded', 'gpt-4o': 'loaded', two: 'unloaded' });
    const second = await read('/v1/chat/completions', chat('two'));
    expect(second.choices[0].message).toEqual(first.choices[0].message);
    expect(await statuses()).toEqual({ one: 'unloaded', 'gpt-4o': 'unloaded', two: 'loaded' });
    expect(records.filter(({ route }) => route === '/v1/chat/completions').map(({ model }) => model)).toEqual(['one', 'two']);
  });

  it('answer one after the other: a stream ends before its model goes', async () => {
    const stream = await ask('/v1/chat/completions', chat('two', { stream: true, max_tokens: 30 }));
    const other = read('/v1/chat/completions', chat('one'));
    const events = eventsOf(await stream.text());
    expect(events.at(-1)).toBe('[DONE]');
    expect(events.at(-2).choices[0].finish_reason).toMatch(/stop|length/);
    expect((await other).usage.completion_tokens).toBe(8);
  });

  it('are loaded and freed by routes, and described', async () => {
    expect(await read('/v1/models/load', { model: 'gpt-4o' })).toMatchObject({
      id: 'gpt-4o', alias_of: 'one', status: 'loaded', max_model_len: 256, requests: 0,
    });
    const shown = await read('/v1/models/one');
    expect(shown).toMatchObject({ object: 'model', aliases: ['gpt-4o'], pinned: false, requests: 0, waiting: 0 });
    expect(shown.memory_bytes).toBeGreaterThan(memoryBytes / 2);
    expect(await read('/v1/models/unload', { model: 'one' })).toMatchObject({ id: 'one', status: 'unloaded', memory_bytes: 0 });
    expect(await read('/v1/models/unload', { model: 'three' })).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
  });

  it('who leaves while a model is loaded frees what the load took', async () => {
    const controller = new AbortController();
    const left = ask('/v1/chat/completions', chat('two'), controller.signal);
    while ((await statuses())['two'] !== 'loading') await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect((await left).status).toBe(499);
    while ((await statuses())['two'] !== 'unloaded') await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await read('/v1/models/two')).memory_bytes).toBe(0);
    expect(server.active).toBe(0);
  });
});

it('a list tells what models on this machine need, asks once for that, and nothing of what is elsewhere', async () => {
  let asked = 0;
  const needing = (isHere: boolean) => ({
    ...loader(),
    isHere: () => isHere,
    memoryNeeds: () => {
      asked++;
      return Promise.reject(new InputError('a file that is no model'));
    },
  });
  const own = createServer({ models: { here: loader(), broken: needing(true), away: needing(false) }, aliases: { same: 'broken' } });
  try {
    for (let time = 0; time < 2; time++) {
      const { data } = (await (await own.fetch(new Request('http://localhost/v1/models'))).json()) as any;
      expect(data.map(({ id, needed_bytes: bytes }: any) => [id, bytes > 0])).toEqual(
        [['here', true], ['broken', false], ['same', false], ['away', false]]);
    }
    expect(asked).toBe(1);
  } finally {
    await own.close();
  }
});

it('a file that is no model is told without its path, and its cause to the record', async () => {
  const [told, broken] = [[] as RequestRecord[], modelLoader('/no/such/model.gguf', { device: 'cpu' })];
  const own = createServer({ models: { broken }, onRequest: (record) => told.push(record) });
  const body = JSON.stringify(chat('broken'));
  const response = await own.fetch(new Request('http://localhost/v1/chat/completions', { method: 'POST', body }));
  const { error } = await response.json() as any;
  expect([response.status, error.code]).toEqual([503, 'model_load_failed']);
  expect(error.message).not.toContain('/no/such');
  await Promise.resolve();
  expect(String(told[0]?.error)).toContain('/no/such/model.gguf');
  await expect(own.load('broken')).rejects.toThrow('/no/such/model.gguf');
  await expect(own.load('other')).rejects.toThrow(InputError);
  await own.close();
  const small = createServer({ models: { ember: loader() }, memoryBytes: Math.floor(memoryBytes / 1.5) - 1000 });
  await expect(small.load('ember')).rejects.toThrow(CapacityError);
  await expect(small.load('ember')).rejects.toThrow(/needs 0\.0\d+ GB .* It would fit with a context of \d+ tokens, or with 0/);
});
