/** What a model thinks, in the forms that no request to the bundled model asks it for. */
import { expect, it } from 'vitest';
import { loadFakeModel } from '../../test/fake-model.ts';
import type { Model, Piece } from '../engine/api.ts';
import { createServer } from './create-server.ts';

const { model: fake } = await loadFakeModel();

const pieces = [
  { parts: [{ kind: 'reasoning', text: 'One', tokens: [1, 2] }] },
  { parts: [{ kind: 'reasoning', text: ' two', tokens: [3] }, { kind: 'reasoning', text: '', tokens: [4] }] },
  { parts: [{ kind: 'text', text: 'Three', tokens: [5] }] },
  {
    parts: [{ kind: 'text', text: ' four', tokens: [6] }], finishReason: 'stop',
    usage: { promptTokens: 9, cachedTokens: 4, completionTokens: 6 },
  },
];

const model = {
  ...fake,
  async *generate() {
    for (const piece of pieces) {
      const tokens = piece.parts.flatMap((part) => part.tokens);
      yield { text: '', tokens, index: 0, ...piece } as unknown as Piece;
    }
  },
} as unknown as Model;
const server = createServer({ models: { m: model } });

async function ask(path: string, body: object): Promise<string> {
  const request = new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify({ model: 'm', ...body }) });
  return (await server.fetch(request)).text();
}

it('is a block of its own in messages', async () => {
  const body = { max_tokens: 9, messages: [{ role: 'user', content: 'a' }] };
  const message = JSON.parse(await ask('/v1/messages', body));
  expect(message.content).toEqual([
    { type: 'thinking', thinking: 'One two', signature: '' }, { type: 'text', text: 'Three four' },
  ]);
  expect(message.usage).toMatchObject({ input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 6 });
  const text = await ask('/v1/messages', { ...body, stream: true });
  const events = text.trim().split('\n\n').map((event) => JSON.parse(event.split('data: ')[1]));
  const blocks = events.filter(({ type }) => type.startsWith('content_block'));
  expect(blocks.map(({ type, index, delta }) => [type, index, delta?.type])).toEqual([
    ['content_block_start', 0, undefined], ['content_block_delta', 0, 'thinking_delta'], ['content_block_delta', 0, 'thinking_delta'],
    ['content_block_stop', 0, undefined], ['content_block_start', 1, undefined], ['content_block_delta', 1, 'text_delta'],
    ['content_block_delta', 1, 'text_delta'], ['content_block_stop', 1, undefined],
  ]);
});

it('is an item of its own in responses, which goes back as one', async () => {
  const response = JSON.parse(await ask('/v1/responses', { input: 'a' }));
  expect(response.output).toMatchObject([
    { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'One two' }], status: 'completed' },
    { type: 'message', content: [{ type: 'output_text', text: 'Three four' }], status: 'completed' },
  ]);
  expect(response.usage.output_tokens_details).toEqual({ reasoning_tokens: 4 });
  const input = [{ role: 'user', content: 'a' }, ...response.output, { role: 'user', content: 'b' }];
  expect(JSON.parse(await ask('/v1/responses', { input })).status).toBe('completed');
});
