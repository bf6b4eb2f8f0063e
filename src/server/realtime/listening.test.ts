/** Sessions that are opened to transcribe, and answers that come too late: by scripted models. */
import OpenAI from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { realtimeServers } from '../../../test/realtime-servers.ts';

const servers = realtimeServers();
afterEach(() => servers.close());

const content = [{ type: 'input_text', text: 'hi' }];
const message = { type: 'conversation.item.create', item: { type: 'message', role: 'user', content } };

/** A second of sound that is loud throughout, of 24,000 Hz. */
const LOUD = Buffer.from(new Int16Array(24_000).fill(30_000).buffer).toString('base64');

/** A session by OpenAI's client for pages, which names a model: `change` makes its URL another. */
async function openByClient(origin: string, change: (url: URL) => void) {
  vi.stubGlobal('WebSocket', WebSocket);
  const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'none', dangerouslyAllowBrowser: true });
  const page = new OpenAIRealtimeWebSocket({
    model: 'text', onURL(url) {
      url.protocol = 'ws:';
      change(url);
    },
  }, client);
  vi.unstubAllGlobals();
  const events: any[] = [];
  page.on('event', (event) => void events.push(event));
  page.on('error', () => {});
  const until = (type: string) => vi.waitFor(() => {
    const found = events.findLast((event) => event.type === type);
    if (found === undefined) throw new Error(`no ${type}: ${events.map((event) => event.type).join(' ')}`);
    return found;
  }, { interval: 5 });
  return { events, until, send: (event: object) => page.send(event as any), close: () => page.close() };
}

it('intent=transcription opens a session that tells what was said, and answers nothing', async () => {
  const { origin, records } = await servers.open();
  const session = await openByClient(origin, (url) => {
    url.searchParams.delete('model');
    url.searchParams.set('intent', 'transcription');
  });
  expect((await session.until('session.created')).session).toMatchObject({
    type: 'transcription', object: 'realtime.transcription_session', audio: { input: { transcription: { model: 'hear' },
      turn_detection: { type: 'server_vad' } } },
  });
  // As the reference has it: the type, and settings of what is heard.
  session.send({ type: 'session.update', session: { type: 'transcription', audio: { input: { turn_detection: null } } } });
  expect((await session.until('session.updated')).session.audio.input.turn_detection).toBeNull();
  session.send({ type: 'input_audio_buffer.append', audio: LOUD });
  session.send({ type: 'input_audio_buffer.commit' });
  expect((await session.until('conversation.item.input_audio_transcription.completed')).transcript).toBe('hello');
  session.send({ type: 'response.create' });
  expect((await session.until('error')).error).toMatchObject({
    code: 'unsupported_event', message: expect.stringMatching(/opened with intent=transcription\. Open another/),
  });
  session.send({ type: 'session.update', session: { type: 'realtime' } });
  await vi.waitFor(() => expect(session.events.at(-1).error).toMatchObject({ param: 'session.type' }));
  session.send({ type: 'session.update', session: { type: 'transcription', audio: { input: { transcription: { model: 'text' } } } } });
  await vi.waitFor(() => expect(session.events.at(-1).error).toMatchObject({ param: 'session.audio.input.transcription.model' }));
  expect(session.events.some(({ type }) => type.startsWith('response.'))).toBe(false);
  session.close();
  await vi.waitFor(() => expect(records.at(-1)).toMatchObject({ route: '/v1/realtime', model: 'hear' }));
});

it.each([
  ['intent=transcription&model=hear', 101, undefined],
  ['intent=transcription&model=text', 400, 'model'],
  ['intent=conversation', 400, 'intent'],
  ['', 400, 'model'],
])('is asked with %s: %i', async (query, status, param) => {
  const { origin } = await servers.open();
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/v1/realtime?${query}`);
  socket.on('error', () => {});
  const found = await new Promise<any>((resolve) => {
    socket.on('open', () => resolve({ status: 101 }));
    socket.on('unexpected-response', async (_, incoming) => {
      let text = '';
      for await (const chunk of incoming) text += chunk;
      resolve({ status: incoming.statusCode, param: JSON.parse(text).error.param });
    });
  });
  socket.terminate();
  expect(found).toEqual(status === 101 ? { status } : { status, param });
});

it('an answer that takes longer than requestMs fails with its reason, and the next one is given', async () => {
  let isAborted = false;
  const { origin, records } = await servers.open({ limits: { requestMs: 150 } }, async function* (call, signal) {
    yield 'Good. ';
    if (call > 0) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => {
      isAborted = true;
      resolve();
    }));
  });
  const session = await openByClient(origin, () => {});
  await session.until('session.created');
  session.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } });
  session.send(message);
  session.send({ type: 'response.create' });
  const late = await session.until('response.done');
  expect(late.response).toMatchObject({ status: 'failed', status_details: { type: 'failed', error: { code: 'timeout' } } });
  expect(isAborted).toBe(true);
  expect(session.events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta).join('')).toContain('Good.');
  await vi.waitFor(() => expect(records.map(({ status }) => status)).toEqual([504]));
  session.send(message);
  session.send({ type: 'response.create' });
  await vi.waitFor(() => expect(session.events.filter(({ type }) => type === 'response.done').map(({ response }) => response.status))
    .toEqual(['failed', 'completed']));
  session.close();
});
