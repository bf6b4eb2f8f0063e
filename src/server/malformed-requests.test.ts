/**
 * Requests made from the OpenAPI document and then spoilt at random: none is a failure of the server's own, none makes it fetch or open
 * anything, no answer or record repeats what was asked, and nothing is held when all are over. 10,000: INGOT_FUZZ_REQUESTS=10000.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import { heldBytes } from '../../test/heap-bytes.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { createServer } from './create-server.ts';
import type { RequestRecord } from './request-record.ts';

const REQUESTS = Number(process.env['INGOT_FUZZ_REQUESTS'] ?? 3000);
const PROMPT = 'zanzibar-prompt';
const KEY = 'sk-zanzibar-key';
const SECRET = 'zanzibar-of-a-file';

/** JSON Schema as the document has it. */
interface PlainSchema {
  readonly type?: string;
  readonly enum?: readonly JsonValue[];
  readonly anyOf?: readonly PlainSchema[];
  readonly items?: PlainSchema;
  readonly properties?: Readonly<Record<string, PlainSchema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly schema: PlainSchema | undefined;
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(Number(process.env['INGOT_FUZZ_SEED'] ?? 16));
const below = (count: number) => Math.floor(random() * count);
const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)];

/** A trap that counts who calls, and a file that nobody should read. */
let trap: ReturnType<typeof createTcpServer>;
let calls = 0;
let folder = '';
let odd: readonly JsonValue[] = [];
beforeAll(async () => {
  trap = createTcpServer((socket) => (calls++, socket.destroy())).listen(0, '127.0.0.1');
  await new Promise((resolve) => trap.once('listening', resolve));
  folder = mkdtempSync(join(tmpdir(), 'ingot-fuzz-'));
  writeFileSync(join(folder, 'secret.txt'), SECRET);
  const url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/`;
  odd = [
    null, true, -1, 0, 1.5, 1e308, -1e308, 2 ** 53, '', '\u0000', '\ud800', 'a'.repeat(3000), '../../x', [], {}, [[[]]],
    JSON.parse('{"__proto__": 1}'), { constructor: { prototype: {} } }, [null], { type: 'text' }, { type: 'function' }, '<|im_end|>',
    PROMPT, [PROMPT], { text: PROMPT },
    url, join(folder, 'secret.txt'), `file://${join(folder, 'secret.txt')}`, { type: 'image_url', image_url: { url } },
    { type: 'input_file', file_url: url }, { type: 'image', source: { type: 'url', url } }, nested(70), nested(500),
  ];
});
afterAll(() => {
  trap.close();
  rmSync(folder, { recursive: true, force: true });
});

function nested(depth: number): JsonValue {
  let value: JsonValue = 1;
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { a: value };
  return value;
}

/** A value that a schema describes. */
function valueOf({ type, enum: values, anyOf, items, properties = {}, required = [], minimum = 0 }: PlainSchema, depth = 0): JsonValue {
  if (random() < 0.02) return pick(odd);
  if (anyOf !== undefined) return valueOf(pick(anyOf), depth);
  if (values !== undefined) return pick(values);
  switch (type) {
    case 'null':
      return null;
    case 'integer':
    case 'number':
      return pick([Math.max(minimum, -10), Math.max(minimum, 0) + 1, 3, 0.5, 7]);
    case 'boolean':
      return random() < 0.5;
    case 'array':
      return Array.from({ length: below(3) + 1 }, () => (items === undefined ? 1 : valueOf(items, depth + 1)));
    case 'object': {
      const names = Object.keys(properties).filter((name) => required.includes(name) || random() < (depth === 0 ? 0.15 : 0.4));
      return Object.fromEntries(names.map((name) => [name, valueOf(properties[name], depth + 1)]));
    }
    default:
      return pick(['a', 'fox', 'fake', PROMPT, 'Once upon']);
  }
}

/** All places of a value, as what holds them and their names there. */
function placesOf(value: JsonValue): { readonly holder: any; readonly name: string | number }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [{ holder: value, name }, ...placesOf(inner as JsonValue)]);
}

/** Something else stands in a place, or nothing, or one more thing beside it. */
function mutate(body: JsonValue): void {
  const places = placesOf(body).filter(({ holder, name }) => holder !== body || name !== 'model');
  if (places.length === 0) return;
  const { holder, name } = pick(places);
  const kind = below(4);
  if (kind === 0) delete holder[name];
  else if (kind === 1 && !Array.isArray(holder)) holder[pick(['x', 'toString', 'stream', 'n', 'temperature'])] = pick(odd);
  else holder[name] = structuredClone(pick(odd));
}

const NUMBERS = ['1e400', '-1e400', '123456789012345678901234567890', '-0', '1E1', '0.1e-400', '01', '+1', 'NaN', 'Infinity', '0x10'];

/** Bytes cut, swapped or put in, numbers beyond all, keys twice, other encodings. */
function spoilt(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  const at = below(bytes.length);
  const encoded = (changed: string) => new TextEncoder().encode(changed);
  switch (below(9)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      bytes[at] = below(256);
      return bytes;
    case 2:
      return encoded(`${text.slice(0, at)}${pick(['[', '{', '"', '\\u', ',', '}]', '\\ud800'])}${text.slice(at)}`);
    case 3:
      return encoded(text.replace(/(?<=[:[,])(\d+|true|false|null)(?=[,}\]])/, () => pick(NUMBERS)));
    case 4:
      return encoded(text.replace(/^\{/, '{"model":"fake","model":"other",'));
    case 5:
      return encoded(`${'['.repeat(200_000)}`);
    case 6:
      return new Uint8Array([...pick([[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xc0, 0x80], [0xed, 0xa0, 0x80]]), ...bytes]);
    case 7:
      return new Uint8Array(Buffer.from(text, 'utf16le'));
    default:
      return bytes;
  }
}

function bodyOf(schema: PlainSchema): string | Uint8Array<ArrayBuffer> {
  const made = valueOf(schema);
  const body = typeof made === 'object' && made !== null && random() < 0.8 ? { ...made, model: 'fake' } : structuredClone(made);
  if (random() < 0.5) mutate(body);
  const text = JSON.stringify(body);
  return random() < 0.25 ? spoilt(text) : text;
}

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  {}, {}, {}, { 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }, { authorization: `Bearer ${KEY}` }, { 'x-api-key': KEY },
  { accept: 'text/event-stream' }, { traceparent: '00-zz-1-1' }, { 'content-type': 'multipart/form-data; boundary=a' },
];
const TAILS = [
  '', '', '', '', '/', '//', '/..', '/%00', '/%ff', '/%2e%2e%2f', `/${'a'.repeat(2000)}`, `?limit=${PROMPT}`, '?a[b]=c', '#x',
];

function requestOf({ method, path, schema }: Operation): Request {
  const filled = path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(pick(['fake', 'other', '..', '\u0000', '%', 'a'.repeat(500)])));
  const used = random() < 0.05 ? pick(['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD']) : method;
  const hasBody = schema !== undefined && used !== 'GET' && used !== 'HEAD';
  const tail = random() < 0.1 ? pick(TAILS) : '';
  const body = hasBody ? { body: bodyOf(schema) } : {};
  return new Request(`http://localhost${filled}${tail}`, { method: used, headers: pick(HEADERS), ...body });
}

function operationsOf(document: any): Operation[] {
  return Object.entries(document.paths as Record<string, Record<string, any>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(), path, schema: operation.requestBody?.content['application/json']?.schema,
    })));
}

it(`${REQUESTS} requests that are wrong in all ways end with an answer, no failure, and nothing held`, { timeout: 300_000 }, async () => {
  const { model } = await loadFakeModel({ contextLength: 64, modelContextLength: 64 });
  let records: RequestRecord[] = [];
  const onRequest = (record: RequestRecord) => records.push(record);
  const server = createServer({ models: { fake: model }, onRequest, limits: { outputTokens: 4, bodyBytes: 100_000 } });
  const document = await (await server.fetch(new Request('http://localhost/openapi.json'))).json();
  const all = operationsOf(document);
  // Those with bodies are asked more often.
  const operations = [...all, ...Array.from({ length: 6 }, () => all.filter(({ schema }) => schema !== undefined)).flat()];
  const statuses = new Map<number, number>();
  const told: unknown[] = [];
  let heap = 0;
  for (let count = 0; count < REQUESTS; count++) {
    if (count === Math.floor(REQUESTS / 3)) heap = heldBytes().heap;
    const response = await server.fetch(requestOf(pick(operations)));
    const text = random() < 0.1 ? void (await response.body?.cancel()) : await response.text();
    if (response.status >= 400) told.push(text);
    else if (text?.includes(SECRET)) told.push(text);
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (count % 500 === 0) told.push(...checkedRecords(records.splice(0)));
  }
  await Promise.resolve();
  told.push(...checkedRecords(records));
  records = [];
  const leaks = told.filter((text) => [PROMPT, KEY, SECRET, folder].some((word) => JSON.stringify(text)?.includes(word)));
  expect(leaks.slice(0, 5)).toEqual([]);
  told.length = 0;
  // 403: downloads, which nobody allowed; 426: a conversation that asks for no WebSocket.
  expect([...statuses.keys()].filter((status) => ![200, 204, 400, 403, 404, 405, 409, 413, 426].includes(status))).toEqual([]);
  // Some of them are right.
  expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 100);
  expect(statuses.get(400)).toBeGreaterThan(REQUESTS / 6);
  expect(calls).toBe(0);
  expect(server.active).toBe(0);
  while (model.info.load.running + model.info.load.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(model.info.load.pages.held).toBe(0);
  expect(heldBytes().heap - heap).toBeLessThan(8e6);
  await model.dispose();
});

/** What a log would have of requests, which has no failure that nobody foresaw. */
function checkedRecords(records: readonly RequestRecord[]): unknown[] {
  const failed = records.filter(({ outcome }) => outcome === 'failed').map(({ method, route, error }) => [method, route, String(error)]);
  expect(failed).toEqual([]);
  // Who asks is named by the request itself (`user`), for the record.
  return records.map((record) => ({ ...record, user: undefined }));
}
