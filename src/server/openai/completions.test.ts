/** What completions do beside going on with a text: echo, the best of several, and texts between two others. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeGreedy, fakeTokenizer, loadFakeModel } from '../../../test/fake-model.ts';
import { post, serverRig } from '../../../test/server-rig.ts';
import { collect, collectChoices } from '../../engine/collect.ts';
import type { Model } from '../../engine/api.ts';
import { createServer } from '../create-server.ts';

const rig = serverRig();
const client = () => new OpenAI({ baseURL: `${rig.origin}/v1`, apiKey: 'none', maxRetries: 0 });
const prompt = 'Once upon a time';
const request = { model: 'ember', prompt, temperature: 0, max_tokens: 5 };

describe('echo', () => {
  it('gives the prompt before the answer, whole and streamed, and counts it as no answer', async () => {
    const plain = await client().completions.create(request);
    const echoed = await client().completions.create({ ...request, echo: true });
    expect(echoed.choices[0]!.text).toBe(prompt + plain.choices[0]!.text);
    expect(echoed.usage).toMatchObject({ prompt_tokens: plain.usage!.prompt_tokens, completion_tokens: 5 });
    let text = '';
    for await (const { choices } of await client().completions.create({ ...request, echo: true, stream: true })) text += choices[0]?.text;
    expect(text).toBe(echoed.choices[0]!.text);
  });

  it('with logprobs says how likely the tokens of the prompt were', async () => {
    const { choices: [choice] } = await client().completions.create({ ...request, echo: true, logprobs: 2 });
    const { tokens, token_logprobs: logprobs, top_logprobs: top, text_offset: offsets } = choice!.logprobs!;
    const ids = rig.model.tokenizer.encode(prompt, { addSpecial: true });
    expect(tokens).toHaveLength(ids.length + 5);
    expect([logprobs![0], top![0]]).toEqual([null, null]);
    const logits = await rig.model.forward(ids);
    const vocab = logits.length / ids.length;
    for (const [position, id] of ids.slice(1).entries()) {
      const row = Array.from(logits.subarray(position * vocab, (position + 1) * vocab));
      const most = Math.max(...row);
      const sum = row.reduce((total, logit) => total + Math.exp(logit - most), 0);
      expect(logprobs![position + 1]).toBeCloseTo(row[id]! - most - Math.log(sum), 3);
    }
    expect(choice!.text.slice(offsets!.at(-1)).startsWith(tokens!.at(-1)!)).toBe(true);
  });

  it('with max_tokens 0 is the prompt alone, and nothing counts as an answer', async () => {
    const asked = { ...request, echo: true, logprobs: 1 };
    const { choices: [longer] } = await client().completions.create(asked);
    const { choices: [choice], usage } = await client().completions.create({ ...asked, max_tokens: 0 });
    const length = rig.model.tokenizer.encode(prompt, { addSpecial: true }).length;
    expect(choice).toMatchObject({ text: prompt, finish_reason: 'length' });
    expect(choice!.logprobs!.token_logprobs).toEqual(longer!.logprobs!.token_logprobs!.slice(0, length));
    expect([usage!.completion_tokens, rig.records.at(-1)!.completionTokens]).toEqual([0, 0]);
    let text = '';
    for await (const { choices } of await client().completions.create({ ...asked, max_tokens: 0, stream: true })) text += choices[0]?.text;
    expect(text).toBe(prompt);
  });
});

describe('best_of', () => {
  it('gives the likeliest of so many answers', async () => {
    const options = { prompt, temperature: 1, topK: 0, seed: 7, maxTokens: 6, n: 4, logprobs: 0 };
    const made = await collectChoices(rig.model.generate(options));
    const mean = (answer: (typeof made)[number]) => answer.logprobs!.reduce((sum, { logprob }) => sum + logprob, 0) / answer.tokens.length;
    const expected = made.toSorted((a, b) => mean(b) - mean(a)).map(({ text }) => text);
    const body = { ...request, temperature: 1, top_k: 0, seed: 7, max_tokens: 6, best_of: 4 };
    const { choices, usage } = await client().completions.create({ ...body, n: 2 } as any);
    expect(choices.map(({ text, index, logprobs }) => [text, index, logprobs])).toEqual([[expected[0], 0, null], [expected[1], 1, null]]);
    expect(usage!.completion_tokens).toBe(made.reduce((sum, { usage: own }) => sum + own.completionTokens, 0));
    expect(new Set(expected).size).toBeGreaterThan(1);
  });

  it.each([
    [{ best_of: 1, n: 2 }, 'best_of', /best_of 1 is fewer than n 2/],
    [{ best_of: 2, stream: true }, 'best_of', /not for streams/],
    [{ best_of: 17 }, 'n', /more than this server answers at once, 16/],
    [{ echo: true, suffix: 'a' }, 'echo', /contradict each other/],
    [{ prompt: [1, 2], suffix: 'a' }, 'suffix', /for prompts that are texts/],
    [{ suffix: 'a' }, 'suffix', /a suffix and the middle; this one has none/],
    [{ prompt: [] }, 'prompt', /^prompt has 0 entries, at least 1 is needed/],
  ])('%j is refused', async (body, param, message) => {
    const { status, body: { error } } = await post(`${rig.origin}/v1/completions`, { ...request, ...body });
    expect([status, error.param]).toEqual([400, param]);
    expect(error.message).toMatch(message);
  });
});

describe('suffix', () => {
  let model: Model;
  beforeAll(async () => {
    ({ model } = await loadFakeModel({ text: { infillTokens: { prefix: 270, suffix: 271, middle: 272, ends: [273] } } }));
  });
  afterAll(() => model.dispose());

  it('asks for the text between, once or several times, whole and streamed', async () => {
    const server = createServer({ models: { fake: model } });
    const ask = async (body: object) => {
      const init = { method: 'POST', body: JSON.stringify({ model: 'fake', prompt: 'let x =', suffix: ';', max_tokens: 6, ...body }) };
      return server.fetch(new Request('http://localhost/v1/completions', init)) as Promise<Response>;
    };
    const tokenizer = fakeTokenizer();
    const ids = [257, 270, ...tokenizer.encode('let x ='), 271, ...tokenizer.encode(';'), 272];
    const expected = await collect(model.infill({ prefix: 'let x =', suffix: ';', temperature: 0, maxTokens: 6 }));
    expect(expected.tokens).toEqual(fakeGreedy(ids, 6));
    const whole = await (await ask({ temperature: 0 })).json() as any;
    expect(whole.choices).toMatchObject([{ text: expected.text, index: 0, finish_reason: 'length' }]);
    const texts = await Promise.all([3, 4].map(async (seed) =>
      (await collect(model.infill({ prefix: 'let x =', suffix: ';', temperature: 1, seed, maxTokens: 6 }))).text));
    const several = await (await ask({ temperature: 1, seed: 3, n: 2 })).json() as any;
    expect(several.choices.map(({ text }: any) => text)).toEqual(texts);
    const stream = await (await ask({ temperature: 0, stream: true })).text();
    const events = stream.split('\n\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
    expect(events.map(({ choices }) => choices[0].text).join('')).toBe(expected.text);
  });
});

describe('how tokens are drawn', () => {
  const drawn = { ...request, temperature: 1.5, max_tokens: 8 };
  const textOf = async (body: object) => (await post(`${rig.origin}/v1/completions`, { ...drawn, ...body })).body.choices[0].text as string;

  it('top_p 0 is the likeliest token, top_k -1 all of them', async () => {
    expect(await textOf({ top_p: 0, seed: 3 })).toBe(await textOf({ temperature: 0 }));
    expect(await textOf({ top_k: -1, seed: 3 })).toBe(await textOf({ top_k: 0, seed: 3 }));
  });

  it('negative seeds are seeds of their own', async () => {
    const texts = await Promise.all([-1, -1, -2, 1].map((seed) => textOf({ seed })));
    expect(texts[1]).toBe(texts[0]);
    expect(new Set(texts).size).toBe(3);
    expect(await textOf({ seed: -Number.MAX_SAFE_INTEGER })).not.toBe('');
  });
});
