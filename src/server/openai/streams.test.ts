/** Streams as OpenAI's client reads them: what is in a chunk, comments between them, a failure in the middle, the end. */
import OpenAI, { APIError } from 'openai';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import type { Model, Piece } from '../../engine/api.ts';
import { createServer } from '../create-server.ts';

const { model: fake } = await loadFakeModel();
const usage = { promptTokens: 4, cachedTokens: 1, completionTokens: 2 };
const piece = (text: string, rest: object = {}) =>
  ({ index: 0, text, tokens: [1], parts: text === '' ? [] : [{ kind: 'text', text, tokens: [1] }], ...rest }) as unknown as Piece;

/** OpenAI's client, in this process, of a server whose answers a test makes; `texts` is what was sent so far, of each answer. */
function clientOf(generate: () => AsyncIterable<Piece>) {
  const server = createServer({ models: { fake: { ...fake, generate } as unknown as Model }, heartbeatMs: 15 });
  const texts: string[] = [];
  const fetch = async (url: any, init: any) => {
    const response = (await server.fetch(new Request(url, init))) as Response;
    const [seen, passed] = response.body!.tee();
    const i = texts.push('') - 1;
    void (async () => {
      for await (const bytes of seen as any) texts[i] += new TextDecoder().decode(bytes);
    })().catch(() => {});
    return new Response(passed, response);
  };
  return { client: new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'none', maxRetries: 0, fetch }), texts };
}

const request = { model: 'fake', messages: [{ role: 'user' as const, content: 'x' }], stream: true as const };

async function chunksOf(stream: AsyncIterable<ChatCompletionChunk>) {
  const chunks: ChatCompletionChunk[] = [];
  let error: unknown;
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { chunks, error };
}

describe('a stream of a chat', () => {
  it('has chunks with the members of the reference, the role first, the usage last and null before', async () => {
    const { client } = clientOf(async function* () {
      yield piece('a');
      yield piece('b', { finishReason: 'stop', usage });
    });
    const { chunks, error } = await chunksOf(await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }));
    expect(error).toBe(undefined);
    const frame = ['choices', 'created', 'id', 'model', 'object', 'system_fingerprint', 'usage'];
    for (const chunk of chunks) expect(Object.keys(chunk).toSorted()).toEqual(frame);
    expect(new Set(chunks.map(({ id, created, object }) => `${id} ${created} ${object}`)).size).toBe(1);
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: { role: 'assistant', content: '', refusal: null }, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: { content: 'a' }, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: { content: 'b' }, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
      [],
    ]);
    expect(chunks.map((chunk) => chunk.usage)).toEqual([null, null, null, null, {
      prompt_tokens: 4, completion_tokens: 2, total_tokens: 6, prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 0 },
    }]);
  });

  it('has comments while nothing comes, before the first chunk too, which the client passes over', async () => {
    const { client, texts } = clientOf(async function* () {
      await comments(2);
      yield piece('a');
      await comments(4);
      yield piece('b', { finishReason: 'stop', usage });
    });
    const comments = (count: number) =>
      vi.waitFor(() => expect(texts[0]?.match(/^: still at work$/gm)?.length).toBeGreaterThanOrEqual(count));
    const { chunks, error } = await chunksOf(await client.chat.completions.create(request));
    expect(error).toBe(undefined);
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('')).toBe('ab');
    await vi.waitFor(() => expect(texts[0]?.endsWith('data: [DONE]\n\n')).toBe(true));
    expect(texts[0]).toMatch(/^(: still at work\n\n){2}/);
  });

  it('that fails in its middle throws in the client, after what came, and says no more than it may', async () => {
    const { client, texts } = clientOf(async function* () {
      yield piece('a');
      throw new Error('/models/secret.gguf broke');
    });
    const { chunks, error } = await chunksOf(await client.chat.completions.create(request));
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('')).toBe('a');
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'internal_error', type: 'server_error' });
    await vi.waitFor(() => expect(texts[0]?.endsWith('data: [DONE]\n\n')).toBe(true));
    expect(texts[0]).not.toContain('secret');
  });

  it('puts tokens that come together into one chunk', async () => {
    const parts = ['a', 'b', 'c'].map((text) => ({ kind: 'text', text, tokens: [1] }));
    const { client } = clientOf(async function* () {
      yield piece('abc', { tokens: [1, 1, 1], parts });
      yield piece('', { finishReason: 'length', usage });
    });
    const { chunks } = await chunksOf(await client.chat.completions.create(request));
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.content)).toEqual(['', 'abc', undefined]);
  });
});
