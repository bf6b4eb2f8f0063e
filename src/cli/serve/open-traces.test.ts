/** Spans by OpenTelemetry's own SDK, sent to a collector that this test is. */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { createServer } from '../../server/create-server.ts';
import type { Server } from '../../server/api.ts';
import { openTraces, TRACE_PACKAGES } from './open-traces.ts';
import type { Traces } from './open-traces.ts';

const { model } = await loadFakeModel({ contextLength: 64, modelContextLength: 64 });
const PROMPT = 'zanzibar';

describe('traces', () => {
  const received: any[] = [];
  const collector = createHttpServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk))).on('end', () => {
      received.push({ path: request.url, type: request.headers['content-type'], text });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  let traces: Traces;
  let server: Server;
  beforeAll(async () => {
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    traces = await openTraces({ url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces` });
    server = createServer({ models: { fake: model }, openTelemetry: traces.api });
  });
  afterAll(async () => {
    collector.close();
    await model.dispose();
  });

  it('of requests to models have the names of the conventions, a parent, and no text; others have none', async () => {
    const parent = '0af7651916cd43dd8448eb211c80319c';
    const post = async (path: string, body: object) => {
      const headers = { traceparent: `00-${parent}-b7ad6b7169203331-01` };
      return (await server.fetch(new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))).text();
    };
    const messages = [{ role: 'user', content: PROMPT }];
    const asked = { model: 'fake', max_tokens: 3, temperature: 0.5, seed: 7, logit_bias: { 256: -100 }, stop: [PROMPT] };
    await post('/v1/chat/completions', { ...asked, messages, stream: true });
    await post('/v1/completions', { ...asked, prompt: PROMPT, temperature: 9 });
    await server.fetch(new Request('http://localhost/v1/models'));
    await traces.close();
    expect(received.length).toBeGreaterThan(0);
    expect(received[0]).toMatchObject({ path: '/v1/traces', type: 'application/json' });
    const resourceSpans = received.flatMap(({ text }) => JSON.parse(text).resourceSpans);
    expect(resourceSpans[0].resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'ingot' } });
    // Spans are sent together, or, where some seconds passed between them, each by itself.
    const spans = resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans[0].spans);
    expect(spans.map(({ name }: any) => name)).toEqual(['chat fake', 'text_completion']);
    const attributes = Object.fromEntries(spans[0].attributes.map(({ key, value }: any) => [key, Object.values(value)[0]]));
    expect(spans[0]).toMatchObject({ traceId: parent, parentSpanId: 'b7ad6b7169203331', kind: 2 });
    expect(attributes).toMatchObject({
      'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'ingot', 'gen_ai.request.model': 'fake', 'gen_ai.response.model': 'fake',
      'gen_ai.request.max_tokens': 3, 'gen_ai.request.temperature': 0.5, 'gen_ai.request.seed': 7, 'gen_ai.request.stream': true,
      'gen_ai.usage.output_tokens': 3, 'gen_ai.response.finish_reasons': { values: [{ stringValue: 'length' }] },
      'http.route': '/v1/chat/completions', 'http.response.status_code': 200,
    });
    expect(attributes['gen_ai.usage.input_tokens']).toBeGreaterThan(3);
    expect(attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0);
    const refused = Object.fromEntries(spans[1].attributes.map(({ key, value }: any) => [key, Object.values(value)[0]]));
    expect(refused).toMatchObject({ 'error.type': '400', 'http.response.status_code': 400 });
    expect(JSON.stringify(received)).not.toContain(PROMPT);
  });
});

describe('traces that cannot be', () => {
  it.each(TRACE_PACKAGES)('without %s are refused with what to install', async (missing) => {
    const load = async (name: string) => {
      if (name === missing) throw Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' });
      return import(/* @vite-ignore */ name);
    };
    await expect(openTraces({ url: 'http://127.0.0.1:1/v1/traces', load })).rejects.toThrow(
      `--traces needs OpenTelemetry's packages, and not all of them are here. Install them: npm install ${TRACE_PACKAGES.join(' ')}`,
    );
  });

  it.each(['collector:4318', 'ftp://a/b', ''])('%j is no place for them', async (url) => {
    await expect(openTraces({ url })).rejects.toThrow('--traces must be a URL of OTLP over HTTP');
  });
});
