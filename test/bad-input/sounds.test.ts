/** Sounds that are none, and odd ones that are: the same answer in the library, on the command line and over HTTP. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAudio } from '../../src/audio/open-audio.ts';
import { resample } from '../../src/audio/resample.ts';
import { encodeWav } from '../../src/audio/wav-writer.ts';
import type { SpeechModel } from '../../src/engine/speech/speech-model.ts';
import { memorySource } from '../../src/files/memory-source.ts';
import { loadSpeechModel } from '../../src/node/load-speech-model.ts';
import { createServer } from '../../src/server/create-server.ts';
import type { Server } from '../../src/server/api.ts';
import { FormatError } from '../../src/tensor/errors.ts';
import { hasShared, sharedPath } from '../fixture-tensors.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const REAL = `${sharedPath}/real/moonshine`;
const VOCABULARY = `${sharedPath}/vocab/llama-spm.gguf`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');
const RATE = 16_000;

const wav = (samples: Float32Array, sampleRate = RATE): Uint8Array => encodeWav(samples, { sampleRate, channels: 1 });
const floatWav = (samples: Float32Array): Uint8Array => encodeWav(samples, { sampleRate: RATE, channels: 1, encoding: 'float32' });
function edited(file: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

/** Ten seconds of the recording. */
function speech(): Float32Array {
  if (!hasReal) return new Float32Array(0);
  const file = readFileSync(`${REAL}/speech-60s.wav`);
  const all = new Int16Array(file.buffer.slice(file.byteOffset + file.length - 2 * 960_000, file.byteOffset + file.length));
  return Float32Array.from(all.subarray(160_000, 320_000), (value) => value / 32768);
}

const tone = wav(Float32Array.from({ length: 2000 }, (_, t) => 0.3 * Math.sin(t / 9)));
const floats = floatWav(Float32Array.of(0, 0.5, 0.5, 0));
const noise = Uint8Array.from({ length: 3000 }, (_, i) => (i * i * 31 + i * 7) & 255);

/** What is wrong, the file, what is said of it. */
const BROKEN: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['an empty file', new Uint8Array(0), /found an empty file|is empty/],
  ['noise', noise, /expected WAV, FLAC, MP3 or Ogg/],
  ['a cut file', tone.subarray(0, 900), /ends early: its header says 4000 bytes of samples, the file has 856/],
  ['a header of more than there is', edited(tone, 40, [0, 0, 0, 16]), /ends early: its header says 268435456 bytes/],
  ['a header alone', tone.subarray(0, 36), /ended before its samples/],
  ['no channels', edited(tone, 22, [0, 0]), /at least one channel, found 0/],
  ['a rate of 0', edited(tone, 24, [0, 0, 0, 0]), /expected a rate from 1 to 768000 Hz, found 0/],
  ['a rate of 4 GHz', edited(tone, 24, [255, 255, 255, 255]), /found 4294967295/],
  ['channels that do not fit', edited(tone, 22, [5, 0]), /5 channels of 16 bits take 10 bytes, but the header says 2/],
  ['NaN', edited(floats, floats.length - 8, [0, 0, 0xc0, 0x7f]), /sample 2 of channel 1 .* is NaN/],
  ['infinity', edited(floats, floats.length - 12, [0, 0, 0x80, 0xff]), /sample 1 of channel 1 .* is -Infinity/],
];

/** What is odd, the file, what is heard. */
const ODD: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['nothing', wav(new Float32Array(0)), /^$/],
  ['one sample', wav(Float32Array.of(0.5)), /^$/],
  ['silence', wav(new Float32Array(3 * RATE)), /^$/],
  ['clipped', wav(speech().map((value) => Math.max(-1, Math.min(1, 40 * value)))), /political philosophy/],
  ['loud-floats', floatWav(speech().map((value) => 50 * value)), /political philosophy/],
  ['quiet', wav(speech().map((value) => 0.01 * value)), /political philosophy/],
  ['of-11025-hz', wav(resample({ samples: speech(), sampleRate: RATE }, 11_025).samples, 11_025), /political philosophy/],
];

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

  it.each(BROKEN)('%s: what is wrong is told', async (name, bytes, message) => {
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

  it.each(ODD)('%s: what was said is heard', async (name, bytes, text) => {
    expect(await inLibrary(bytes)).toMatch(text);
    if (['loud-floats', 'quiet'].includes(name)) return;
    const { status, body } = await overHttp(bytes);
    expect(status).toBe(200);
    expect(body.text).toMatch(text);
  });

  it.skipIf(!existsSync(main))('odd ones are heard on the command line, one file after the other', () => {
    for (const [name, bytes] of ODD) writeFileSync(join(folder, `${name}.wav`), bytes);
    const { status, stderr } = onCommandLine([...ODD.map(([name]) => `${name}.wav`), '--output-dir', 'out']);
    expect(status, stderr).toBe(0);
    for (const [name, , text] of ODD) expect(readFileSync(join(folder, 'out', `${name}.txt`), 'utf8').trim(), name).toMatch(text);
  });
});
