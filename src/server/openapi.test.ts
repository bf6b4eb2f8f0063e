import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { openApi } from './openapi.ts';
import { isRefused, readParameters } from './parameter-table.ts';
import type { ParameterTable } from './parameter-table.ts';
import { ROUTES } from './routes.ts';

const document = openApi(ROUTES) as any;
const tables = ROUTES.flatMap(({ path, parameters }): (readonly [string, ParameterTable])[] =>
  parameters === undefined ? [] : [[path, parameters]]);

const message = { role: 'user', content: 'a' };
const tool = { type: 'function', function: { name: 'a', parameters: { type: 'object' } } };
/** Bodies, and values for single parameters, most of them wrong. */
const VALUES: readonly JsonValue[] = [
  null, true, false, 0, 1, -1, 1.5, 1e300, '', 'auto', 'a', [], ['a'], [''], [1, 2], [[1], [2]], [message], [{ role: 'user' }], {},
  { type: 'text' }, { type: 'json_object' }, [{ role: 'assistant', content: null }], [{ role: 'tool', content: 'a', tool_call_id: 'b' }],
  [tool], { a: 1 }, { 5: -100 }, { include_usage: true },
  { include_obfuscation: true }, { type: 'auto' }, { type: 'tool' }, { user_id: null }, 'low', 21, 2 ** 53,
];
const BODIES: Readonly<Record<string, JsonValue>> = {
  model: 'm', messages: [message], prompt: 'a', input: 'a', query: 'q', documents: ['a'], tokens: [1], max_tokens: 5,
  input_file_id: 'f', endpoint: '/v1/completions', completion_window: '24h',
};

describe('/openapi.json', () => {
  it('has every route', () => {
    const described = Object.entries(document.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
    expect(described.toSorted()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/, '{$1}')}`).toSorted());
  });

  it.each(tables)('takes for %s what the server takes, by another checker of JSON Schema', (path, table) => {
    const { schema } = document.paths[path].post.requestBody.content['application/json'];
    const isValid = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    const plain = Object.fromEntries(Object.entries(BODIES).filter(([name]) => name in table && !isRefused(table[name])));
    const isTaken = (body: JsonValue) => {
      try {
        readParameters(body, table);
        return true;
      } catch (error) {
        expect(error).toMatchObject({ status: 400 });
        return false;
      }
    };
    let taken = 0;
    for (const name of [...Object.keys(table), 'no_such_parameter'])
      for (const value of VALUES) {
        const body = { ...plain, [name]: value };
        const ours = isTaken(body);
        taken += ours ? 1 : 0;
        expect({ body, ours }).toEqual({ body, ours: isValid(body) });
      }
    expect(taken).toBeGreaterThan(2);
    for (const body of VALUES) expect({ body, ours: isTaken(body) }).toEqual({ body, ours: isValid(body) });
  });
});
