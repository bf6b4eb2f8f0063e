/** Images in requests, by the official clients, to a golden that sees (../shared/golden/qwen3_vl). */
import Anthropic from '@anthropic-ai/sdk';
import { generateText } from 'ai';
import { Ollama } from 'ollama';
import OpenAI, { BadRequestError } from 'openai';
import { createServer as createHttpServer } from 'node:http';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../../test/fixture-tensors.ts';
import { imageFile } from '../../../test/image-fixtures.ts';
import { seeingModel } from '../../../test/seeing-model.ts';
import { post, serverRig } from '../../../test/server-rig.ts';
import { listen } from '../../cli/serve/listen.ts';
import type { Listener } from '../../cli/serve/listen.ts';
import type { Model } from '../../engine/api.ts';
import { collect } from '../../engine/collect.ts';
import { imagePart } from '../../engine/images/image-source.ts';
import { createIngot } from '../ai-sdk/create-ingot.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';

const png = imageFile('rgb.png');
const base64 = Buffer.from(png).toString('base64');
const url = `data:image/png;base64,${base64}`;
const ember = serverRig();

it('a model that sees nothing refuses images, by their place', async () => {
  const content = [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: { url } }];
  const request = { model: 'ember', messages: [{ role: 'user', content }] };
  const { status, body: { error } } = await post(`${ember.origin}/v1/chat/completions`, request);
  expect([status, error.param]).toEqual([400, 'messages[0].content[1]']);
  expect(error.message).toMatch(/this model sees no images/);
});

it('a model that sees nothing has no images fetched for it', async () => {
  const message = { role: 'user', content: [{ type: 'image_url', image_url: { url: `${ember.origin}/a.png` } }] };
  const chat = await post(`${ember.origin}/v1/chat/completions`, { model: 'ember', messages: [message] });
  const block = { type: 'image', source: { type: 'url', url: `${ember.origin}/a.png` } };
  const count = await post(`${ember.origin}/v1/messages/count_tokens`, { model: 'ember', messages: [{ role: 'user', content: [block] }] });
  for (const { status, body } of [chat, count]) {
    expect(status).toBe(400);
    expect(body.error.message).toMatch(/^messages\[0\]\.content\[0\]: this model sees no images/);
  }
});

describe.skipIf(!hasShared('golden/qwen3_vl/golden.json'))('images', () => {
  let model: Model;
  let server: Server;
  let listener: Listener;
  let pictures: HttpServer;
  let host = '';
  const asked: string[] = [];

  beforeAll(async () => {
    pictures = createHttpServer((request, response) => {
      asked.push(request.url!);
      if (request.url === '/a.png') return response.end(png);
      if (request.url === '/moved') return response.writeHead(302, { location: '/a.png' }).end();
      if (request.url === '/away') return response.writeHead(302, { location: 'http://localhost:1/a.png' }).end();
      if (request.url!.startsWith('/half')) return response.end(new Uint8Array(1.2e6));
      if (request.url === '/page') return response.end('<!DOCTYPE html><p>hello');
      if (request.url === '/large') return response.end(new Uint8Array(3e6));
      return response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(pictures.address() as AddressInfo).port}`;
    model = await seeingModel('qwen3_vl');
    server = createServer({ models: { seeing: model }, imageHosts: [host], limits: { bodyBytes: 2e6 } });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  });
  afterAll(async () => {
    pictures?.close();
    listener?.destroy();
    await listener?.close();
    await server?.close();
    await model?.dispose();
  });

  const expected = (...content: object[]) => collect(model.generate({
    messages: [{ role: 'user', content: content as [] }], temperature: 0, maxTokens: 6,
  }));
  const openai = () => new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: 'none', maxRetries: 0 });
  const anthropic = () => new Anthropic({ baseURL: listener.origin, apiKey: 'none', maxRetries: 0 });
  const asks = (image: string) => openai().chat.completions.create({
    model: 'seeing', temperature: 0, max_tokens: 6,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'What is ' }, { type: 'image_url', image_url: { url: image } }] }],
  });

  it('in chats, whole and streamed, by OpenAI’s client', async () => {
    const own = await expected({ type: 'text', text: 'What is ' }, imagePart(png));
    const answer = await asks(url);
    expect(answer.choices[0]!.message.content).toBe(own.text);
    expect(answer.usage!.prompt_tokens).toBe(own.usage.promptTokens);
    const stream = await openai().chat.completions.create({
      model: 'seeing', temperature: 0, max_tokens: 6, stream: true,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'What is ' }, { type: 'image_url', image_url: { url, detail: 'high' } }] },
      ],
    });
    let text = '';
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe(own.text);
  });

  it('in responses, by OpenAI’s client', async () => {
    const own = await expected({ type: 'text', text: 'What is ' }, imagePart(png), { type: 'text', text: '?' });
    const response = await openai().responses.create({
      model: 'seeing', temperature: 0, max_output_tokens: 6,
      input: [{
        role: 'user', content: [
          { type: 'input_text', text: 'What is ' }, { type: 'input_image', image_url: url, detail: 'auto' },
          { type: 'input_text', text: '?' },
        ],
      }],
    });
    expect(response.output_text).toBe(own.text);
    expect(response.usage!.input_tokens).toBe(own.usage.promptTokens);
  });

  it('in messages, by Anthropic’s client, which counts their tokens before', async () => {
    const own = await expected(imagePart(png), { type: 'text', text: 'What?' });
    const messages = [{
      role: 'user' as const, content: [
        { type: 'image' as const, source: { type: 'base64' as const, media_type: 'image/png' as const, data: base64 } },
        { type: 'text' as const, text: 'What?' },
      ],
    }];
    const request = { model: 'seeing', max_tokens: 6, temperature: 0, messages };
    const answer = await anthropic().messages.create(request as Anthropic.MessageCreateParamsNonStreaming);
    expect(answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toBe(own.text);
    const { input_tokens: counted } = await anthropic().messages.countTokens({ model: 'seeing', messages });
    expect(counted).toBe(own.usage.promptTokens);
  });

  it('in chats, by Ollama’s client', async () => {
    const own = await expected(imagePart(png), { type: 'text', text: 'What?' });
    const answer = await new Ollama({ host: listener.origin }).chat({
      model: 'seeing', messages: [{ role: 'user', content: 'What?', images: [png] }], options: { temperature: 0, num_predict: 6 },
    });
    expect(answer.message.content).toBe(own.text);
    const generated = await new Ollama({ host: listener.origin }).generate({
      model: 'seeing', prompt: 'What?', images: [png], options: { temperature: 0, num_predict: 6 },
    });
    expect(generated.response).toBe(own.text);
    const raw = new Ollama({ host: listener.origin }).generate({ model: 'seeing', prompt: 'What?', images: [png], raw: true });
    await expect(raw).rejects.toThrow(/images goes into the chat template/);
  });

  it('by the AI SDK, which fetches those of the web itself', async () => {
    const own = await expected({ type: 'text', text: 'What is ' }, imagePart(png));
    const seeing = createIngot({ baseURL: `${listener.origin}/v1/` })('seeing');
    for (const [data, mediaType] of [[png, 'image/png'], [base64, 'image']] as const) {
      const content = [{ type: 'text' as const, text: 'What is ' }, { type: 'file' as const, data, mediaType }];
      const { text } = await generateText({
        model: seeing, messages: [{ role: 'user', content }], temperature: 0, maxOutputTokens: 6, maxRetries: 0,
      });
      expect(text).toBe(own.text);
    }
  });

  it('that a call gave, by Anthropic’s client, stand before what the user says', async () => {
    const source = { type: 'base64' as const, media_type: 'image/png' as const, data: base64 };
    const called = { role: 'assistant' as const, content: [{ type: 'tool_use' as const, id: 'toolu_1', name: 'look', input: {} }] };
    const tokensOf = async (content: Anthropic.ToolResultBlockParam['content']) => {
      const result = { type: 'tool_result' as const, tool_use_id: 'toolu_1', content };
      const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Look.' }, called, { role: 'user', content: [result] }];
      return (await anthropic().messages.countTokens({ model: 'seeing', messages })).input_tokens;
    };
    const [without, shown] = [await tokensOf([{ type: 'text', text: 'Seen.' }]),
      await tokensOf([{ type: 'text', text: 'Seen.' }, { type: 'image', source }])];
    // The image's own tokens, its marks, and a message of the user's around them.
    const { images } = model.countTokens({ messages: [{ role: 'user', content: [imagePart(png)] }] });
    expect(shown - without).toBeGreaterThan(images[0]!.tokens);
  });

  it('of the web are fetched from the hosts that the server was told, redirects among them', async () => {
    const own = await expected({ type: 'text', text: 'What is ' }, imagePart(png));
    for (const path of ['a.png', 'moved']) expect((await asks(`http://${host}/${path}`)).choices[0]!.message.content).toBe(own.text);
    const before = asked.length;
    for (const [image, message] of [
      ['http://localhost/a.png', /a host that this server does not fetch from/], ['https://example.com/a.png', /does not fetch from/],
      ['file:///etc/passwd', /expected an image as a data URL/], [`http://user@${host}/a.png`, /no plain URL/],
    ] as const) await expect(asks(image), image).rejects.toThrow(message);
    expect(asked.length).toBe(before);
    for (const [path, message] of [
      ['away', /does not fetch from/], ['none', /was answered with the status 404/], ['large', /more bytes than are left of 2000000/],
      ['page', /a page of HTML/],
    ] as const) await expect(asks(`http://${host}/${path}`), path).rejects.toThrow(message);
  });

  it('of the web are fetched once each, and have together no more bytes than a body', async () => {
    const part = (path: string) => ({ type: 'image_url', image_url: { url: `http://${host}/${path}` } });
    const ask = (...paths: readonly string[]) => post(`${listener.origin}/v1/chat/completions`, {
      model: 'seeing', max_tokens: 2, messages: [{ role: 'user', content: paths.map(part) }],
    });
    asked.length = 0;
    expect((await ask('a.png', 'a.png', 'a.png')).status).toBe(200);
    expect(asked).toEqual(['/a.png']);
    const { status, body } = await ask('half?1', 'half?2', 'half?3');
    expect([status, body.error.message]).toEqual([400, expect.stringMatching(/half\?2" has more bytes than are left of 2000000/)]);
    expect(asked.slice(1)).toEqual(['/half?1', '/half?2']);
  });

  it('of too many pixels are refused by their headers, alone and together', async () => {
    const sized = (side: number) => {
      const file = imageFile('rgb.png');
      for (const at of [16, 20]) new DataView(file.buffer).setUint32(at, side);
      return { type: 'image_url', image_url: { url: `data:image/png;base64,${Buffer.from(file).toString('base64')}` } };
    };
    const ask = (...content: readonly object[]) => post(`${listener.origin}/v1/chat/completions`, {
      model: 'seeing', messages: [{ role: 'user', content }],
    });
    const one = await ask(sized(4001));
    expect([one.status, one.body.error.message]).toEqual([400, expect.stringMatching(/4001 x 4001 pixels, and at most 16000000/)]);
    const [, data] = sized(4001).image_url.url.split(',');
    const block = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
    const counting = { model: 'seeing', messages: [{ role: 'user', content: [block] }] };
    const counted = await post(`${listener.origin}/v1/messages/count_tokens`, counting);
    expect(counted.status).toBe(400);
    const many = await ask(...Array.from({ length: 5 }, () => sized(4000)));
    expect([many.status, many.body.error.param]).toEqual([400, 'messages[0].content[4]']);
    expect(many.body.error.message).toMatch(/80000000 pixels, and at most 64000000 are taken/);
  });

  it('that are none are the client’s fault, and the next request is answered', async () => {
    const page = Buffer.from('<html>').toString('base64');
    const failure: unknown = await asks(`data:image/png;base64,${page}`).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BadRequestError);
    expect((failure as BadRequestError).param).toBe('messages[0].content[1]');
    const many = await post(`${listener.origin}/v1/chat/completions`, {
      model: 'seeing',
      messages: [{ role: 'user', content: Array.from({ length: 100 }, () => ({ type: 'image_url', image_url: { url } })) }],
    });
    expect([many.status, many.body.error.message]).toEqual([400, expect.stringMatching(/100 images, and at most 64/)]);
    const system = await post(`${listener.origin}/v1/chat/completions`, {
      model: 'seeing', messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url } }] }, { role: 'user', content: 'a' }],
    });
    expect([system.status, system.body.error.param]).toEqual([400, expect.stringMatching(/^messages\[0\]/)]);
    expect((await asks(url)).choices).toHaveLength(1);
    expect(() => createServer({ models: { seeing: model }, imageHosts: ['https://a.com/x'] })).toThrow(/is no host to fetch images from/);
  });
});
