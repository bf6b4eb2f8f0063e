/** Files and batches by OpenAI's client, over the database that `ingot serve` has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { listen } from '../../cli/serve/listen.ts';
import type { Listener } from '../../cli/serve/listen.ts';
import { openStore } from '../../cli/serve/store/open-store.ts';
import type { ServeStore } from '../../cli/serve/store/open-store.ts';
import type { Model } from '../../engine/api.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';
import { readBatchLines } from './batch-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-batches-'));
let model: Model;
let store: ServeStore;
let server: Server;
let listener: Listener;
let client: OpenAI;

beforeAll(async () => {
  ({ model } = await loadFakeModel());
  store = await openStore(join(folder, 'serve.db'));
  const limits = { fileBytes: 20_000, batchRequests: 40, batchConcurrency: 3 };
  server = createServer({ models: { fake: model }, store, limits });
  listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  client = new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await server.drain();
  listener.destroy();
  await listener.close();
  await model.dispose();
  await store.close();
  rmSync(folder, { recursive: true });
});

const line = (id: string, body: object, url = '/v1/completions') => JSON.stringify({ custom_id: id, method: 'POST', url, body });
const upload = async (text: string) => client.files.create({ file: await toFile(Buffer.from(text), 'requests.jsonl'), purpose: 'batch' });
const ASK = { model: 'fake', prompt: 'fox', max_tokens: 3 };

async function batchOf(lines: readonly string[]) {
  const { id } = await upload(lines.join('\n'));
  return client.batches.create({ input_file_id: id, endpoint: '/v1/completions', completion_window: '24h', metadata: { of: 'tests' } });
}

async function ended(id: string) {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (!['in_progress', 'cancelling'].includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const linesOf = async (id: string | null | undefined) =>
  (await (await client.files.content(id!)).text()).trimEnd().split('\n').map((text) => JSON.parse(text));

describe("files, by OpenAI's client", () => {
  it('are taken, listed by pages, read and deleted', async () => {
    const file = await client.files.create({
      file: await toFile(Buffer.from('{"ä": 1}\n'), 'ä.jsonl'), purpose: 'batch', expires_after: { anchor: 'created_at', seconds: 7200 },
    });
    expect(file).toMatchObject({ object: 'file', bytes: 10, filename: 'ä.jsonl', purpose: 'batch', status: 'processed' });
    expect(file.expires_at! - file.created_at).toBe(7200);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect(await (await client.files.content(file.id)).text()).toBe('{"ä": 1}\n');
    const others = [await upload('a'), await upload('b')];
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 1, purpose: 'batch', order: 'asc' })) listed.push(id);
    expect(listed).toEqual([file.id, ...others.map(({ id }) => id)]);
    for (const { id } of [file, ...others]) expect(await client.files.delete(id)).toMatchObject({ id, deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404, code: 'not_found' });
    await expect(client.files.content(file.id)).rejects.toMatchObject({ status: 404 });
  });

  it('are refused where they are too large, of another purpose, or no form', async () => {
    await expect(upload('x'.repeat(20_001))).rejects.toMatchObject({ status: 413, code: 'file_too_large' });
    await expect(upload('x'.repeat(200_000))).rejects.toMatchObject({ status: 413, code: 'body_too_large' });
    const file = await toFile(Buffer.from('a'), 'a');
    const none = await toFile(Buffer.alloc(0), 'none.jsonl');
    const empty = client.files.create({ file: none, purpose: 'batch' });
    await expect(empty).rejects.toMatchObject({ status: 400, param: 'file', code: 'empty' });
    await expect(client.files.create({ file, purpose: 'vision' })).rejects.toMatchObject({ status: 400, param: 'purpose' });
    const soon = { anchor: 'created_at', seconds: 3 } as const;
    await expect(client.files.create({ file, purpose: 'batch', expires_after: soon })).rejects.toMatchObject({ status: 400 });
    const plain = (body: string, type: string) =>
      fetch(`${listener.origin}/v1/files`, { method: 'POST', body, headers: { 'content-type': type } });
    for (const type of ['application/json', 'multipart/form-data; boundary=x']) expect((await plain('{}', type)).status).toBe(400);
    await expect(client.files.list({ limit: 0 })).rejects.toMatchObject({ status: 400, param: 'limit' });
    await expect(client.files.list({ colour: 'red' } as object)).rejects.toMatchObject({ status: 400, param: 'colour' });
    await expect(client.files.list({ after: 'file-none' })).rejects.toMatchObject({ status: 404 });
  });

  it('expire', async () => {
    const { id } = await upload('a');
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 31 * 86_400_000);
    await expect(client.files.retrieve(id)).rejects.toMatchObject({ status: 404 });
    await store.files.dropExpired(Date.now());
    vi.restoreAllMocks();
    expect(store.database.rows('SELECT 1 FROM contents WHERE file_id = ?', id)).toEqual([]);
  });
});

/** As a server leaves one that has just begun. */
const BATCH = {
  keyId: undefined, endpoint: '/v1/completions', inputFileId: 'file-x', status: 'in_progress', metadata: {}, errors: [], outputMs: 60_000,
  cancellingAt: undefined, endedAt: undefined, outputFileId: undefined, errorFileId: undefined,
} as const;

describe("batches, by OpenAI's client", () => {
  it('answer as the route does, each request by its custom_id, errors in a file of their own', async () => {
    const lines = Array.from({ length: 10 }, (_, index) => line(`r${index}`, { ...ASK, prompt: `fox ${index}`, temperature: 0 }));
    const wrong = [line('bad', { ...ASK, n: 'x' }), line('none', { ...ASK, model: 'no' }), line('s', { ...ASK, stream: true })];
    const made = await batchOf([...lines, ...wrong]);
    expect(made).toMatchObject({ object: 'batch', endpoint: '/v1/completions', completion_window: '24h', metadata: { of: 'tests' } });
    const batch = await ended(made.id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 13, completed: 10, failed: 3 }, errors: null });
    const output = await linesOf(batch.output_file_id);
    expect(output.map(({ custom_id: id }) => id)).toEqual(lines.map((_, index) => `r${index}`));
    for (const [index, { response, error }] of output.entries()) {
      const live = await client.completions.create({ ...ASK, prompt: `fox ${index}`, temperature: 0 });
      expect([response.status_code, response.body.choices, error]).toEqual([200, live.choices, null]);
    }
    const errors = await linesOf(batch.error_file_id);
    expect(errors.map(({ custom_id: id, response }) => [id, response.status_code, response.body.error.param])).toEqual([
      ['bad', 400, 'n'], ['none', 404, 'model'], ['s', 400, 'stream'],
    ]);
    // Each has an entry in the log.
    const logged = [...store.audit.entries({ from: undefined, to: undefined })].map(({ id }) => id);
    expect(logged).toEqual(expect.arrayContaining(output.map(({ response }) => response.request_id)));
    expect((await client.batches.list({ limit: 1 })).data.map(({ id }) => id)).toEqual([made.id]);
  });

  it.each([
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'fox' }], max_tokens: 3 }, 'chat.completion'],
    ['/v1/responses', { input: 'fox', max_output_tokens: 3 }, 'response'],
  ] as const)('are for %s too', async (endpoint, body, object) => {
    const { id } = await upload([line('a', { model: 'fake', ...body }, endpoint), line('b', { model: 'fake' }, endpoint)].join('\n'));
    const batch = await ended((await client.batches.create({ input_file_id: id, endpoint, completion_window: '24h' })).id);
    const [{ response }] = await linesOf(batch.output_file_id);
    expect([response.status_code, response.body.object]).toEqual([200, object]);
    expect((await linesOf(batch.error_file_id))[0].response.status_code).toBe(400);
  });

  it('of embeddings answer as that route does', async () => {
    const endpoint = '/v1/embeddings';
    const { id } = await upload(line('a', { model: 'fake', input: 'fox' }, endpoint));
    const batch = await ended((await client.batches.create({ input_file_id: id, endpoint, completion_window: '24h' })).id);
    expect((await linesOf(batch.error_file_id))[0].response.body.error.code).toBe('unsupported_model');
  });

  it('go on with the next server where one ended, without what has run', async () => {
    const own = await openStore(join(folder, 'next.db'));
    const rows = Array.from({ length: 6 }, (_, index) => ({ line: index + 1, customId: `r${index}`, body: ASK }));
    const batch = {
      ...BATCH, id: 'batch_next', createdAt: Date.now(), expiresAt: Date.now() + 60_000, counts: { total: 6, completed: 0, failed: 0 },
    } as const;
    await own.batches.create(batch, rows);
    const done = { batchId: batch.id, line: 2, isError: false };
    await own.batches.finish({ ...done, text: '{"custom_id":"r1","kept":true}' });
    await own.batches.finish({ ...done, text: '{"custom_id":"r1","kept":false}' });
    const generate = vi.spyOn(model, 'generate');
    const next = createServer({ models: { fake: model }, store: own });
    while ((await own.batches.find(batch.id))!.status === 'in_progress') await new Promise((resolve) => setTimeout(resolve, 10));
    await next.drain();
    expect(generate).toHaveBeenCalledTimes(5);
    generate.mockRestore();
    const { outputFileId, counts } = (await own.batches.find(batch.id))!;
    expect(counts).toEqual({ total: 6, completed: 6, failed: 0 });
    const lines = new TextDecoder().decode(await own.files.content(outputFileId!)).trimEnd().split('\n').map((text) => JSON.parse(text));
    const expected = rows.map(({ customId }) => [customId, customId === 'r1' || undefined]);
    expect(lines.map(({ custom_id: one, kept }) => [one, kept])).toEqual(expected);
    await own.close();
  });

  it('that ran out of time end, with the rest in the error file', async () => {
    const own = await openStore(join(folder, 'late.db'));
    const batch = {
      ...BATCH, id: 'batch_late', createdAt: 0, expiresAt: 1, counts: { total: 1, completed: 0, failed: 0 },
    } as const;
    await own.batches.create(batch, [{ line: 1, customId: 'a', body: ASK }]);
    const next = createServer({ models: { fake: model }, store: own });
    while ((await own.batches.find(batch.id))!.status === 'in_progress') await new Promise((resolve) => setTimeout(resolve, 10));
    await next.drain();
    const { status, errorFileId } = (await own.batches.find(batch.id))!;
    expect(status).toBe('expired');
    expect(JSON.parse(new TextDecoder().decode(await own.files.content(errorFileId!)))).toMatchObject({ error: { code: 'batch_expired' } });
    await own.close();
  });

  it('let those that somebody waits for go first', async () => {
    const generate = vi.spyOn(model, 'generate');
    await ended((await batchOf([line('a', ASK)])).id);
    expect(generate.mock.lastCall?.[0]).toMatchObject({ priority: -100 });
    generate.mockRestore();
  });

  it('fail as a whole, with the lines that are wrong, before any request runs', async () => {
    const lines = [line('a', ASK), '{', line('a', ASK), line('b', ASK, '/v1/embeddings'), JSON.stringify({ custom_id: 'c' })];
    const batch = await batchOf(lines);
    expect(batch).toMatchObject({ status: 'failed', request_counts: { total: 0 } });
    expect(batch.errors!.data!.map(({ line: number, code }) => [number, code])).toEqual([
      [2, 'invalid_json'], [3, 'duplicate_id'], [4, 'mismatched_url'], [5, 'missing_required_parameter'],
    ]);
    const many = await batchOf(Array.from({ length: 41 }, (_, index) => line(`${index}`, ASK)));
    const [error] = many.errors!.data!;
    expect(error).toMatchObject({ code: 'too_many_requests', message: expect.stringContaining('41 requests; this server takes 40') });
    await expect(client.batches.create({ input_file_id: 'file-none', endpoint: '/v1/completions', completion_window: '24h' })).rejects
      .toMatchObject({ status: 404 });
    await expect(client.batches.cancel(batch.id)).rejects.toMatchObject({ status: 400, code: 'batch_ended' });
  });

  it('are cancelled: what has run is in the output, the rest in the error file', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => line(`r${index}`, { ...ASK, max_tokens: 40 }));
    const { id } = await batchOf(lines);
    await client.batches.cancel(id);
    const batch = await ended(id);
    expect(batch.status).toBe('cancelled');
    expect(batch.cancelled_at).toBeGreaterThanOrEqual(batch.cancelling_at!);
    const errors = await linesOf(batch.error_file_id);
    expect(errors.at(-1)).toMatchObject({ custom_id: 'r29', response: null, error: { code: 'batch_cancelled' } });
    const output = batch.output_file_id ? await linesOf(batch.output_file_id) : [];
    expect([...output, ...errors].map(({ custom_id: one }) => one).toSorted()).toEqual(lines.map((_, index) => `r${index}`).toSorted());
  });

  it("belong to a key's holder, who loses them with the key", async () => {
    const [one, other] = [await store.keys.create('one', {}), await store.keys.create('other', {})];
    const of = ({ text }: { readonly text: string }) => new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: text, maxRetries: 0 });
    const file = await of(one).files.create({ file: await toFile(Buffer.from(line('a', ASK)), 'a'), purpose: 'batch' });
    const request = { input_file_id: file.id, endpoint: '/v1/completions', completion_window: '24h' } as const;
    await expect(of(other).files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    await expect(of(other).batches.create(request)).rejects.toMatchObject({ status: 404 });
    expect((await of(other).files.list()).data).toEqual([]);
    const batch = await of(one).batches.create(request);
    await expect(of(other).batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404 });
    await expect(of(other).batches.cancel(batch.id)).rejects.toMatchObject({ status: 404 });
    expect((await of(one).batches.list()).data.length).toBe(1);
  });
});

it('routes of what is kept are refused by name where nothing is', async () => {
  const bare = createServer({ models: { fake: model } });
  for (const path of ['/v1/files', '/v1/batches', '/v1/files/a', '/v1/responses/resp_a']) {
    const response = (await bare.fetch(new Request(`http://localhost${path}`))) as Response;
    expect([response.status, (await response.json()).error.code]).toEqual([404, 'no_store']);
  }
});

it('lines are read as far as a hundred errors', () => {
  const rules = { endpoint: '/v1/completions', mostRequests: 1000, bodyBytes: 100 };
  const read = (text: string) => readBatchLines(new TextEncoder().encode(text), rules);
  expect(read('x\n'.repeat(300)).errors.length).toBe(100);
  expect(read(`\r\n${line('a', {})}\r\n\n`).items).toMatchObject([{ line: 2, customId: 'a' }]);
  expect(read(line('a', { prompt: 'x'.repeat(200) })).errors).toMatchObject([{ code: 'too_long' }]);
  expect(read(' \n').errors).toMatchObject([{ code: 'empty_file' }]);
  expect(readBatchLines(new Uint8Array([0xff]), rules).errors).toMatchObject([{ code: 'invalid_utf8' }]);
});
