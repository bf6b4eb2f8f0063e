import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { relativeError } from '../../../test/relative-error.ts';
import { eventsOf, post, serverRig } from '../../../test/server-rig.ts';
import { wordEmbedder } from '../../../test/word-embedder.ts';
import { collect } from '../../engine/collect.ts';
import { modelLoader } from '../../node/model-loader.ts';
import { createServer } from '../create-server.ts';
import { isRefused } from '../parameter-table.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { ROUTES } from '../routes.ts';

const words = wordEmbedder();
const rig = serverRig({ limits: { texts: 5 } }, (ember) => ({
  ember, embedder: modelLoader(words.folder, { device: 'cpu' }), ranker: modelLoader(`${fixturesPath}rerank`, { device: 'cpu' }),
}));
const client = () => new OpenAI({ baseURL: `${rig.origin}/v1`, apiKey: 'none', maxRetries: 0 });
const prompt = 'Once upon a time';

describe('completions', () => {
  const request = { model: 'ember', prompt, temperature: 0, max_tokens: 8 };

  it('go on with a text, or with ids, as the engine does', async () => {
    const expected = await collect(rig.model.generate({ prompt, temperature: 0, maxTokens: 8 }));
    const answer = await client().completions.create(request);
    expect(answer.choices).toEqual([{ index: 0, text: expected.text, logprobs: null, finish_reason: 'length' }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: expected.usage.promptTokens, completion_tokens: 8 });
    const ids = rig.model.tokenizer.encode(prompt, { addSpecial: true });
    const fromIds = await client().completions.create({ ...request, prompt: ids });
    const engine = await collect(rig.model.generate({ ids, temperature: 0, maxTokens: 8 }));
    expect(fromIds.choices[0].text).toBe(engine.text);
  });

  it('of several prompts come in their order, n of each, streamed alike', async () => {
    const many = { ...request, prompt: [prompt, 'The fox'], n: 2, temperature: 1, seed: 3 };
    const whole = await client().completions.create(many);
    const texts = ['', '', '', ''];
    for await (const { choices } of await client().completions.create({ ...many, stream: true }))
      for (const { index, text } of choices) texts[index] += text;
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(whole.choices.map(({ text }) => text)).toEqual(texts);
    const alone = await client().completions.create({ ...many, prompt: 'The fox' });
    expect(alone.choices.map(({ text }) => text)).toEqual(texts.slice(2));
  });

  it('end after 16 tokens where no number is named, as the reference says', async () => {
    const { usage } = await client().completions.create({ model: 'ember', prompt, temperature: 0 });
    expect(usage?.completion_tokens).toBe(16);
  });

  it('have their token ids beside them, whole and streamed, and go on past end tokens where that is asked for', async () => {
    const ids = rig.model.tokenizer.encode(prompt);
    const end = rig.model.tokenizer.endIds.values().next().value as number;
    const body = { ...request, prompt: ids, max_tokens: 6, ignore_eos: true, return_token_ids: true, logit_bias: { [end]: 100 } };
    const { body: { choices: [whole], usage } } = await post(`${rig.origin}/v1/completions`, body);
    expect(whole).toMatchObject({ finish_reason: 'length', token_ids: expect.arrayContaining([end]) });
    expect(whole.token_ids.length).toBe(usage.completion_tokens);
    expect((await post(`${rig.origin}/v1/completions`, { ...body, ignore_eos: false })).body.choices[0].finish_reason).toBe('stop');
    const prompts = { completions: { prompt: ids }, 'chat/completions': { messages: [{ role: 'user', content: 'Hi' }] } };
    for (const [route, asked] of Object.entries(prompts)) {
      const text = JSON.stringify({ ...body, prompt: undefined, ...asked, stream: true });
      const events = eventsOf(await (await fetch(`${rig.origin}/v1/${route}`, { method: 'POST', body: text })).text());
      const streamed = events.flatMap((event) => event.choices?.[0]?.token_ids ?? []);
      expect(streamed.length).toBe(6);
      if (route === 'completions') expect(streamed).toEqual(whole.token_ids);
    }
  });

  it('have log probabilities at the places of their tokens', async () => {
    const { choices: [{ text, logprobs }] } = await client().completions.create({ ...request, logprobs: 2 });
    expect(logprobs?.tokens?.join('')).toBe(text);
    expect(logprobs?.text_offset).toEqual(logprobs?.tokens?.map((_, i, tokens) => tokens.slice(0, i).join('').length));
    expect(Object.keys(logprobs?.top_logprobs?.[0] ?? {}).length).toBe(2);
  });

  it.each([
    [{ echo: 1 }, 'echo'], [{ best_of: 0 }, 'best_of'], [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', 3] }, 'prompt'], [{ prompt: [-1] }, 'prompt'], [{ logprobs: 21 }, 'logprobs'], [{ messages: [] }, 'messages'],
    [{ prompt: Array.from({ length: 17 }, () => 'a') }, 'n'],
  ])('%j is refused by name', async (body, param) => {
    const answer = await post(`${rig.origin}/v1/completions`, { ...request, ...body });
    expect([answer.status, answer.body.error.param.split('[')[0]]).toEqual([400, param]);
  });

  it('end a stream with [DONE]', async () => {
    const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
    const events = eventsOf(await (await fetch(`${rig.origin}/v1/completions`, { method: 'POST', body })).text());
    expect(events.at(-1)).toBe('[DONE]');
    expect(events.at(-2)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
  });
});

describe("embeddings, by OpenAI's client", () => {
  it('are the vectors that transformers makes, whether floats or base64, which the client asks for', async () => {
    const found: (readonly number[])[][] = [];
    for (const format of [undefined, 'float', 'base64'] as const) {
      const { data, usage } = await client().embeddings.create({ model: 'embedder', input: [...words.texts], encoding_format: format });
      found.push(data.map(({ embedding }) =>
        typeof embedding === 'string' ? [...new Float32Array(Uint8Array.from(Buffer.from(embedding, 'base64')).buffer)] : embedding));
      const tokens = words.ids.flat().length;
      expect(usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
    }
    for (const [i, expected] of words.vectors.entries()) expect(relativeError(found[0]![i]!, expected)).toBeLessThan(1e-4);
    expect(found.slice(1)).toEqual([found[0], found[0]]);
  });

  it('of ids, with fewer numbers, and no more than the server takes', async () => {
    const { data } = await client().embeddings.create({ model: 'embedder', input: [...words.ids[1]!], dimensions: 3 });
    const first = words.vectors[1]!.subarray(0, 3);
    expect(relativeError(data[0]!.embedding, first.map((value) => value / Math.hypot(...first)))).toBeLessThan(1e-4);
    const tooMany = await post(`${rig.origin}/v1/embeddings`, { model: 'embedder', input: ['a', 'a', 'a', 'a', 'a', 'a'] });
    expect(tooMany.body.error).toMatchObject({ param: 'input', code: 'too_many' });
  });

  it('are refused of a model that predicts tokens', async () => {
    const answer = await post(`${rig.origin}/v1/embeddings`, { model: 'ember', input: 'a' });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'unsupported_model']);
  });
});

describe('rerank', () => {
  it('gives the best first by the scores that transformers gives, as many as asked for', async () => {
    const golden = JSON.parse(readFileSync(`${fixturesPath}rerank/golden.json`, 'utf8')) as any;
    // The server refuses an empty document.
    const { query, ...all } = golden.cases[0];
    const [documents, scores] = [all.documents, all.scores].map((list) => list.filter((_: unknown, i: number) => all.documents[i] !== ''));
    const asked = documents.map((text: string, i: number) => (i === 1 ? { text } : text));
    const { body } = await post(`${rig.origin}/v1/rerank`, { model: 'ranker', query, documents: asked, top_n: 3, return_documents: true });
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, 3);
    expect(body.results).toEqual(order.map((index) => ({
      index, relevance_score: expect.closeTo(scores[index], 4), document: { text: documents[index] },
    })));
    expect(body.usage.total_tokens).toBeGreaterThan(documents.length * 20);
  });

  it('is refused of a model that does not rank, in words of its own', async () => {
    const answer = await post(`${rig.origin}/v1/rerank`, { model: 'ember', query: 'q', documents: ['a'] });
    expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining('Qwen3-Reranker')]);
  });
});

describe('tokens of a text', () => {
  it('are those of the tokenizer, and lead back to it', async () => {
    const { body } = await post(`${rig.origin}/tokenize`, { model: 'ember', prompt, add_special_tokens: false, return_token_strs: true });
    expect(body.tokens).toEqual(rig.model.tokenizer.encode(prompt));
    expect([body.count, body.token_strs.length]).toEqual([body.tokens.length, body.tokens.length]);
    const back = await post(`${rig.origin}/detokenize`, { model: 'ember', tokens: body.tokens });
    expect(back.body).toEqual({ prompt });
  });

  it('of a conversation are those that a chat reads; the one model need not be named', async () => {
    const messages = [{ role: 'user', content: 'Who is Ash?' }];
    const { body } = await post(`${rig.origin}/tokenize`, { model: 'ember', messages, add_generation_prompt: true });
    expect(body.tokens).toEqual([...rig.model.promptIds({ messages })]);
    const chat = await post(`${rig.origin}/v1/chat/completions`, { model: 'ember', messages, max_tokens: 1 });
    expect(body.count).toBe(chat.body.usage.prompt_tokens);
    const server = createServer({ models: { one: rig.model } });
    const asked = async (path: string, given: object) => (await server.fetch(
      new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(given) }),
    )).json() as any;
    expect((await asked('/tokenize', { messages })).tokens).toEqual(body.tokens);
    expect((await asked('/detokenize', { tokens: rig.model.tokenizer.encode('fox') })).prompt).toBe('fox');
    const several = createServer({ models: { one: rig.model, two: rig.model } });
    const refused = await several.fetch(new Request('http://localhost/tokenize', { method: 'POST', body: JSON.stringify({ messages }) }));
    expect(await refused.json()).toMatchObject({ error: { param: 'model', code: 'missing_required_parameter' } });
  });

  it.each([
    [{}, 'prompt'], [{ prompt, messages: [{ role: 'user', content: 'a' }] }, 'prompt'], [{ prompt, tools: [] }, 'tools'],
    [{ messages: [{ role: 'user', content: 'a' }], add_special_tokens: true }, 'add_special_tokens'],
    [{ messages: [{ role: 'user', content: 'a' }], add_generation_prompt: false }, 'add_generation_prompt'],
    [{ messages: [{ role: 'user', content: 'x'.repeat(100_000) }] }, 'messages'],
  ])('of %j are refused by name', async (body, param) => {
    const answer = await post(`${rig.origin}/tokenize`, { model: 'ember', ...body });
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
  });

  it('that do not exist, or are of a text that is far too long, are refused', async () => {
    const answer = await post(`${rig.origin}/detokenize`, { model: 'ember', tokens: [1, 99_999_999] });
    expect(answer.body.error.param).toBe('tokens[1]');
    const long = await post(`${rig.origin}/tokenize`, { model: 'ember', prompt: 'x'.repeat(100_000) });
    expect(long.body.error.code).toBe('too_long');
  });
});

it('every parameter that is refused by name is in docs/server.md', () => {
  const docs = readFileSync(new URL('../../../docs/server.md', import.meta.url), 'utf8');
  const refusedOf = (table: ParameterTable): (readonly [string, unknown])[] => Object.entries(table).flatMap(([name, one]) => {
    if ('table' in one) return refusedOf(one.table);
    return isRefused(one) ? [[name, one] as const] : [];
  });
  const refused = ROUTES.flatMap(({ parameters = {} }) => refusedOf(parameters));
  expect(refused.length).toBeGreaterThan(10);
  expect(refused.map(([name]) => name).filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
  expect(ROUTES.map(({ path }) => path).filter((path) => !docs.includes(`\`${path}\``))).toEqual([]);
});
