import OpenAI, { NotFoundError } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { collect } from '../../engine/collect.ts';
import { eventsOf, post, serverRig } from '../../../test/server-rig.ts';

const rig = serverRig();
const messages = [{ role: 'user' as const, content: 'Tell me a story about a fox called Ash.' }];
const request = { model: 'ember', messages, temperature: 0, max_tokens: 12 };
const client = () => new OpenAI({ baseURL: `${rig.origin}/v1`, apiKey: 'none', maxRetries: 0 });
const chat = (body: object) => post(`${rig.origin}/v1/chat/completions`, { ...request, ...body });
const own = () => collect(rig.model.generate({ messages, temperature: 0, maxTokens: 12 }));

describe("chat completions, by OpenAI's client", () => {
  it('answers as the engine does, with its figures', async () => {
    const [answer, expected] = [await client().chat.completions.create(request), await own()];
    expect(answer.object).toBe('chat.completion');
    expect(answer.id).toMatch(/^chatcmpl-[0-9a-f]{32}$/);
    expect(answer.model).toBe('ember');
    expect(answer.choices).toEqual([
      { index: 0, message: { role: 'assistant', content: expected.text, refusal: null }, logprobs: null, finish_reason: 'length' },
    ]);
    expect(answer.usage).toMatchObject({
      prompt_tokens: expected.usage.promptTokens, completion_tokens: 12, total_tokens: expected.usage.promptTokens + 12,
    });
  });

  it('streams the same text, in the order of events that OpenAI has', async () => {
    const expected = await own();
    const stream = await client().chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const [first, ...rest] = chunks;
    const [finish, usage] = rest.slice(-2);
    expect(first.choices).toEqual([
      { index: 0, delta: { role: 'assistant', content: '', refusal: null }, logprobs: null, finish_reason: null },
    ]);
    expect(rest.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(expected.text);
    expect(finish.choices).toEqual([{ index: 0, delta: {}, logprobs: null, finish_reason: 'length' }]);
    expect(usage.choices).toEqual([]);
    expect(usage.usage).toMatchObject({ prompt_tokens: expected.usage.promptTokens, completion_tokens: 12 });
    expect(new Set(chunks.map(({ id, created, object, model }) => JSON.stringify([id, created, object, model]))).size).toBe(1);
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  });

  it("ends a stream with [DONE], and adds no usage where none was asked for", async () => {
    const response = await fetch(`${rig.origin}/v1/chat/completions`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...request, stream: true }),
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const events = eventsOf(text);
    expect(events.filter((event) => event !== '[DONE]').every((event) => !('usage' in event) && event.choices.length === 1)).toBe(true);
  });

  it('makes n answers, whole and streamed, each as its seed makes it', async () => {
    const many = { ...request, temperature: 1, seed: 7, n: 3 };
    const whole = await client().chat.completions.create(many);
    const texts = ['', '', ''];
    for await (const { choices } of await client().chat.completions.create({ ...many, stream: true }))
      for (const { index, delta } of choices) texts[index] += delta.content ?? '';
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(whole.choices.map(({ message }) => message.content)).toEqual(texts);
    expect(new Set(texts).size).toBeGreaterThan(1);
    expect(whole.usage?.completion_tokens).toBe(whole.choices.length * 12);
  });

  it('gives log probabilities of the answer\'s tokens, whose bytes are its text', async () => {
    const { choices: [{ logprobs, message }] } = await client().chat.completions.create({ ...request, logprobs: true, top_logprobs: 3 });
    const entries = logprobs?.content ?? [];
    expect(new TextDecoder().decode(Uint8Array.from(entries.flatMap(({ bytes }) => bytes ?? [])))).toBe(message.content);
    for (const { logprob, token, top_logprobs: top } of entries) {
      expect(top.length).toBe(3);
      // The likeliest token is chosen at temperature 0.
      expect(top[0]).toMatchObject({ token, logprob });
      expect(top.reduce((sum, one) => sum + Math.exp(one.logprob), 0)).toBeLessThanOrEqual(1 + 1e-6);
    }
  });

  it('obeys stop, biases, and the older and the newer name of the length', async () => {
    const expected = await own();
    const word = expected.text.trim().split(' ')[2] as string;
    const stopped = await client().chat.completions.create({ ...request, stop: [word] });
    expect(stopped.choices[0].finish_reason).toBe('stop');
    expect(stopped.choices[0].message.content).toBe(expected.text.slice(0, expected.text.indexOf(word)));
    const [first] = expected.tokens;
    const biased = await client().chat.completions.create({ ...request, max_tokens: 1, logit_bias: { [first]: -100 } });
    expect(expected.text.startsWith(biased.choices[0].message.content ?? '')).toBe(false);
    const { usage } = await client().chat.completions.create({ ...request, max_tokens: undefined, max_completion_tokens: 3 });
    expect(usage?.completion_tokens).toBe(3);
  });

  it('takes contents in parts, and calls developers the system', async () => {
    const parts = await chat({
      messages: [{ role: 'developer', content: [{ type: 'text', text: 'Be ' }, { type: 'text', text: 'brief.' }] }, ...messages],
    });
    const plain = await collect(
      rig.model.generate({ messages: [{ role: 'system', content: 'Be brief.' }, ...messages], temperature: 0, maxTokens: 12 }),
    );
    expect(parts.body.choices[0].message.content).toBe(plain.text);
  });

  it('hears that a client has left, which costs no further token', async () => {
    const controller = new AbortController();
    const long = { ...request, max_tokens: 400, ignore_eos: true, stream: true as const };
    const stream = await client().chat.completions.create(long, { signal: controller.signal });
    let seen = 0;
    await (async () => {
      for await (const chunk of stream) if (chunk.choices[0].delta.content && ++seen === 3) controller.abort();
    })().catch(() => {});
    while (rig.server.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.resolve();
    const record = rig.records.at(-1);
    expect(record?.outcome).toBe('cancelled');
    expect(record?.completionTokens).toBeLessThan(200);
  });

  it('tells clients which errors to try again', async () => {
    const patient = new OpenAI({ baseURL: `${rig.origin}/v1`, apiKey: 'none', maxRetries: 2 });
    const before = rig.records.length;
    const error = await patient.chat.completions.create({ ...request, model: 'other' }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
    expect(rig.records.length).toBe(before + 1);
  });
});

it('what a model thinks comes by itself, whole and streamed, and is counted', async () => {
  const question = [{ role: 'user' as const, content: 'What is 17 + 25?' }];
  const expected = await collect(rig.model.generate({ messages: question, temperature: 0, maxTokens: 150, reasoning: true }));
  const thinking = { ...request, messages: question, max_tokens: 150, chat_template_kwargs: { enable_thinking: true } };
  const { body } = await chat(thinking);
  expect(expected.reasoning).not.toBe('');
  expect(body.choices[0].message).toMatchObject({ reasoning_content: expected.reasoning, content: expected.content });
  expect(body.usage.completion_tokens_details.reasoning_tokens).toBeGreaterThan(2);
  const without = await chat({ ...thinking, chat_template_kwargs: null, reasoning_effort: 'none' });
  expect(without.body.choices[0].message).not.toHaveProperty('reasoning_content');
  const streamed = JSON.stringify({ ...thinking, stream: true });
  const text = await (await fetch(`${rig.origin}/v1/chat/completions`, { method: 'POST', body: streamed })).text();
  const deltas = eventsOf(text).slice(0, -1).map((event) => event.choices[0].delta);
  expect(deltas.map((delta) => delta.reasoning_content ?? '').join('')).toBe(expected.reasoning);
  expect(deltas.map((delta) => delta.content ?? '').join('')).toBe(expected.content);
});

const weather = {
  type: 'function' as const,
  function: {
    name: 'weather', description: 'The weather of a place.',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'], additionalProperties: false },
  },
};

describe("tools, by OpenAI's client", () => {
  const question = { role: 'user' as const, content: 'How is the weather in Oslo?' };
  const asked = { ...request, messages: [question], max_tokens: 80, tools: [weather] };

  it('are called, with arguments as JSON text', async () => {
    const { choices: [{ message, finish_reason: finish }] } = await client().chat.completions.create(asked);
    expect(finish).toBe('tool_calls');
    expect(message.content).toBe(null);
    expect(message.tool_calls).toMatchObject([{ id: expect.any(String), type: 'function', function: { name: 'weather' } }]);
    const [call] = message.tool_calls ?? [];
    if (call?.type === 'function') expect(JSON.parse(call.function.arguments)).toEqual({ place: 'Oslo' });
  });

  it('are streamed: the name first, then the arguments', async () => {
    const stream = client().chat.completions.stream(asked);
    const deltas: any[] = [];
    for await (const { choices } of stream) deltas.push(...(choices[0]?.delta.tool_calls ?? []));
    expect(deltas[0]).toMatchObject({ index: 0, id: expect.any(String), type: 'function', function: { name: 'weather', arguments: '' } });
    expect(deltas.slice(1).every((delta) => !('id' in delta) && typeof delta.function.arguments === 'string')).toBe(true);
    expect(JSON.parse(deltas.map((delta) => delta.function.arguments).join(''))).toEqual({ place: 'Oslo' });
    expect((await stream.finalChatCompletion()).choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
  });

  it('are called where the request asks for it, with arguments that are valid by their schema, which may be strict', async () => {
    const parameters = { type: 'object', properties: { place: { enum: ['Bergen', 'Rome'] } }, required: ['place'] };
    const other = { ...weather, function: { ...weather.function, strict: true, parameters } };
    for (const choice of ['required', { type: 'function', function: { name: 'weather' } }] as const) {
      const { choices: [{ message, finish_reason: finish }] } = await client().chat.completions.create({
        ...asked, tools: [other], tool_choice: choice,
      });
      expect(finish).toBe('tool_calls');
      const [call] = message.tool_calls ?? [];
      if (call?.type !== 'function') throw new Error('no call');
      // The question names another place, which the schema does not have.
      expect(['Bergen', 'Rome']).toContain(JSON.parse(call.function.arguments).place);
    }
  });

  it('results go back to the model; no tools where the choice is none', async () => {
    const { choices: [{ message }], usage } = await client().chat.completions.create(asked);
    const [call] = message.tool_calls ?? [];
    expect(call.id).toMatch(/^call_[A-Za-z0-9]{9}$/);
    const result = { role: 'tool' as const, tool_call_id: call.id, content: 'Rain.' };
    const answer = await client().chat.completions.create({ ...asked, messages: [question, message, result] });
    expect(answer.choices[0].message.content).toMatch(/rain/i);
    const without = await client().chat.completions.create({ ...asked, tool_choice: 'none' });
    expect(without.choices[0].message.tool_calls).toBe(undefined);
    expect(without.usage?.prompt_tokens).toBeLessThan(usage?.prompt_tokens ?? 0);
  });
});

describe("forms of answers, by OpenAI's client", () => {
  const asked = { ...request, messages: [{ role: 'user' as const, content: 'Who is Ash?' }], max_tokens: 200 };

  it('are those of a zod schema', async () => {
    const form = z.object({ name: z.enum(['Ash', 'Fern']), animal: z.enum(['fox', 'owl']), legs: z.int().min(2).max(4) });
    const { choices: [{ message }] } = await client().chat.completions.parse({ ...asked, response_format: zodResponseFormat(form, 'who') });
    expect(form.parse(message.parsed)).toEqual(JSON.parse(message.content ?? ''));
  });

  it('are JSON objects', async () => {
    const bias = Object.fromEntries(['{', '}'].map((text) => [rig.model.tokenizer.idOf(text), 100]));
    const answer = await client().chat.completions.create({ ...asked, response_format: { type: 'json_object' }, logit_bias: bias });
    expect(answer.choices[0].finish_reason).toBe('stop');
    expect(JSON.parse(answer.choices[0].message.content ?? '')).toEqual(expect.any(Object));
  });
});

describe('parameters', () => {
  it.each([
    [{ tools: [{ type: 'function' }] }, 'tools[0].function', 'missing_required_parameter'],
    [{ tools: [{ type: 'custom', custom: { name: 'a' } }] }, /^tools\[0\]/, /./],
    [{ tools: [{ ...weather, function: { name: 'a', strict: true } }] }, 'tools[0].function.strict', 'unsupported_parameter'],
    [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    [{ tools: [weather], parallel_tool_calls: false }, 'parallel_tool_calls', 'unsupported_parameter'],
    [{ response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'strin' } } } },
      'response_format', 'invalid_value',
    ],
    [{ reasoning_effort: 'low' }, 'reasoning_effort', 'invalid_value'],
    [{ store: true }, 'store', 'unsupported_parameter'],
    [{ modalities: ['text', 'audio'] }, 'audio', 'missing_required_parameter'],
    [{ temprature: 1 }, 'temprature', 'unknown_parameter'],
    [{ stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
    [{ stream: true, stream_options: { include_obfuscation: true } }, 'stream_options.include_obfuscation', 'invalid_value'],
    [{ temperature: 3 }, 'temperature', 'invalid_value'],
    [{ n: 17 }, 'n', 'too_many_choices'],
    [{ n: 1.5 }, 'n', 'invalid_value'],
    [{ seed: 1e300 }, 'seed', 'invalid_value'],
    [{ top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
    [{ stop: ['', 'a'] }, 'stop[0]', 'empty'],
    [{ messages: [] }, 'messages', 'empty'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_required_parameter'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }] },
      'messages[0].content[0]', 'invalid_value',
    ],
    [{ messages: [{ role: 'wizard', content: 'a' }] }, 'messages[0].role', 'invalid_value'],
    [{ messages: [{ role: 'assistant', content: null }] }, 'messages[0].content', 'missing_required_parameter'],
    [{ model: undefined }, 'model', 'missing_required_parameter'],
    [{ max_tokens: 10_000 }, 'messages', 'context_length_exceeded'],
    [{ chat_template_kwargs: { no_such: 1 } }, 'chat_template_kwargs.no_such', 'invalid_value'],
    [{ chat_template_kwargs: { messages: [] } }, 'chat_template_kwargs', 'invalid_value'],
    [{ logit_bias: JSON.parse('{"__proto__": 5}') }, 'logit_bias', 'invalid_value'],
    [{ max_tokens: 2, max_completion_tokens: 3 }, 'max_tokens', 'invalid_value'],
  ])('%j is refused by name', async (body, param, code) => {
    const answer = await chat(body);
    expect(answer.status).toBe(400);
    const error = answer.body.error;
    expect(error.type).toBe('invalid_request_error');
    if (param instanceof RegExp) expect(`${error.param} ${error.message}`).toMatch(param);
    else expect(error.param).toBe(param);
    if (code instanceof RegExp) expect(String(error.code)).toMatch(code);
    else if (code !== null) expect(error.code).toBe(code);
  });

  it('that ask for nothing are taken', async () => {
    const neutral = {
      store: false, metadata: null, modalities: ['text'], response_format: { type: 'text' }, service_tier: 'auto', tools: [],
      user: 'someone', parallel_tool_calls: true, logit_bias: {}, stop: null, verbosity: 'medium', seed: null,
    };
    expect((await chat(neutral)).status).toBe(200);
    await Promise.resolve();
    expect(rig.records.at(-1)?.user).toBe('someone');
  });
});
