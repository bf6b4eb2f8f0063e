/** `ingot serve` of a model that hears beside one of text. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, expect, it } from 'vitest';
import { hasShared, sharedPath } from '../../../test/fixture-tensors.ts';
import { encodeWav } from '../../audio/wav-writer.ts';
import { convertFile } from '../../node/convert.ts';
import { loadSpeechModel } from '../../node/load-speech-model.ts';
import { bundledModelPath } from '../../node/package-root.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
const GOLDEN = 'golden/moonshine';
const SETTINGS = ['--port', '0', '--device', 'cpu', '--threads', '1', '--database', 'none'];
const folder = mkdtempSync(join(tmpdir(), 'ingot-hear-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.skipIf(!existsSync(main) || !hasShared(`${GOLDEN}/model.safetensors`))('a model that hears is served beside one of text', async () => {
  const path = join(folder, 'hear.gguf');
  await convertFile(`${sharedPath}/${GOLDEN}`, path, { type: 'f32', vocabulary: 'made' });
  const samples = Float32Array.from({ length: 16_000 }, (_, i) => 0.3 * Math.sin(i / 9) * Math.sin(i / 900));
  const model = await loadSpeechModel(path, { device: 'cpu', threads: 1 });
  const wav = encodeWav(samples, { sampleRate: 16_000, channels: 1, encoding: 'float32' });
  const expected = await model.transcribe({ samples, sampleRate: 16_000 }, { turns: { threshold: 0.001, release: 0.001 } });
  await model.dispose();

  const models = [bundledModelPath(), `hear=${path}`, '--alias', 'whisper-1=hear'];
  const env = { ...process.env, INGOT_HOME: join(folder, 'home') };
  const child = spawn(process.execPath, [main, 'serve', ...models, ...SETTINGS], { stdio: ['ignore', 'ignore', 'pipe'], env });
  const over = once(child, 'close');
  try {
    const origin = await new Promise<string>((resolve, reject) => {
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
        const [, found] = /serving .*, hear at (\S+)\/v1/.exec(stderr) ?? [];
        if (found !== undefined) resolve(found);
      });
      child.on('close', () => reject(new Error(stderr)));
    });
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'none', maxRetries: 0 });
    const kinds = (await client.models.list()).data.map((one: any) => [one.id, one.kind, one.status]);
    expect(kinds.slice(1)).toEqual([['hear', 'speech', 'unloaded'], ['whisper-1', 'speech', 'unloaded']]);
    const chunking_strategy = { type: 'server_vad', threshold: 0.001 } as const;
    const file = await toFile(wav, 'a.wav');
    const answer = await client.audio.transcriptions.create({ file, model: 'whisper-1', chunking_strategy });
    expect(expected.text).not.toBe('');
    expect(answer).toEqual({ text: expected.text, usage: { type: 'duration', seconds: 1 } });
    const chat = client.chat.completions.create({ model: 'hear', messages: [{ role: 'user', content: 'Hi' }] });
    await expect(chat).rejects.toMatchObject({ status: 400, code: 'unsupported_model' });
  } finally {
    child.kill();
    await over;
  }
});
