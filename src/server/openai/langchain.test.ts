/** LangChain's OpenAI client against the bundled model, and against one of embeddings. */
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { relativeError } from '../../../test/relative-error.ts';
import { serverRig } from '../../../test/server-rig.ts';
import { wordEmbedder } from '../../../test/word-embedder.ts';
import { collect } from '../../engine/collect.ts';
import { modelLoader } from '../../node/model-loader.ts';

const words = wordEmbedder();
const rig = serverRig({}, (ember) => ({ ember, embedder: modelLoader(words.folder, { device: 'cpu' }) }));
const configuration = () => ({ baseURL: `${rig.origin}/v1` });
const chat = (rest: object = {}) =>
  new ChatOpenAI({ model: 'ember', apiKey: 'none', temperature: 0, maxTokens: 16, maxRetries: 0, configuration: configuration(), ...rest });
const question = 'Tell me a story about a fox.';
const messages = [new SystemMessage('Be brief.'), new HumanMessage(question)];
const expected = () =>
  collect(rig.model.generate({
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: question }], temperature: 0, maxTokens: 16,
  }));

it('answers and streams, with usage', async () => {
  const own = await expected();
  const answer = await chat().invoke(messages);
  expect(answer.content).toBe(own.content);
  expect(answer.usage_metadata).toMatchObject({ input_tokens: own.usage.promptTokens, output_tokens: 16 });
  let text = '';
  let output = 0;
  for await (const chunk of await chat({ streamUsage: true }).stream(messages)) {
    text += String(chunk.content);
    output += chunk.usage_metadata?.output_tokens ?? 0;
  }
  expect([text, output]).toEqual([own.content, 16]);
});

it('calls tools and takes their results', async () => {
  const weather = tool(async () => 'Rain.', {
    name: 'weather', description: 'The weather of a place.', schema: z.object({ place: z.string() }),
  });
  const model = chat({ maxTokens: 80 }).bindTools([weather]);
  const asked = new HumanMessage('How is the weather in Oslo?');
  const answer = await model.invoke([asked]);
  expect(answer.tool_calls).toMatchObject([{ name: 'weather', args: { place: expect.any(String) } }]);
  const [call] = answer.tool_calls!;
  const result = await weather.invoke(call!) as ToolMessage;
  const after = await model.invoke([asked, answer as AIMessage, result]);
  expect(after.content).not.toBe('');
});

it('gives what a schema describes', async () => {
  const schema = z.object({ animal: z.enum(['fox', 'cat']) });
  const structured = chat({ maxTokens: 60 }).withStructuredOutput(schema, { method: 'jsonSchema', name: 'animal' });
  expect(schema.parse(await structured.invoke(question)).animal).toMatch(/fox|cat/);
});

it('ends when it is aborted, and tells what is refused', async () => {
  const controller = new AbortController();
  const reading = (async () => {
    const stream = await chat({ maxTokens: 400 }).stream(messages, { signal: controller.signal });
    for await (const chunk of stream) if (chunk.content !== '') controller.abort();
  })();
  await expect(reading).rejects.toThrow(/abort/i);
  while (rig.model.info.load.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await expect(chat({ model: 'other' }).invoke(question)).rejects.toMatchObject({ status: 404 });
});

it.each([undefined, 'float'] as const)('makes the vectors that transformers makes of texts, encoding %s', async (encodingFormat) => {
  const client = { model: 'embedder', apiKey: 'none', maxRetries: 0, configuration: configuration() };
  const embeddings = new OpenAIEmbeddings({ ...client, encodingFormat });
  const vectors = await embeddings.embedDocuments([...words.texts]);
  for (const [i, golden] of words.vectors.entries()) expect(relativeError(vectors[i]!, golden)).toBeLessThan(1e-4);
  expect(vectors).toHaveLength(words.texts.length);
  expect(relativeError(await embeddings.embedQuery(words.texts[1]!), words.vectors[1]!)).toBeLessThan(1e-4);
});
