/** Sounds by OpenAI's client: over a model that says how loud each second is, and over Moonshine's own weights. */
import { readFileSync } from 'node:fs';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { fakeSpeechModel } from '../../../test/fake-speech-model.ts';
import { hasShared, sharedPath } from '../../../test/fixture-tensors.ts';
import { encodeWav } from '../../audio/wav-writer.ts';
import { listen } from '../../cli/serve/listen.ts';
import type { Listener } from '../../cli/serve/listen.ts';
import { speechModelLoader } from '../../node/model-loader.ts';
import type { RequestRecord } from '../request-record.ts';
import type { Server } from '../api.ts';
import { createServer } from '../create-server.ts';

const MOONSHINE = `${sharedPath}/real/moonshine`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

const all = fakeSpeechModel();
const poor = fakeSpeechModel({ languages: ['en'], prompts: false, turns: false, words: false, translates: false, searches: false });
const slow = fakeSpeechModel({}, 50);
const lazy = fakeSpeechModel();
const records: RequestRecord[] = [];
let text: Awaited<ReturnType<typeof loadFakeModel>>['model'];
let server: Server;
let listener: Listener;
let client: OpenAI;

beforeAll(async () => {
  ({ model: text } = await loadFakeModel());
  server = createServer({
    models: {
      all: all.model, poor: poor.model, slow: slow.model, text,
      lazy: { kind: 'speech', load: async () => lazy.model },
      liar: { load: async () => fakeSpeechModel().model },
      real: speechModelLoader(MOONSHINE, { device: 'cpu', threads: 2, tokenizer: `${sharedPath}/vocab/llama-spm.gguf` }),
    },
    aliases: { 'whisper-1': 'all' },
    limits: { fileBytes: 2_000_000, requestMs: 20_000 },
    onRequest: (record) => void records.push(record),
  });
  listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
  client = new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await server.drain();
  await server.close();
  listener.destroy();
  await listener.close();
  await text.dispose();
});

/** A second at each level. */
function wav(...levels: readonly number[]) {
  const samples = Float32Array.from({ length: levels.length * 8000 }, (_, i) => levels[Math.floor(i / 8000)]!);
  return toFile(encodeWav(samples, { sampleRate: 8000, channels: 1 }), 'talk.wav');
}

const transcribe = async (rest: object = {}, model = 'all') =>
  client.audio.transcriptions.create({ file: await wav(0.25, 0.5), model, ...rest } as any) as Promise<any>;

describe('transcriptions', () => {
  it('come as JSON, text and subtitles', async () => {
    expect(await transcribe()).toEqual({ text: 'at 0.25 at 0.50', usage: { type: 'duration', seconds: 2 } });
    expect(await transcribe({ response_format: 'text' })).toBe('at 0.25 at 0.50\n');
    const [srt, vtt] = [await transcribe({ response_format: 'srt' }), await transcribe({ response_format: 'vtt' })];
    expect(srt).toBe('1\n00:00:00,000 --> 00:00:01,000\nat 0.25\n\n2\n00:00:01,000 --> 00:00:02,000\nat 0.50\n\n');
    expect(vtt).toBe('WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nat 0.25\n\n00:00:01.000 --> 00:00:02.000\nat 0.50\n\n');
  });

  it('come with times of segments, of words, or both', async () => {
    const segments = [{ id: 0, start: 0, end: 1, text: 'at 0.25' }, { id: 1, start: 1, end: 2, text: 'at 0.50' }];
    const words = segments.map(({ start, end, text: word }) => ({ word, start, end }));
    const about = { task: 'transcribe', language: 'german', duration: 2, text: 'at 0.25 at 0.50', usage: { type: 'duration', seconds: 2 } };
    const verbose = (...granularities: string[]) =>
      transcribe({ response_format: 'verbose_json', ...(granularities.length > 0 ? { timestamp_granularities: granularities } : {}) });
    expect(await verbose()).toEqual({ ...about, segments });
    expect(await verbose('word')).toEqual({ ...about, words });
    expect(await verbose('word', 'segment')).toEqual({ ...about, segments, words });
  });

  it('are streamed, a delta for each segment', async () => {
    const events: any[] = [];
    for await (const event of await transcribe({ stream: true })) events.push(event);
    expect(events).toEqual([
      { type: 'transcript.text.delta', delta: 'at 0.25' }, { type: 'transcript.text.delta', delta: ' at 0.50' },
      { type: 'transcript.text.done', text: 'at 0.25 at 0.50', usage: { type: 'duration', seconds: 2 } },
    ]);
    const about = { route: '/v1/audio/transcriptions', model: 'all', outcome: 'done', status: 200, completionTokens: 6 };
    expect(records.at(-1)).toMatchObject(about);
    expect(records.at(-1)!.firstTokenMs).toBeGreaterThan(0);
  });

  it('count tokens as other answers do', async () => {
    const figures = async () => {
      const printed = await (await fetch(`${listener.origin}/metrics`)).text();
      const of = (name: string, labels = '') => Number(printed.split(`\n${name}{model_name="poor"${labels}} `)[1]!.split('\n')[0]);
      return [of('vllm:generation_tokens_total'), of('vllm:request_success_total', ',finished_reason="stop"')] as const;
    };
    const before = await figures();
    await transcribe({}, 'poor');
    expect(records.at(-1)).toMatchObject({ model: 'poor', promptTokens: 0, completionTokens: 6 });
    expect(await figures()).toEqual([before[0] + 6, before[1] + 1]);
  });

  it('give the model what the request says', async () => {
    const chunking_strategy = { type: 'server_vad', prefix_padding_ms: 100, silence_duration_ms: 150, threshold: 0.25 };
    const rest = { language: 'en', prompt: 'names', temperature: 0, include: [], response_format: 'json' };
    await transcribe({ ...rest, chunking_strategy }, 'whisper-1');
    expect(all.asked.at(-1)).toMatchObject({
      task: 'transcribe', language: 'en', prompt: 'names', timestamps: 'segments',
      turns: { preRollMs: 100, endSilenceMs: 150, postRollMs: 150, threshold: 0.25 },
    });
    await transcribe({ chunking_strategy: 'auto' });
    expect(all.asked.at(-1)!.turns).toBeUndefined();
  });

  it.each([
    [{ temperature: 0.5 }, 'temperature', 'unsupported_parameter'],
    [{ include: ['logprobs'] }, 'include', 'unsupported_parameter'],
    [{ known_speaker_names: ['a'] }, 'known_speaker_names', 'unsupported_parameter'],
    [{ known_speaker_references: ['data:'] }, 'known_speaker_references', 'unsupported_parameter'],
    [{ response_format: 'diarized_json' }, 'response_format', 'invalid_value'],
    [{ stream: true, response_format: 'srt' }, 'stream', 'invalid_value'],
    [{ timestamp_granularities: ['word'] }, 'timestamp_granularities', 'invalid_value'],
    [{ timestamp_granularities: ['hour'], response_format: 'verbose_json' }, 'timestamp_granularities[0]', 'invalid_value'],
    [{ chunking_strategy: { type: 'server_vad', threshold: 2 } }, 'chunking_strategy.threshold', 'invalid_value'],
    [{ chunking_strategy: { type: 'server_vad', colour: 'red' } }, 'chunking_strategy.colour', 'unknown_parameter'],
    [{ language: 'xx' }, 'language', 'unsupported_parameter'],
    [{ colour: 'red' }, 'colour', 'unknown_parameter'],
    [{ file: 'a text' }, 'file', 'invalid_value'],
  ])('refuse %j by name', async (rest, param, code) => {
    await expect(transcribe(rest)).rejects.toMatchObject({ status: 400, param, code });
  });

  it.each([
    [{ prompt: 'names' }, 'prompt'], [{ language: 'de' }, 'language'], [{ chunking_strategy: 'auto' }, 'chunking_strategy'],
    [{ timestamp_granularities: ['word'], response_format: 'verbose_json' }, 'timestamp_granularities'],
  ])('refuse %j by name where the model has it not', async (rest, param) => {
    await expect(transcribe(rest, 'poor')).rejects.toMatchObject({ status: 400, param, code: 'unsupported_parameter' });
  });

  it('refuse what is no sound, too long, or no form, without repeating it', async () => {
    const send = (bytes: Uint8Array) => toFile(bytes, 'zanzibar.wav').then((file) => transcribe({ file }));
    const cut = Buffer.from(await (await wav(1)).arrayBuffer()).subarray(0, 99);
    for (const bytes of [Buffer.from('zanzibar and more'), Buffer.alloc(0), cut]) {
      const refusal = await send(bytes).catch((error: unknown) => error as any);
      expect(refusal).toMatchObject({ status: 400, param: 'file', code: 'invalid_audio' });
      expect(refusal.message).not.toMatch(/zanzibar|--damaged/);
    }
    await expect(send(Buffer.alloc(2_000_001))).rejects.toMatchObject({ status: 413, code: 'file_too_large' });
    await expect(send(Buffer.alloc(3_000_000))).rejects.toMatchObject({ status: 413, code: 'body_too_large' });
    const plain = await fetch(`${listener.origin}/v1/audio/transcriptions`, { method: 'POST', body: '{"model":"all"}' });
    expect([plain.status, (await plain.json()).error.code]).toEqual([400, 'invalid_form']);
    const odd = encodeWav(Float32Array.of(0, 0), { sampleRate: 8000, channels: 1, encoding: 'float32' });
    odd.fill(0xff, odd.length - 4);
    await expect(send(odd)).rejects.toMatchObject({ status: 400 });
  });
});

it.each([
  [['model', 'model'], 'model'], [['include[]', 'include'], 'include'], [['chunking_strategy[type]', 'chunking_strategy[type]'], 'type'],
  [['__proto__'], '__proto__'], [['model[a]'], 'model'], [['language[]'], 'language'], [['stream[x][y]'], 'stream'],
  [['constructor'], 'constructor'], [['temperature[]'], 'temperature'], [['chunking_strategy[__proto__]'], 'chunking_strategy'],
] as const)('a form with %j is refused', async (names, param) => {
  const form = new FormData();
  form.set('file', await wav(0.5));
  if (!names.some((name) => name.startsWith('model'))) form.set('model', 'all');
  for (const name of names) form.append(name, 'all');
  const answer = await fetch(`${listener.origin}/v1/audio/transcriptions`, { method: 'POST', body: form });
  expect(answer.status).toBe(400);
  expect((await answer.json()).error.param).toContain(param);
});

describe('models of both kinds', () => {
  it('are refused where they are asked for the other', async () => {
    const chat = client.chat.completions.create({ model: 'all', messages: [{ role: 'user', content: 'Hi' }] });
    await expect(chat).rejects.toMatchObject({ status: 400, param: 'model', code: 'unsupported_model' });
    await expect(transcribe({}, 'text')).rejects.toMatchObject({ status: 400, param: 'model', code: 'unsupported_model' });
    // It is not loaded for that.
    await expect(client.completions.create({ model: 'lazy', prompt: 'a' })).rejects.toMatchObject({ code: 'unsupported_model' });
    expect(server.models.find(({ name }) => name === 'lazy')!.status).toBe('unloaded');
    const lied = client.completions.create({ model: 'liar', prompt: 'a' });
    await expect(lied).rejects.toMatchObject({ status: 503, code: 'model_load_failed' });
    const tags = await (await fetch(`${listener.origin}/api/tags`)).json();
    expect(tags.models.map(({ name }: any) => name)).toEqual(['text', 'liar']);
    const metrics = await (await fetch(`${listener.origin}/metrics`)).text();
    expect(metrics).toContain('ingot_memory_bytes{model_name="all",kind="weights"} 1000');
    expect(metrics).not.toContain('vllm:num_requests_running{model_name="all"}');
    expect(metrics).toMatch(/ingot_requests_total\{model_name="all",outcome="done"\} [1-9]/);
  });

  it('are loaded when they are asked for, and freed', async () => {
    expect((await transcribe({}, 'lazy')).text).toBe('at 0.25 at 0.50');
    const listed = (await client.models.list()).data.find(({ id }) => id === 'lazy');
    expect(listed).toMatchObject({ kind: 'speech', status: 'loaded', memory_bytes: 1010 });
    await client.post('/models/unload', { body: { model: 'lazy' } });
    expect(lazy.state.isDisposed).toBe(true);
  });

  it('answer with a translation where the model has that task', async () => {
    const file = await wav(0.5);
    expect(await client.audio.translations.create({ file, model: 'all' })).toEqual({ text: 'at 0.50' });
    expect(all.asked.at(-1)!.task).toBe('translate');
    expect(await client.audio.translations.create({ file, model: 'all', response_format: 'verbose_json' }))
      .toMatchObject({ task: 'translate', language: 'english' });
    const unable = client.audio.translations.create({ file, model: 'poor' });
    await expect(unable).rejects.toMatchObject({ param: 'model', code: 'unsupported_model' });
    const told = client.audio.translations.create({ file, model: 'all', language: 'de' } as any);
    await expect(told).rejects.toMatchObject({ param: 'language' });
    const speech = client.audio.speech.create({ model: 'all', voice: 'alloy', input: 'a' });
    await expect(speech).rejects.toMatchObject({ status: 400, code: 'unsupported_model' });
  });

  it('stop when the client leaves, streamed or not', async () => {
    for (const stream of [true, false]) {
      const controller = new AbortController();
      const told = records.length;
      const file = await wav(...Array.from({ length: 60 }, () => 0.1));
      const answer = client.audio.transcriptions.create({ file, model: 'slow', stream } as any, { signal: controller.signal });
      const reading = (async () => {
        for await (const event of (await answer) as any) expect(event.type).toBe('transcript.text.delta');
      })();
      while (slow.state.running === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort();
      await reading.catch(() => {});
      // Heard to its end, it would be done.
      await vi.waitFor(() => expect([slow.state.running, server.active, records.length]).toEqual([0, 0, told + 1]));
      expect(records.at(-1)!.outcome).toBe('cancelled');
    }
  });
});

describe.skipIf(!hasReal)('Moonshine, by its own weights', () => {
  it('hears what transformers hear in ten seconds, and two at once', async () => {
    const { pieces } = JSON.parse(readFileSync(`${MOONSHINE}/expected.json`, 'utf8'));
    const recording = readFileSync(`${MOONSHINE}/speech-60s.wav`);
    const samples = new Int16Array(recording.buffer.slice(recording.byteOffset + 44, recording.byteOffset + 44 + 320_000));
    const sound = encodeWav(Float32Array.from(samples, (value) => value / 32_768), { sampleRate: 16_000, channels: 1 });
    const file = await toFile(sound, 'a.wav');
    // Pauses that end nothing: the ten seconds are one turn, as they are there.
    const chunking_strategy = { type: 'server_vad', silence_duration_ms: 10_000, prefix_padding_ms: 10_000 } as const;
    const ask = () => client.audio.transcriptions.create({ file, model: 'real', chunking_strategy });
    const [one, two] = await Promise.all([ask(), ask()]);
    expect(one.text).toBe(pieces[0].text);
    expect(two).toEqual(one);
    // The end token too.
    expect(records.filter(({ model }) => model === 'real').map(({ completionTokens }) => completionTokens)).toEqual([34, 34]);
    await expect(client.audio.translations.create({ file, model: 'real' })).rejects.toMatchObject({ code: 'unsupported_model' });
  });
});
