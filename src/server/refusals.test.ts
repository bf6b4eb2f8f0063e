/** What is refused says which parameter is wrong, in the words of the route that was asked. */
import { expect, it } from 'vitest';
import { post, serverRig } from '../../test/server-rig.ts';

const rig = serverRig();
const messages = [{ role: 'user', content: 'a' }];
const schema = { type: 'strin' };

it.each([
  ['/v1/chat/completions', 'null', undefined, 'invalid_value', /^The body must be an object, found null/],
  ['/v1/chat/completions', '[]', undefined, 'invalid_value', /^The body must be an object, found an array/],
  ['/v1/responses', { model: 'ember', input: [] }, 'input', 'empty', /has 0 entries, at least 1 is needed/],
  [
    '/v1/responses', { model: 'ember', input: 'a', text: { format: { type: 'json_schema', name: 'a', schema } } }, 'text.format',
    'invalid_value', /strin/,
  ],
  ['/v1/rerank', { model: 'ember', query: 'a', documents: ['b'] }, 'model', 'unsupported_model', /Qwen3-Reranker/],
  ['/detokenize', { model: 'ember', tokens: [1e9] }, 'tokens[0]', 'invalid_value', /an id below/],
  [
    '/v1/chat/completions', { model: 'ember', messages, logit_bias: JSON.parse('{"__proto__":5}') }, 'logit_bias', 'invalid_value',
    /name them by their ids\.$/,
  ],
  [
    '/v1/chat/completions',
    { model: 'ember', messages, tools: [{ type: 'function', function: { name: 'a', parameters: schema } }], tool_choice: 'required' },
    'tools', 'invalid_value', /the schema of an object/,
  ],
])('%s %j', async (path, body, param, code, message) => {
  const { status, body: { error } } = await post(`${rig.origin}${path}`, body);
  expect(error.message).toMatch(message);
  expect([status, error.param ?? undefined, error.code]).toEqual([400, param, code]);
});

it("Ollama's suffix names no function of a library", async () => {
  const { status, body } = await post(`${rig.origin}/api/generate`, { model: 'ember', prompt: 'a', suffix: 'b' });
  expect([status, body.error]).toEqual([400, expect.stringMatching(/^suffix is for models .* has none\. Leave it out\.$/)]);
});

it.each([
  ['GET', '/v1/models?limit=abc&foo=1', 'limit'], ['POST', '/v1/chat/completions?stream=true', 'stream'],
  ['DELETE', '/v1/files/file-1?force=1', 'force'], ['GET', '/api/tags?x', 'x'],
])('%s %s: what no route reads behind the ? is refused', async (method, path, name) => {
  const response = await fetch(rig.origin + path, { method, ...(method === 'POST' ? { body: '{}' } : {}) });
  const text = await response.text();
  expect([response.status, text.includes(`Unknown parameter: ${name}.`)]).toEqual([400, true]);
});

it('what asks whether the server lives may add what it likes, and Anthropic\'s client its beta', async () => {
  for (const path of ['/health?probe=1', '/docs?from=mail']) expect((await fetch(rig.origin + path)).status).toBe(200);
  const body = { model: 'ember', max_tokens: 2, messages };
  expect((await post(`${rig.origin}/v1/messages?beta=true`, body)).status).toBe(200);
  expect((await post(`${rig.origin}/v1/messages/count_tokens?beta=true`, { model: 'ember', messages })).status).toBe(200);
});
