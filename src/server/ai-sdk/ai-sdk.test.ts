/** Vercel's AI SDK over the bundled model, and over one of embeddings, in this process and over HTTP. */
import { embed, embedMany, generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import type { EmbeddingModel, LanguageModel } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { relativeError } from '../../../test/relative-error.ts';
import { serverRig } from '../../../test/server-rig.ts';
import { wordEmbedder } from '../../../test/word-embedder.ts';
import { collect } from '../../engine/collect.ts';
import { modelLoader } from '../../node/model-loader.ts';
import { createIngot } from './create-ingot.ts';
import type { Ingot } from './create-ingot.ts';

const words = wordEmbedder();
const embedder = () => modelLoader(words.folder, { device: 'cpu' });
const rig = serverRig({}, (ember) => ({ ember, embedder: embedder() }));
const prompt = 'Tell me a story about a fox.';
const own = (rest: object = {}) =>
  collect(rig.model.generate({ messages: [{ role: 'user', content: prompt }], temperature: 0, maxTokens: 20, ...rest }));

describe.each(['in this process', 'over HTTP'])('%s', (where) => {
  let ingot: Ingot;
  beforeAll(() => {
    const models = { ember: rig.model, embedder: embedder() };
    ingot = where === 'over HTTP' ? createIngot({ baseURL: `${rig.origin}/v1` }) : createIngot({ models });
  });
  afterAll(() => ingot.close());
  const asked = () => ({ model: ingot('ember'), prompt, temperature: 0, maxOutputTokens: 20, maxRetries: 0 });

  it('has the declared types', () => {
    const model = ingot.languageModel('ember') satisfies LanguageModel;
    const vectors = ingot.embeddingModel('embedder') satisfies EmbeddingModel;
    expect([model.specificationVersion, vectors.specificationVersion, model.provider]).toEqual(['v4', 'v4', 'ingot']);
    expect(() => ingot.imageModel('x')).toThrow(/model of images: there are none/);
  });

  it('streams text, with usage and why it ended', async () => {
    const [expected, result] = [await own(), streamText(asked())];
    let text = '';
    for await (const delta of result.textStream) text += delta;
    expect(text).toBe(expected.content);
    expect(await result.finishReason).toBe('length');
    expect(await result.usage).toMatchObject({ inputTokens: expected.usage.promptTokens, outputTokens: 20 });
    expect(await result.warnings).toEqual([]);
    const whole = await generateText(asked());
    expect([whole.text, whole.finishReason]).toEqual([expected.content, 'length']);
    expect(whole.response.modelId).toBe('ember');
  });

  it('obeys settings, and further ones of the provider', async () => {
    const cuts = { temperature: 0.8, topP: 0.9, topK: 20, seed: 3 };
    const settings = { ...cuts, stopSequences: [' the'], frequencyPenalty: 0.5, presencePenalty: 0.2 };
    const result = await generateText({ ...asked(), ...settings, providerOptions: { ingot: { min_p: 0.1, repetition_penalty: 1.1 } } });
    const { stopSequences: stop, ...same } = settings;
    expect(result.text).toBe((await own({ ...same, stop, minP: 0.1, repetitionPenalty: 1.1 })).content);
    const wrong = generateText({ ...asked(), providerOptions: { ingot: { min_pp: 1 } } });
    await expect(wrong).rejects.toMatchObject({ message: expect.stringContaining('min_pp'), statusCode: 400, isRetryable: false });
    await expect(generateText({ ...asked(), reasoning: 'high' } as any)).rejects.toThrow(/reasoning_effort/);
  });

  it('generates objects by a schema', async () => {
    const schema = z.object({ animal: z.enum(['fox', 'cat']), legs: z.number().int().min(1).max(9) });
    const { object } = await generateObject({ ...asked(), maxOutputTokens: 100, schema });
    expect(schema.parse(object)).toEqual(object);
  });

  it('calls tools, gives their results back, and answers', async () => {
    const seen: unknown[] = [];
    const weather = tool({
      description: 'The weather of a place.', inputSchema: z.object({ place: z.string() }),
      execute: async (input) => {
        seen.push(input);
        return { sky: 'rain' };
      },
    });
    const call = { ...asked(), prompt: 'How is the weather in Oslo?', maxOutputTokens: 80, tools: { weather }, stopWhen: stepCountIs(2) };
    const whole = await generateText(call);
    expect(seen).toEqual([{ place: expect.any(String) }]);
    expect(whole.steps).toHaveLength(2);
    expect(whole.steps[0]!.finishReason).toBe('tool-calls');
    expect(whole.steps[0]!.toolResults[0]).toMatchObject({ toolName: 'weather', output: { sky: 'rain' } });
    const stream = streamText(call);
    const types = new Set<string>();
    for await (const part of stream.fullStream) types.add(part.type);
    const wanted = ['tool-input-start', 'tool-input-delta', 'tool-input-end', 'tool-call', 'tool-result'];
    expect([...types]).toEqual(expect.arrayContaining(wanted));
    expect(await stream.text).toBe(whole.text);
  });

  it('ends an answer that is aborted', async () => {
    const controller = new AbortController();
    let error: unknown;
    const options = { ...asked(), maxOutputTokens: 400, abortSignal: controller.signal, onError: () => {} };
    let parts = 0;
    for await (const part of streamText(options).fullStream) {
      if (part.type === 'text-delta' && parts++ === 2) controller.abort(new Error('enough'));
      if (part.type === 'abort' || part.type === 'error') error = part.type;
    }
    expect(error).toBe('abort');
    while (rig.model.info.load.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(generateText({ ...asked(), abortSignal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
  });

  it('makes the vectors that transformers makes of texts, whole and cut', async () => {
    const model = ingot.embeddingModel('embedder');
    const { embeddings, usage } = await embedMany({ model, values: [...words.texts], maxRetries: 0 });
    for (const [i, expected] of words.vectors.entries()) expect(relativeError(embeddings[i]!, expected)).toBeLessThan(1e-4);
    expect([embeddings.length, usage.tokens]).toEqual([words.texts.length, words.ids.flat().length]);
    const { embedding } = await embed({ model, value: words.texts[1]!, providerOptions: { ingot: { dimensions: 4 } }, maxRetries: 0 });
    const first = words.vectors[1]!.subarray(0, 4);
    expect(relativeError(embedding, first.map((value) => value / Math.hypot(...first)))).toBeLessThan(1e-4);
  });

  it('tells what is refused, and what cannot be read', async () => {
    await expect(generateText({ ...asked(), model: ingot('other') })).rejects.toMatchObject({ statusCode: 404, name: 'AI_APICallError' });
    const { prompt: _prompt, ...rest } = asked();
    const shown = (mediaType: string) => generateText({
      ...rest, messages: [{ role: 'user', content: [{ type: 'file', data: new Uint8Array([1]), mediaType }] }],
    });
    await expect(shown('application/pdf')).rejects.toThrow(/type string "file" .* models read text, and of users images/);
    await expect(shown('image/png')).rejects.toThrow(/this model sees no images/);
  });
});

it('waits and asks again where a server is busy, as the SDK does', async () => {
  let asks = 0;
  const fetch = async (request: Request) => {
    asks++;
    if (asks > 1) return globalThis.fetch(request);
    return Response.json({ error: { message: 'Later.' } }, { status: 503, headers: { 'retry-after-ms': '1' } });
  };
  const ingot = createIngot({ baseURL: `${rig.origin}/v1/`, fetch, apiKey: 'k', headers: { 'x-team': 'a' } });
  const { text } = await generateText({ model: ingot('ember'), prompt, temperature: 0, maxOutputTokens: 20, maxRetries: 1 });
  expect([asks, text]).toEqual([2, (await own()).content]);
});

it.each([
  [{}, 'needs models of this process, or the baseURL'],
  [{ baseURL: 'nowhere' }, 'baseURL must be the URL of a server'],
  [{ models: {}, baseURL: 'http://x' }, 'one of them'],
  [{ models: {}, apiKey: 'a' }, 'fetch and apiKey are for a server'],
  [{ url: 'a' }, 'createIngot has no option "url"'],
])('%j is refused', (options, message) => {
  expect(() => createIngot(options as any)).toThrow(message);
});
