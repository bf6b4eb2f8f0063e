/** Sounds that are none, and odd ones that are: the same answer in the library, on the command line and over HTTP. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAudio } from '../../src/audio/open-audio.ts';
import type { SpeechModel } from '../../src/engine/speech/speech-model.ts';
import { memorySource } from '../../src/files/memory-source.ts';
import { loadSpeechModel } from '../../src/node/load-speech-model.ts';
import { createServer } from '../../src/server/create-server.ts';
import type { Server } from '../../src/server/api.ts';
import { FormatError } from '../../src/tensor/errors.ts';
import { hasShared, sharedPath } from '../fixture-tensors.ts';
import { BROKEN_SOUNDS, ODD_SOUNDS } from './odd-sounds.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const REAL = `${sharedPath}/real/moonshine`;
const VOCABULARY = `${sharedPath}/vocab/llama-spm.gguf`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

describe.skipIf(!hasReal)('sounds', () => {
  let model: SpeechModel;
  let server: Server;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-sounds-'));
    model = await loadSpeechModel(REAL, { device: 'cpu', tokenizer: VOCABULARY });
    server = createServer({ models: { hear: model } });
  });
  afterAll(async () => {
    await server.close();
    await model.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function inLibrary(bytes: Uint8Array): Promise<string> {
    return (await model.transcribe(await openAudio(memorySource(bytes, 'sound')))).text;
  }
  async function overHttp(bytes: Uint8Array): Promise<{ status: number; body: any }> {
    const form = new FormData();
    form.set('model', 'hear');
    form.set('file', new File([new Uint8Array(bytes)], 'a.wav'));
    const response = await server.fetch(new Request('http://127.0.0.1/v1/audio/transcriptions', { method: 'POST', body: form }));
    return { status: response.status, body: await response.json() };
  }
  function onCommandLine(args: readonly string[]) {
    const options = ['--model', REAL, '--tokenizer', VOCABULARY, '--device', 'cpu'];
    return spawnSync(process.execPath, [main, 'transcribe', ...args, ...options], { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  }

  it.each(BROKEN_SOUNDS)('%s: what is wrong is told', async (name, bytes, message) => {
    const failure = inLibrary(bytes);
    await expect(failure).rejects.toThrow(FormatError);
    await expect(failure).rejects.toThrow(message);
    const { status, body } = await overHttp(bytes);
    expect({ status, code: body.error.code }).toEqual({ status: 400, code: bytes.length === 0 ? body.error.code : 'invalid_audio' });
    if (bytes.length > 0) expect(body.error.message).toMatch(message);
    // A process each: those that come to it by different ways.
    if (!existsSync(main) || !['an empty file', 'noise', 'a cut file', 'no channels', 'NaN'].includes(name)) return;
    writeFileSync(join(folder, 'a.wav'), bytes);
    const run = onCommandLine(['a.wav']);
    expect({ stdout: run.stdout, status: run.status }).toEqual({ stdout: '', status: 1 });
    expect(run.stderr).toMatch(message);
  });

  it.each(ODD_SOUNDS)('%s: what was said is heard', async (name, bytes, text) => {
    expect(await inLibrary(bytes)).toMatch(text);
    if (['loud-floats', 'quiet'].includes(name)) return;
    const { status, body } = await overHttp(bytes);
    expect(status).toBe(200);
    expect(body.text).toMatch(text);
  });

  it.skipIf(!existsSync(main))('odd ones are heard on the command line, one file after the other', () => {
    for (const [name, bytes] of ODD_SOUNDS) writeFileSync(join(folder, `${name}.wav`), bytes);
    const { status, stderr } = onCommandLine([...ODD_SOUNDS.map(([name]) => `${name}.wav`), '--output-dir', 'out']);
    expect(status, stderr).toBe(0);
    for (const [name, , text] of ODD_SOUNDS) expect(readFileSync(join(folder, 'out', `${name}.txt`), 'utf8').trim(), name).toMatch(text);
  });
});
