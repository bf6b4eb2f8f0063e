import OpenAI, { BadRequestError } from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { post, serverRig } from '../../../test/server-rig.ts';
import { collect } from '../../engine/collect.ts';

const rig = serverRig();
const client = () => new OpenAI({ baseURL: `${rig.origin}/v1`, apiKey: 'none', maxRetries: 0 });
const input = 'Tell me a story about a fox called Ash.';
const request = { model: 'ember', input, temperature: 0, max_output_tokens: 12 };
const weather = {
  type: 'function' as const, name: 'weather', description: 'The weather of a place.', strict: false,
  parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
};
const question = { role: 'user' as const, content: 'How is the weather in Oslo?' };
const asked = { ...request, max_output_tokens: 80, input: [question], tools: [weather] };

describe("responses, by OpenAI's client", () => {
  it('answer as the engine does, with instructions as the system', async () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: input }];
    const expected = await collect(rig.model.generate({ messages, temperature: 0, maxTokens: 12 }));
    const response = await client().responses.create({ ...request, instructions: 'Be brief.' });
    expect(response).toMatchObject({
      object: 'response', model: 'ember', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, error: null,
    });
    expect(response.output_text).toBe(expected.content);
    expect(response.usage).toMatchObject({ input_tokens: expected.usage.promptTokens, output_tokens: 12 });
  });

  it('are streamed to the same response, event by event', async () => {
    const whole = await client().responses.create(request);
    const stream = client().responses.stream(request);
    const events: any[] = [];
    for await (const event of stream) events.push(event);
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(whole.output_text);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const types = events.map((event) => event.type);
    expect(types.slice(0, 5)).toEqual([
      'response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added', 'response.output_text.delta',
    ]);
    expect(types.slice(-4)).toEqual([
      'response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.incomplete',
    ]);
    const text = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
    expect(text).toBe(whole.output_text);
  });

  it('call functions, streamed too, whose results go back as items', async () => {
    const whole = await client().responses.create(asked);
    const [call] = whole.output;
    expect(whole.status).toBe('completed');
    if (call.type !== 'function_call') throw new Error('no call');
    expect([call.name, JSON.parse(call.arguments)]).toEqual(['weather', { place: 'Oslo' }]);
    expect([call.id, call.call_id]).toEqual([expect.stringMatching(/^fc_/), expect.stringMatching(/^call_[A-Za-z0-9]{9}$/)]);
    const streamed = await client().responses.stream(asked).finalResponse();
    expect(streamed.output).toMatchObject([{ type: 'function_call', name: 'weather', arguments: call.arguments, status: 'completed' }]);
    const result = { type: 'function_call_output' as const, call_id: call.call_id, output: 'Rain.' };
    const answer = await client().responses.create({ ...asked, input: [question, call, result] });
    expect(answer.output_text).toMatch(/rain/i);
  });

  it('have the form of a zod schema', async () => {
    const form = z.object({ name: z.enum(['Ash', 'Fern']), animal: z.enum(['fox', 'owl']) });
    const text = { format: zodTextFormat(form, 'who') };
    const response = await client().responses.parse({ ...request, max_output_tokens: 200, text });
    expect(form.parse(response.output_parsed)).toEqual(JSON.parse(response.output_text));
  });

  it('are refused before a stream begins, and in its form', async () => {
    const streamed = { ...request, stream: true, previous_response_id: 'resp_1' } as const;
    const error = await client().responses.create(streamed).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: 'previous_response_id', code: 'unsupported_parameter' });
  });
});

it.each([
  [{ store: true }, 'store'], [{ reasoning: { effort: 'low' } }, 'reasoning'], [{ background: true }, 'background'],
  [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'], [{ tools: [{ ...weather, strict: true }] }, 'tools[0].function.strict'],
  [{ input: [{ role: 'user', content: [{ type: 'input_file', file_url: 'file:///a' }] }] }, 'input[0].content[0].type'],
  [{ input: [] }, 'input'], [{ max_tokens: 3 }, 'max_tokens'],
])('%j is refused by name', async (body, param) => {
  const answer = await post(`${rig.origin}/v1/responses`, { ...request, ...body });
  expect([answer.status, answer.body.error.param]).toEqual([400, param]);
});

it('a conversation that outgrows the context loses its oldest turns where truncation is auto', async () => {
  const turn = (content: string) => [{ role: 'user', content }, { role: 'assistant', content: 'Yes.' }];
  const long = [...turn('fox '.repeat(400)), ...turn('owl '.repeat(200)), { role: 'user', content: 'Hello' }];
  const body = { ...request, input: long, max_output_tokens: 4 };
  expect((await post(`${rig.origin}/v1/responses`, body)).body.error.code).toBe('context_length_exceeded');
  expect((await post(`${rig.origin}/v1/responses`, { ...body, truncation: 'auto' })).status).toBe(200);
});
