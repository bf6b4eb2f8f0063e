/** Speech by OpenAI's client, over a small Kokoro of random weights. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFakeModel } from '../../../test/fake-model.ts';
import { hasShared } from '../../../test/fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../../../test/kokoro-golden.ts';
import { letterPhonemizer, makeVoiceFolder } from '../../../test/kokoro-voice.ts';
import { openAudio } from '../../audio/open-audio.ts';
import { listen } from '../../cli/serve/listen.ts';
import type { Listener } from '../../cli/serve/listen.ts';
import { memorySource } from '../../files/memory-source.ts';
import { voiceModelLoader } from '../../node/model-loader.ts';
import type { Server } from '../api.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { createServer } from '../create-server.ts';

describe.skipIf(!hasShared(KOKORO_GOLDEN))('speech', () => {
  let folder = '';
  let server: Server;
  let listener: Listener;
  let client: OpenAI;
  let text: Awaited<ReturnType<typeof loadFakeModel>>['model'];
  beforeAll(async () => {
    folder = makeVoiceFolder(mkdtempSync(join(tmpdir(), 'ingot-voice-')));
    ({ model: text } = await loadFakeModel());
    const kokoro = voiceModelLoader(folder, { device: 'cpu', threads: 1, mostFrames: 60, phonemizer: letterPhonemizer });
    const lacks = () => Promise.reject(new CapacityError('a text becomes phonemes by espeak-ng: add it'));
    const mute = voiceModelLoader(folder, { device: 'cpu', threads: 1, mostFrames: 60, phonemizer: lacks });
    server = createServer({ models: { kokoro, mute, text }, aliases: { 'tts-1': 'kokoro' } });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
    client = new OpenAI({ baseURL: `${listener.origin}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await server.drain();
    await server.close();
    listener.destroy();
    await listener.close();
    await text.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const speak = (rest: object = {}) =>
    client.audio.speech.create({ model: 'tts-1', voice: 'af_heart', input: 'Hello. It is fine.', response_format: 'wav', ...rest } as any);

  it('what this server lacks is not told as the fault of who asks', async () => {
    const made = client.audio.speech.create({ model: 'mute', input: 'Hello.', voice: 'af_heart' });
    const error = await made.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 503, code: 'voice_unavailable', message: expect.stringContaining('add it') });
  });

  it('comes as a WAV file that readers of sound take', async () => {
    const response = await speak();
    expect(response.headers.get('content-type')).toBe('audio/wav');
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { sampleRate, channels, chunks } = await openAudio(memorySource(bytes, 'speech.wav'));
    let samples = 0;
    for await (const chunk of chunks) samples += chunk.length;
    expect([sampleRate, channels]).toEqual([24_000, 1]);
    expect(samples).toBeGreaterThan(6000);
    expect(bytes.length - 44).toBe(2 * samples);
  });

  it('comes as samples alone, the same ones, and sentence by sentence', async () => {
    const wav = new Uint8Array(await (await speak()).arrayBuffer());
    const response = await speak({ response_format: 'pcm' });
    expect(response.headers.get('content-type')).toBe('audio/pcm');
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(wav.subarray(44));
    expect(new Uint8Array(await (await speak({ response_format: undefined })).arrayBuffer())).toEqual(wav);
    const faster = new Uint8Array(await (await speak({ speed: 2 })).arrayBuffer());
    expect(faster.length).toBeLessThan(wav.length);
  });

  it('comes as events with base64', async () => {
    const answer = await (await speak({ stream_format: 'sse', response_format: 'pcm' })).text();
    const events = answer.split('\n\n').filter(Boolean).map((line) =>
      JSON.parse(line.slice('data: '.length)) as { type: string; audio?: string });
    expect(events.map(({ type }) => type)).toEqual(['speech.audio.delta', 'speech.audio.delta', 'speech.audio.done']);
    const sound = Buffer.concat(events.slice(0, 2).map(({ audio }) => Buffer.from(audio!, 'base64')));
    expect(new Uint8Array(sound)).toEqual(new Uint8Array(await (await speak({ response_format: 'pcm' })).arrayBuffer()));
  });

  it.each([
    [{ response_format: 'mp3' }, 'response_format', /mp3 needs an encoder/], [{ response_format: 'opus' }, 'response_format', /opus/],
    [{ voice: 'alloy' }, 'voice', /no voice "alloy": there are af_bella/], [{ input: '...' }, 'input', /nothing to speak/],
    [{ speed: 9 }, 'speed', /speed/], [{ instructions: 'Whisper.' }, 'instructions', /Leave them out/],
    [{ model: 'text' }, 'model', /neither hears nor speaks/],
    [{ input: '' }, 'input', /input/], [{ input: 'a'.repeat(100_001) }, 'input', /100000/], [{ pitch: 2 }, 'pitch', /pitch/],
  ])('%j is refused by name', async (rest, param, message) => {
    await expect(speak(rest)).rejects.toMatchObject({ status: 400, param, message: expect.stringMatching(message) });
  });

  it('a model that speaks answers no chat, and is listed', async () => {
    const chat = client.chat.completions.create({ model: 'kokoro', messages: [{ role: 'user', content: 'Hi' }] });
    await expect(chat).rejects.toMatchObject({ status: 400, param: 'model', message: expect.stringContaining('/v1/audio/speech') });
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toContain('kokoro');
  });
});
