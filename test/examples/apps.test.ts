/** The examples of whole programs, as somebody would run them: with the bundled model, and small ones of the fixtures beside it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/engine/api.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { loadSpeechModel } from '../../src/node/load-speech-model.ts';
import { loadVoiceModel } from '../../src/node/load-voice-model.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { filesBelow, poolingFiles } from '../embedding-model.ts';
import { fixturesPath, hasShared, sharedPath } from '../fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../kokoro-golden.ts';
import { letterPhonemizer, makeVoiceFolder } from '../kokoro-voice.ts';

const apps = new URL('../../examples/apps/', import.meta.url);
const dist = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const MOST_LINES = 60;
const ASKED = [{ role: 'user', content: 'Where does a hen live?' }];
const ANSWER = 'A hen lives in a coop.';

/** A program of the examples: not of this project's types, as nobody's own program is. */
function importApp<Program>(name: string): Promise<Program> {
  return import(new URL(name, apps).href) as Promise<Program>;
}

// Programs of their own load models of their own: on a busy machine that takes its time.
describe.skipIf(!existsSync(dist))('programs of the examples', { timeout: 180_000 }, () => {
  let folder: string;
  let model: Model;
  /** For programs that sample: what is said by chance may be short. */
  const likeliest = { generate: (options) => model.generate({ ...options, temperature: 0 }) } as Pick<Model, 'generate'> as Model;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-apps-'));
    model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 1, contextLength: 512 });
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true, force: true });
  });
  function run(name: string, args: readonly string[] = [], more: object = {}) {
    const env = { ...process.env, ...more };
    return spawnSync(process.execPath, [new URL(name, apps).pathname, ...args], { encoding: 'utf8', env, timeout: 170_000 });
  }

  it(`are under ${MOST_LINES} lines each`, () => {
    const lines = readdirSync(apps).map((name) => [name, readFileSync(new URL(name, apps), 'utf8').trimEnd().split('\n').length] as const);
    expect(lines.filter(([, count]) => count >= MOST_LINES)).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(6);
  });

  it('a chat with Hono: a page, and answers that stream', async () => {
    const { chatApp } = await importApp<{ chatApp(model: Model): { request(path: string, init?: RequestInit): Promise<Response> } }>(
      'hono-chat.mjs',
    );
    const app = chatApp(likeliest);
    expect(await (await app.request('/')).text()).toContain('<form>');
    const answer = await app.request('/chat', { method: 'POST', body: JSON.stringify(ASKED) });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(ANSWER);
  });

  it('a route of Next.js', async () => {
    const held = globalThis as { ingotModel?: Promise<Model> };
    held.ingotModel = Promise.resolve(likeliest);
    try {
      const { POST } = await importApp<{ POST(request: Request): Promise<Response> }>('next-route.ts');
      const request = (signal?: AbortSignal) =>
        new Request('http://localhost/api/chat', { method: 'POST', body: JSON.stringify({ messages: ASKED }), signal });
      const answer = await POST(request());
      expect(answer.headers.get('content-type')).toContain('text/plain');
      expect(await answer.text()).toBe(ANSWER);
      // A reader that leaves ends the work.
      const left = await POST(request());
      await left.body!.cancel();
      expect(model.info.load.running).toBe(0);
    } finally {
      delete held.ingotModel;
    }
  });

  it('a worker thread', () => {
    const { status, stdout, stderr } = run('worker-thread.mjs');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trim().split('\n').length).toBeGreaterThanOrEqual(2);
  });

  it('answers from the texts of a folder, the nearest first', () => {
    const words = ['fox', 'den', 'hen', 'coop', 'a', 'in', 'lives'];
    const vocabulary = { t100: 100, ...Object.fromEntries(words.map((word, id) => [word, id + 3])) };
    const tokenizer = {
      version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: { type: 'WhitespaceSplit' }, post_processor: null, decoder: null,
      model: { type: 'WordLevel', unk_token: 't100', vocab: vocabulary },
    };
    const embedder = join(folder, 'bert');
    const extra = poolingFiles('mean_tokens', { 'tokenizer.json': tokenizer });
    for (const [name, bytes] of filesBelow(join(fixturesPath, 'golden/bert'), extra)) {
      mkdirSync(dirname(join(embedder, name)), { recursive: true });
      writeFileSync(join(embedder, name), bytes);
    }
    const texts = join(folder, 'texts');
    mkdirSync(texts);
    writeFileSync(join(texts, 'hen.txt'), 'a hen lives in a coop\n');
    writeFileSync(join(texts, 'fox.md'), 'a fox lives in a den\n');
    const { status, stdout } = run('rag.mjs', [texts, 'a fox lives in a den'], { EMBEDDER: embedder });
    expect(status).toBe(0);
    expect(stdout.split('\n')[0]).toBe('1.000  fox.md');
    expect(stdout.split('\n').length).toBeGreaterThan(3);
  });

  const REAL = `${sharedPath}/real/moonshine`;
  it.skipIf(!hasShared('real/moonshine/model.safetensors') || !hasShared('vocab/llama-spm.gguf') || !hasShared(KOKORO_GOLDEN))(
    'hears a question and speaks the answer (../shared)',
    async () => {
      const { replyTo } = await importApp<{
        replyTo(bytes: Uint8Array, models: object): Promise<{ heard: string; answered: string; wav: Uint8Array }>;
      }>('voice.mjs');
      const voiceFolder = join(folder, 'voice');
      const ears = await loadSpeechModel(REAL, { device: 'cpu', threads: 1, tokenizer: `${sharedPath}/vocab/llama-spm.gguf` });
      const voice = await loadVoiceModel(makeVoiceFolder(voiceFolder), { device: 'cpu', threads: 1, phonemizer: letterPhonemizer });
      try {
        // The first four seconds, whose header still says sixty: what is cut is taken as it is.
        const wav = readFileSync(`${REAL}/speech-60s.wav`);
        const bytes = wav.subarray(0, 44 + 4 * 32_000);
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(40, 4 * 32_000, true);
        const { heard, answered, wav: spoken } = await replyTo(bytes, { ears, model, voice });
        expect(heard.length).toBeGreaterThan(10);
        expect(answered.length).toBeGreaterThan(5);
        expect(new TextDecoder().decode(spoken.subarray(0, 4))).toBe('RIFF');
        expect(spoken.length).toBeGreaterThan(24_000);
      } finally {
        await Promise.all([ears.dispose(), voice.dispose()]);
      }
    },
  );
});
