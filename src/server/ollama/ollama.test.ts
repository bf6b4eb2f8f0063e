/** Ollama's own client against the bundled model, and against one of embeddings. */
import { readFileSync } from 'node:fs';
import { Ollama } from 'ollama';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { relativeError } from '../../../test/relative-error.ts';
import { post, serverRig } from '../../../test/server-rig.ts';
import { wordEmbedder } from '../../../test/word-embedder.ts';
import { listen } from '../../cli/serve/listen.ts';
import type { Listener } from '../../cli/serve/listen.ts';
import { collect } from '../../engine/collect.ts';
import { modelLoader } from '../../node/model-loader.ts';
import { bundledModelPath } from '../../node/package-root.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';
import { ROUTES } from '../routes.ts';

const rig = serverRig();
const words = wordEmbedder();
const client = () => new Ollama({ host: rig.origin });
const question = { role: 'user', content: 'Tell me a story about a fox.' };
const options = { temperature: 0, num_predict: 12 };
const own = (rest: object = {}) => collect(rig.model.generate({ messages: [question], temperature: 0, maxTokens: 12, ...rest }));

describe("chats, by Ollama's client", () => {
  it('answer as the engine does, with counts and nanoseconds', async () => {
    const [answer, expected] = [await client().chat({ model: 'ember', messages: [question], options }), await own()];
    expect(answer).toMatchObject({
      model: 'ember', message: { role: 'assistant', content: expected.content }, done: true, done_reason: 'length',
      prompt_eval_count: expected.usage.promptTokens, eval_count: 12,
    });
    expect(Date.parse(String(answer.created_at))).toBeGreaterThan(Date.now() - 60_000);
    const { total_duration: total, prompt_eval_duration: prefill, eval_duration: decode, load_duration: load } = answer;
    expect(total).toBeGreaterThan(1e6);
    expect(total).toBeGreaterThanOrEqual(decode + load);
    for (const one of [total, prefill, decode, load]) expect(Number.isInteger(one)).toBe(true);
  });

  it('stream lines that add up to the answer, with logprobs where asked for', async () => {
    const asked = { model: 'ember:latest', messages: [question], options, logprobs: true, top_logprobs: 2 };
    const stream = await client().chat({ ...asked, stream: true });
    const parts = [];
    for await (const part of stream) parts.push(part);
    const expected = await own({ logprobs: 2 });
    expect(parts.map(({ message }) => message.content).join('')).toBe(expected.content);
    expect(parts.slice(0, -1).every(({ done }) => !done)).toBe(true);
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: 'length', eval_count: 12 });
    const logprobs = parts.flatMap((part) => part.logprobs ?? []);
    expect(logprobs.map(({ logprob }) => logprob)).toEqual(expected.logprobs!.map(({ logprob }) => logprob));
    expect(logprobs[0]!.top_logprobs).toHaveLength(2);
  });

  it('obey options as the engine has them', async () => {
    const given = { seed: 5, temperature: 0.8, top_k: 30, top_p: 0.9, min_p: 0.05, repeat_penalty: 1.2, num_predict: 12, stop: [' the'] };
    const answer = await client().chat({ model: 'ember', messages: [question], options: given });
    const expected = await own({ seed: 5, temperature: 0.8, topK: 30, topP: 0.9, minP: 0.05, repetitionPenalty: 1.2, stop: [' the'] });
    expect(answer.message.content).toBe(expected.content);
    const all = await client().chat({ model: 'ember', messages: [question], options: { temperature: 0, num_predict: -1, num_ctx: 512 } });
    expect(all.message.content).toBe((await own({ maxTokens: undefined })).content);
  });

  it('are JSON, of any form or by a schema', async () => {
    const more = { temperature: 0, num_predict: 200 };
    const plain = await client().chat({ model: 'ember', messages: [question], format: 'json', options: more });
    expect(typeof JSON.parse(plain.message.content)).toBe('object');
    const format = { type: 'object', properties: { animal: { enum: ['fox', 'cat'] } }, required: ['animal'], additionalProperties: false };
    const { message } = await client().chat({ model: 'ember', messages: [question], format, options: more });
    expect(JSON.parse(message.content)).toEqual({ animal: expect.stringMatching(/fox|cat/) });
  });

  it('call tools, whole and streamed, and take their results', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const tools = [{ type: 'function', function: { name: 'weather', description: 'The weather in a city.', parameters } }];
    const messages = [{ role: 'user', content: 'What is the weather in Paris?' }];
    const asked = { model: 'ember', messages, tools, options: { temperature: 0, num_predict: 80 } };
    const { message } = await client().chat(asked);
    expect(message.tool_calls).toEqual([{ function: { name: 'weather', arguments: { city: expect.any(String) } } }]);
    const streamed = [];
    for await (const part of await client().chat({ ...asked, stream: true })) streamed.push(...(part.message.tool_calls ?? []));
    expect(streamed).toEqual(message.tool_calls);
    const result = { role: 'tool', content: 'Rain.', tool_name: 'weather' };
    const after = await client().chat({ ...asked, messages: [...messages, message, result] });
    expect(after.message.content).not.toBe('');
  });

  it('end when the client aborts', async () => {
    const leaving = client();
    const long = { temperature: 0, num_predict: 400 };
    const stream = await leaving.chat({ model: 'ember', messages: [question], stream: true, options: long });
    await expect((async () => {
      for await (const part of stream) if (!part.done) leaving.abort();
    })()).rejects.toThrow(/abort/i);
    while (rig.server.active > 0 || rig.model.info.load.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(rig.model.info.load.running).toBe(0);
  });
});

describe('prompts', () => {
  it('are questions, with a message of the system, or go on as they are with raw', async () => {
    const { response } = await client().generate({ model: 'ember', prompt: question.content, options });
    expect(response).toBe((await own()).content);
    const system = await client().generate({ model: 'ember', prompt: question.content, system: 'Be brief.', options });
    const messages = [{ role: 'system', content: 'Be brief.' }, question];
    expect(system.response).toBe((await collect(rig.model.generate({ messages, temperature: 0, maxTokens: 12 }))).content);
    const raw = await client().generate({ model: 'ember', prompt: 'Once upon a time', raw: true, options });
    const expected = await collect(rig.model.generate({ prompt: 'Once upon a time', temperature: 0, maxTokens: 12 }));
    expect([raw.response, raw.prompt_eval_count]).toEqual([expected.text, expected.usage.promptTokens]);
  });

  it('with a suffix are filled in, to the end of the context', async () => {
    const { model } = await loadFakeModel({
      contextLength: 64, text: { infillTokens: { prefix: 270, suffix: 271, middle: 272, ends: [273] } },
    });
    const server = createServer({ models: { fake: model } });
    const body = { model: 'fake', prompt: 'let x =', suffix: ';', stream: false, options: { temperature: 0 } };
    const request = new Request('http://localhost/api/generate', { method: 'POST', body: JSON.stringify(body) });
    const answer = await (await server.fetch(request)).json() as any;
    const maxTokens = 64 - answer.prompt_eval_count;
    const { usage, text } = await collect(model.infill({ prefix: 'let x =', suffix: ';', temperature: 0, maxTokens }));
    expect(answer).toMatchObject({ response: text, eval_count: usage.completionTokens, done_reason: 'length' });
    await model.dispose();
  });
});

describe('what is not obeyed', () => {
  it.each([
    ['chat', { options: { mirostat: 1 } }, 400, /^options.mirostat is not obeyed here: the sampler has no such step/],
    ['chat', { options: { num_ctx: 4096 } }, 400, /options.num_ctx 4096 is more than the 512 tokens/],
    ['chat', { options: { num_gpu: 1 } }, 400, /options.num_gpu is not obeyed here: it is a setting of the server/],
    ['chat', { options: { temprature: 1 } }, 400, /Unknown parameter: options.temprature. Did you mean temperature/],
    ['chat', { think: 'high' }, 400, /think must be true or false/],
    ['chat', { truncate: true }, 400, /truncate is not obeyed here/],
    ['chat', { messages: [{ role: 'user', content: 'a', images: ['aGk='] }] }, 400, /this model sees no images/],
    ['chat', { top_logprobs: 2 }, 400, /only for requests with logprobs/],
    ['chat', { keep_alive: 'soon' }, 400, /keep_alive must be seconds/],
    ['chat', { model: 'other' }, 404, /There is no model of this name here/],
    ['generate', { template: '{{ .Prompt }}' }, 400, /template is not obeyed here: the model's own/],
    ['generate', { context: [1, 2] }, 400, /context is not obeyed here: send the conversation/],
    ['generate', { images: ['aGk='] }, 400, /this model sees no images/],
    ['generate', { images: ['aGk='], raw: true }, 400, /images goes into the chat template/],
    ['generate', { raw: true, system: 'a' }, 400, /system goes into the chat template/],
    ['generate', { suffix: 'a', think: true }, 400, /think goes into the chat template/],
    ['generate', { suffix: 'a' }, 400, /a suffix and the middle/],
    ['embed', { input: 'a' }, 400, /makes no embeddings/],
    ['pull', {}, 403, /start it with --allow-downloads/],
    ['push', {}, 400, /ingot serve NAME=PATH/],
  ] as const)('%s %j is refused', async (route, body, status, message) => {
    const asked = route === 'chat' ? { messages: [question] } : route === 'generate' ? { prompt: 'a' } : {};
    const answer = await post(`${rig.origin}/api/${route}`, { model: 'ember', ...asked, ...body });
    expect([answer.status, Object.keys(answer.body)]).toEqual([status, ['error']]);
    expect(answer.body.error).toMatch(message);
  });

  it("is told by the client as the server says it; its declarations' members are all known", async () => {
    await expect(client().pull({ model: 'llama' })).rejects.toThrow(/start it with --allow-downloads/);
    await expect(client().delete({ model: 'ember' })).rejects.toThrow(/start the server with their files/);
    const text = readFileSync(new URL('../../../node_modules/ollama/dist/browser.d.ts', import.meta.url), 'utf8');
    const membersOf = (name: string) =>
      [...(new RegExp(`interface ${name} \\{\\n([^]*?)\\n\\}`).exec(text)?.[1] ?? '').matchAll(/^ {4}(\w+)\??:/gm)]
        .map(([, one]) => one!);
    const tables = {
      ChatRequest: 'chat', GenerateRequest: 'generate', EmbedRequest: 'embed', EmbeddingsRequest: 'embeddings', ShowRequest: 'show',
      PullRequest: 'pull',
    };
    for (const [name, route] of Object.entries(tables)) {
      const { parameters = {} } = ROUTES.find(({ path }) => path === `/api/${route}`)!;
      expect(membersOf(name)).toContain('model');
      expect(membersOf(name).filter((member) => !(member in parameters))).toEqual([]);
    }
    const chat: any = ROUTES.find(({ path }) => path === '/api/chat')!.parameters;
    expect(membersOf('Options').length).toBeGreaterThan(20);
    expect(membersOf('Options').filter((member) => !(member in chat.options.table))).toEqual([]);
  });
});

describe('models', () => {
  let server: Server;
  let listener: Listener;
  let ollama: Ollama;
  beforeAll(async () => {
    const load = () => modelLoader(bundledModelPath(), { device: 'cpu', threads: 1, contextLength: 128 });
    server = createServer({ models: { a: load(), b: load() }, aliases: { c: 'a' }, idleMs: 60_000 });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
    ollama = new Ollama({ host: listener.origin });
  });
  afterAll(async () => {
    listener.destroy();
    await listener.close();
    await server.close();
  });

  it('are listed, loaded by an empty request, shown, and freed by keep_alive 0', async () => {
    expect((await ollama.list()).models.map(({ name }) => name)).toEqual(['a', 'c', 'b']);
    // Its command line breaks where a digest is shorter; of aliases it is one model's.
    const digests = (await ollama.list()).models.map(({ digest }) => digest);
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await ollama.list()).models.map(({ digest }) => digest)).toEqual(digests);
    expect(new Set(digests).size).toBe(2);
    expect((await ollama.ps()).models).toEqual([]);
    const loaded = await ollama.generate({ model: 'a', prompt: '', keep_alive: '10m' });
    expect(loaded).toMatchObject({ done: true, done_reason: 'load', response: '' });
    const { models: [running] } = await ollama.ps();
    expect(digests).toContain(running!.digest);
    const details = { family: expect.any(String), parameter_size: expect.stringMatching(/M$/) };
    expect(running).toMatchObject({ name: 'a', context_length: 128, details });
    const until = Date.parse(String(running!.expires_at)) - Date.now();
    expect([until > 590_000, until <= 600_000]).toEqual([true, true]);
    const shown = await ollama.show({ model: 'a' });
    expect(shown).toMatchObject({ capabilities: ['completion'], parameters: expect.stringContaining('temperature') });
    await ollama.chat({ model: 'a', messages: [question], keep_alive: -1, options: { num_predict: 1 } });
    expect(String((await ollama.ps()).models[0]!.expires_at)).toMatch(/^9999/);
    expect(await ollama.chat({ model: 'a', messages: [], keep_alive: 0 })).toMatchObject({ done_reason: 'unload' });
    expect((await ollama.ps()).models).toEqual([]);
    await ollama.chat({ model: 'b', messages: [question], keep_alive: 0, options: { num_predict: 1 } });
    while ((await ollama.ps()).models.length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await ollama.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

it('texts become the vectors that transformers makes of them, whole and cut', async () => {
  const { folder, texts, ids, vectors } = words;
  const server = createServer({ models: { embedder: modelLoader(folder, { device: 'cpu' }) } });
  const listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  try {
    const ollama = new Ollama({ host: listener.origin });
    const { embeddings, prompt_eval_count: tokens } = await ollama.embed({ model: 'embedder', input: [...texts] });
    expect([embeddings.length, tokens]).toEqual([texts.length, ids.flat().length]);
    for (const [i, expected] of vectors.entries()) expect(relativeError(embeddings[i]!, expected)).toBeLessThan(1e-4);
    const { embeddings: [cut] } = await ollama.embed({ model: 'embedder', input: texts[1]!, dimensions: 2 });
    const first = vectors[1]!.subarray(0, 2);
    expect(relativeError(cut!, first.map((value) => value / Math.hypot(...first)))).toBeLessThan(1e-4);
    const { embedding } = await ollama.embeddings({ model: 'embedder', prompt: texts[1]! });
    expect(relativeError(embedding, vectors[1]!)).toBeLessThan(1e-4);
  } finally {
    listener.destroy();
    await listener.close();
    await server.close();
  }
});
