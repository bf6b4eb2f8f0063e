/** The client of servers, against `ingot serve`'s own and against one that is a script. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverRig } from '../../../test/server-rig.ts';
import type { EngineSettings, OpenEngine } from '../engine.ts';
import { answerOf, createOpenAiClient } from './openai-client.ts';
import { openAiEngine } from './openai-engine.ts';

const settingsOf = (origin: string, modelName: string): EngineSettings => ({
  modelPath: 'm.gguf', modelName, device: 'cpu', contextLength: 512, purpose: 'tokens', url: `${origin}/v1`,
});
const ids = (count: number, from = 1) => Array.from({ length: count }, (_, i) => 300 + ((from + 17 * i) % 900));

describe('an engine at a URL', () => {
  const rig = serverRig();
  let engine: OpenEngine;
  beforeAll(async () => void (engine = await openAiEngine.open(settingsOf(rig.origin, 'ember'))));

  it('sends ids where the server takes them, and says what it found', () => {
    expect(engine.facts.flags).toEqual({ server: 'ingot serve', weights: "the server's own", prompts: 'ids', pastEndTokens: 'asked for' });
    expect(engine.facts.version).toMatch(/^\d+\.\d+/);
  });

  it('times prompts, answers, turns, streams and forms', async () => {
    expect(await engine.prefill!(ids(64))).toBeGreaterThan(0);
    expect(await engine.firstToken!(ids(16))).toBeGreaterThan(0);
    const turns = await engine.converse!({ turns: [ids(8), ids(8, 5)], answerTokens: 6, reusesPrefix: true });
    expect(turns.map(({ firstMs }) => firstMs > 0)).toEqual([true, true]);
    const { streams } = await engine.serve!([{ ids: ids(16), answerTokens: 8 }, { ids: ids(24, 3), answerTokens: 8 }]);
    expect(streams.map(({ arrivals }) => arrivals.reduce((sum, { tokens }) => sum + tokens, 0))).toEqual([9, 9]);
    const schema = { type: 'object', properties: { isReady: { type: 'boolean' } }, required: ['isReady'] };
    const form = await engine.answerInForm!({ ids: ids(16), schema, maxTokens: 40 });
    expect([typeof (JSON.parse(form.text) as { isReady: unknown }).isReady, form.hasEnded]).toEqual(['boolean', true]);
    // No prompt was in a cache: each begins as none before it.
    const served = rig.records.filter(({ route, promptTokens }) => route === '/v1/completions' && promptTokens >= 16);
    expect(served.length).toBeGreaterThanOrEqual(7);
    expect(served.filter(({ cachedTokens }) => cachedTokens > 0)).toEqual([]);
  });

  // Its rate is of the times of its pieces, which may come late and together: rates are in remote-engine.test.ts.
  it('has as many tokens as were asked for, of the ids that were sent', async () => {
    const client = await createOpenAiClient({ url: `${rig.origin}/v1`, model: 'ember', key: undefined });
    for (const count of [1, 13]) {
      const { arrivals, tokens, promptTokens, cachedTokens, hasEnded } = await client.complete(ids(16), count);
      expect([tokens, promptTokens, cachedTokens, hasEnded]).toEqual([count, 16, 0, false]);
      expect(arrivals.reduce((sum, piece) => sum + piece.tokens, 0)).toBe(count);
      expect(arrivals.map(({ ms }) => ms)).toEqual(arrivals.map(({ ms }) => ms).toSorted((a, b) => a - b));
    }
  });

  it('tells of a model that is not there, and of nobody at all', async () => {
    await expect(openAiEngine.open(settingsOf(rig.origin, 'other'))).rejects.toThrow('has no model "other"; it lists ember');
    const nobody = openAiEngine.open(settingsOf('http://127.0.0.1:1', 'ember'));
    await expect(nobody).rejects.toThrow('nobody answers at http://127.0.0.1:1/v1/models');
  });
});

describe('a server that knows the usual form alone', () => {
  const asked: any[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') return void response.end('{"data":[{"id":"small"}]}');
    if (request.url !== '/v1/chat/completions') return void response.writeHead(404).end('{"error":{"message":"no such page"}}');
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => {
      const body = JSON.parse(text);
      asked.push({ ...body, key: request.headers.authorization });
      if (body.ignore_eos === true) return void response.writeHead(400).end('{"error":{"message":"unknown field"}}');
      const send = (value: object) => response.write(`: alive\r\n\r\ndata: ${JSON.stringify(value)}\r\n\r\n`);
      send({ choices: [{ delta: { role: 'assistant', content: '' } }] });
      for (let sent = 0; sent < 4; sent++) send({ choices: [{ delta: { content: 'two words ' } }] });
      send({ choices: [{ delta: {}, finish_reason: 'length' }] });
      send({ choices: [], usage: { prompt_tokens: 50, completion_tokens: 8, prompt_tokens_details: { cached_tokens: 10 } } });
      response.end('data: [DONE]\n\n');
    });
  });
  let origin = '';
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => {
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    resolve();
  })));
  afterAll(() => void server.close());

  it('is sent words, and what it counts as tokens counts', async () => {
    process.env['INGOT_TEST_KEY'] = 'secret';
    const engine = await openAiEngine.open({ ...settingsOf(origin, 'small'), keyVariable: 'INGOT_TEST_KEY' });
    expect(engine.facts).toMatchObject({ version: 'unknown', flags: { server: 'unknown', prompts: 'words', pastEndTokens: 'refused' } });
    expect(JSON.stringify(engine.facts)).not.toContain('secret');
    expect(asked.at(-1).key).toBe('Bearer secret');
    const client = await createOpenAiClient({ url: `${origin}/v1`, model: 'small', key: 'secret' });
    const answer = await client.complete(ids(12), 8);
    expect(answer).toMatchObject({ text: 'two words '.repeat(4), tokens: 8, promptTokens: 50, cachedTokens: 10, hasEnded: false });
    expect(answer.arrivals.map(({ tokens }) => tokens)).toEqual([2, 2, 2, 2]);
    expect(asked.at(-1)).toMatchObject({ key: 'Bearer secret', max_tokens: 8 });
    expect(asked.at(-1).messages[0].content.split(' ')).toHaveLength(13);
    await expect(engine.decode!(ids(12), 100)).rejects.toThrow('ended its answer after 8 of 101 tokens');
    delete process.env['INGOT_TEST_KEY'];
    const keyless = openAiEngine.open({ ...settingsOf(origin, 'small'), keyVariable: 'INGOT_TEST_KEY' });
    await expect(keyless).rejects.toThrow('INGOT_TEST_KEY of its key');
  });
});

it('spreads the tokens that a server counts over the pieces that came', () => {
  const event = (at: number, content: string) => ({ at, value: { choices: [{ delta: { content } }] } });
  const usage = { at: 40, value: { choices: [], usage: { prompt_tokens: 3, completion_tokens: 7 } } };
  const answer = answerOf([event(10, 'a'), event(20, 'b'), event(30, 'c'), usage], 5);
  expect(answer.arrivals).toEqual([{ ms: 5, tokens: 2 }, { ms: 15, tokens: 2 }, { ms: 25, tokens: 3 }]);
  expect(() => answerOf([event(10, 'a')], 5)).toThrow('does not count tokens');
});

/** As llama-server of commit 80fb11a wrote it (run here, build 1), the text of pieces aside; its options are in tools/server/README.md. */
const LLAMA_END = {
  choices: [{ text: '', index: 0, logprobs: null, finish_reason: 'length' }], system_fingerprint: 'b1-80fb11a', object: 'text_completion',
  usage: { completion_tokens: 3, prompt_tokens: 8, total_tokens: 11, prompt_tokens_details: { cached_tokens: 0 } },
  timings: { cache_n: 0, prompt_n: 8, prompt_ms: 205.961, predicted_n: 3, predicted_ms: 196.647, predicted_per_second: 10.17 },
};

it('reads the end of an answer of llama-server, its own clock and its name among it', () => {
  const piece = (at: number, text: string) => ({ at, value: { choices: [{ text, index: 0, finish_reason: null }] } });
  const answer = answerOf([piece(210, 'C'), piece(300, 'le'), piece(400, 'o'), { at: 406, value: LLAMA_END }], 0);
  expect(answer).toMatchObject({ text: 'Cleo', tokens: 3, promptTokens: 8, hasEnded: false, decodeMs: 196.647, fingerprint: 'b1-80fb11a' });
});

it('needs a URL and a name', () => {
  expect(openAiEngine.problem({ modelPath: 'm.gguf' })).toContain('"url"');
  expect(openAiEngine.problem({ modelPath: 'm.gguf', url: 'http://a/v1' })).toContain('"as" of the model');
});
