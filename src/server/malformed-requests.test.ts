/** Bodies made from the tables of all routes, and then spoilt at random: none is a failure of the server's own. */
import { expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import type { RequestRecord } from './request-record.ts';
import { createServer } from './create-server.ts';
import { schemaOf } from './parameter-table.ts';
import { ROUTES } from './routes.ts';
import type { Schema } from './schema.ts';

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

const random = randomFrom(16);
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)];

const ODD: readonly JsonValue[] = [
  null, true, -1, 0, 1.5, 1e308, -1e308, 2 ** 53, '', '\u0000', '\ud800', 'a'.repeat(3000), '../../x', 'http://127.0.0.1/', [], {}, [[[]]],
  { __proto__: 1 }, { constructor: { prototype: {} } }, [null], { type: 'text' }, { type: 'function' }, '<|im_end|>',
];

/** A value that a schema describes, more or less. */
function valueOf({ type, enum: values, anyOf, items, properties = {}, required = [], minimum = 0 }: Schema, depth = 0): JsonValue {
  if (random() < 0.03) return pick(ODD);
  if (anyOf !== undefined) return valueOf(pick(anyOf), depth);
  if (values !== undefined) return pick(values);
  switch (type) {
    case 'integer':
    case 'number':
      return pick([minimum, minimum + 1, 3, 0.5, 7]);
    case 'boolean':
      return random() < 0.5;
    case 'array':
      return Array.from({ length: Math.floor(random() * 3) + 1 }, () => (items === undefined ? 1 : valueOf(items, depth + 1)));
    case 'object': {
      const names = Object.keys(properties).filter((name) => required.includes(name) || random() < (depth === 0 ? 0.15 : 0.4));
      return Object.fromEntries(names.map((name) => [name, valueOf(properties[name], depth + 1)]));
    }
    default:
      return pick(['a', 'fox', 'fake', 'Once upon']);
  }
}

/** Bytes cut, swapped or put in. */
function spoilt(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(text);
  const at = Math.floor(random() * bytes.length);
  switch (Math.floor(random() * 4)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      bytes[at] = Math.floor(random() * 256);
      return bytes;
    case 2:
      return new TextEncoder().encode(`${text.slice(0, at)}${pick(['[', '{', '"', '\\u', ',', '}]'])}${text.slice(at)}`);
    default:
      return bytes;
  }
}

it('3,000 requests that are wrong in all ways end with an answer, no failure, and nothing held', { timeout: 120_000 }, async () => {
  const { model } = await loadFakeModel({ contextLength: 64, modelContextLength: 64 });
  const records: RequestRecord[] = [];
  const server = createServer({ models: { fake: model }, onRequest: (record) => records.push(record), limits: { outputTokens: 4 } });
  const routes = ROUTES.filter(({ method }) => method === 'POST');
  const schemas = new Map(routes.map((route) => [route, schemaOf(route.parameters ?? {})]));
  const statuses = new Map<number, number>();
  for (let count = 0; count < 3000; count++) {
    const route = pick(routes);
    const made = valueOf(schemas.get(route)!);
    const body = typeof made === 'object' && made !== null && random() < 0.8 ? { ...made, model: 'fake' } : made;
    const text = JSON.stringify(body);
    const request = new Request(`http://localhost${route.path}`, { method: 'POST', body: random() < 0.3 ? spoilt(text) : text });
    const response = await server.fetch(request);
    if (random() < 0.1) await response.body?.cancel();
    else await response.text();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  }
  await Promise.resolve();
  const failed = records.filter(({ outcome }) => outcome === 'failed').map(({ route, error }) => [route, String(error)]);
  expect(failed).toEqual([]);
  expect([...statuses.keys()].filter((status) => ![200, 400, 404, 409].includes(status))).toEqual([]);
  // Some of them are right.
  expect(statuses.get(200)).toBeGreaterThan(30);
  expect(statuses.get(400)).toBeGreaterThan(500);
  expect(server.active).toBe(0);
  while (model.info.load.running + model.info.load.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(model.info.load.pages.held).toBe(0);
  await model.dispose();
});
