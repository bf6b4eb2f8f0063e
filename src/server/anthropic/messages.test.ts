import Anthropic, { BadRequestError, NotFoundError } from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { post, serverRig } from '../../../test/server-rig.ts';
import { collect } from '../../engine/collect.ts';

const rig = serverRig();
const client = () => new Anthropic({ baseURL: rig.origin, apiKey: 'none', maxRetries: 0 });
const question = { role: 'user' as const, content: 'Tell me a story about a fox called Ash.' };
const request = { model: 'ember', max_tokens: 12, temperature: 0, messages: [question] };
const weather = {
  name: 'weather', description: 'The weather of a place.',
  input_schema: { type: 'object' as const, properties: { place: { type: 'string' } }, required: ['place'] },
};
const place = { role: 'user' as const, content: 'How is the weather in Oslo?' };
const asked = { ...request, max_tokens: 80, messages: [place], tools: [weather] };

describe("messages, by Anthropic's client", () => {
  it('answer as the engine does, and count what was not in the cache', async () => {
    const expected = await collect(rig.model.generate({ messages: [question], temperature: 0, maxTokens: 12 }));
    const message = await client().messages.create(request);
    expect(message).toMatchObject({
      type: 'message', role: 'assistant', model: 'ember', content: [{ type: 'text', text: expected.content }], stop_reason: 'max_tokens',
      stop_sequence: null,
    });
    const { input_tokens: input, cache_read_input_tokens: cached, output_tokens: output } = message.usage;
    expect([input + (cached ?? 0), output]).toEqual([expected.usage.promptTokens, 12]);
  });

  it('are streamed to the same message', async () => {
    const [whole, stream] = [await client().messages.create(request), client().messages.stream(request)];
    const types: string[] = [];
    stream.on('streamEvent', (event) => void types.push(event.type));
    const streamed = await stream.finalMessage();
    expect(streamed.content).toMatchObject(whole.content);
    expect([streamed.stop_reason, streamed.usage.output_tokens]).toEqual([whole.stop_reason, whole.usage.output_tokens]);
    expect(types.slice(0, 3)).toEqual(['message_start', 'content_block_start', 'content_block_delta']);
    expect(types.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
  });

  it('obey system, in parts too, and stop sequences', async () => {
    const system = [{ type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } }];
    const message = await client().messages.create({ ...request, system });
    const expected = await collect(
      rig.model.generate({ messages: [{ role: 'system', content: 'Be brief.' }, question], temperature: 0, maxTokens: 12 }),
    );
    expect(message.content).toMatchObject([{ text: expected.content }]);
    const word = expected.content.trim().split(' ')[3];
    const stopped = await client().messages.create({ ...request, system, stop_sequences: [word] });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: word });
  });

  it('call tools, streamed too, whose results go back', async () => {
    const whole = await client().messages.create(asked);
    expect(whole).toMatchObject({ stop_reason: 'tool_use', content: [{ type: 'tool_use', name: 'weather', input: { place: 'Oslo' } }] });
    const streamed = await client().messages.stream(asked).finalMessage();
    expect(streamed).toMatchObject({ stop_reason: 'tool_use', content: [{ type: 'tool_use', name: 'weather', input: { place: 'Oslo' } }] });
    const [call] = whole.content;
    if (call.type !== 'tool_use') throw new Error('no call');
    expect(call.id).toMatch(/^toolu_[A-Za-z0-9]{9}$/);
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: [{ type: 'text' as const, text: 'Rain.' }] };
    const answer = await client().messages.create({
      ...asked, messages: [...asked.messages, { role: 'assistant', content: whole.content }, { role: 'user', content: [result] }],
    });
    expect(answer.content).toMatchObject([{ type: 'text', text: expect.stringMatching(/rain/i) }]);
  });

  it('count the tokens of a prompt as the answer to it does', async () => {
    const { messages, model, tools } = asked;
    const { input_tokens: counted } = await client().messages.countTokens({ model, messages, tools });
    const { usage } = await client().messages.create(asked);
    expect(counted).toBe(usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
  });

  it('think as far as they are told to', async () => {
    const sum = { ...request, max_tokens: 150, messages: [{ role: 'user' as const, content: 'What is 17 + 25?' }] };
    const long = await client().messages.create({ ...sum, thinking: { type: 'enabled', budget_tokens: 1024 } });
    const [thought] = long.content;
    if (thought.type !== 'thinking') throw new Error('no thought');
    const { body: short } = await post(`${rig.origin}/v1/messages`, { ...sum, thinking: { type: 'enabled', budget_tokens: 4 } });
    expect(short.content[0].type).toBe('thinking');
    expect(short.content[0].thinking.length).toBeLessThan(thought.thinking.length);
    expect(short.content[1].type).toBe('text');
    const none = await client().messages.create({ ...sum, thinking: { type: 'disabled' } });
    expect(none.content.map(({ type }) => type)).toEqual(['text']);
  });

  it('say what is wrong in their own form', async () => {
    const unknown = await client().messages.create({ ...request, model: 'other' }).catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown).toMatchObject({ error: { type: 'error', error: { type: 'not_found_error' } } });
    const hotter = { ...request, temperature: 2 };
    const hot = await client().messages.create(hotter).catch((error: unknown) => error);
    expect(hot).toBeInstanceOf(BadRequestError);
  });

  it('hear that a client has left', async () => {
    const stream = client().messages.stream({ ...request, max_tokens: 400 });
    const left = new Promise((resolve) => stream.on('text', () => resolve(stream.abort())));
    await left;
    await stream.done().catch(() => {});
    while (rig.server.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.resolve();
    expect(rig.records.at(-1)?.outcome).toBe('cancelled');
  });
});

it.each([
  [{ max_tokens: undefined }, 'max_tokens'], [{ thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
  [{ tools: [{ ...weather, strict: true }] }, 'tools[0].strict'], [{ tools: [{ type: 'web_search_20250305', name: 'a' }] }, 'tools[0]'],
  [{ tool_choice: { type: 'any' } }, 'tool_choice'],
  [{ tools: [weather], tool_choice: { type: 'auto', disable_parallel_tool_use: true } }, 'tool_choice'],
  [{ messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'file:///a' } }] }] }, 'messages[0].content[0]'],
  [{ messages: [{ role: 'system', content: 'a' }] }, 'messages[0].role'], [{ context_management: { edits: [] } }, 'context_management'],
  [{ n: 2 }, 'n'],
])('%j is refused by name', async (body, name) => {
  const answer = await post(`${rig.origin}/v1/messages`, { ...request, ...body });
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
  expect(answer.body.error.message).toContain(name);
});
