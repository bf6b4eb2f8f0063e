/** The package's files become the model: values beside those that others made of the package, and what a command hears with it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared, readFixtureTensors, sharedPath } from '../../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../../test/fixture-tensors.ts';
import { moonshineOnnx } from '../../../test/packed-moonshine.ts';
import { encodeWav } from '../../audio/wav-writer.ts';
import { openCheckpoint } from '../../files/open-checkpoint.ts';
import type { Checkpoint } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { f32ToF16 } from '../../tensor/half.ts';
import { fileSink } from '../file-sink.ts';
import { locate } from '../open-path.ts';
import { moonshineCheckpoint, moonshineTinyEn } from './moonshine-tiny-en.ts';
import { pulledModelPath } from './pull-model.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
const REAL = `${sharedPath}/real/moonshine`;
const VOCABULARY = `${sharedPath}/vocab/llama-spm.gguf`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

/** llama-tokenizer.js around the tokens of a vocabulary. */
function tokenizerSource({ metadata }: Checkpoint): Uint8Array {
  const tokens = metadata.get('tokenizer.ggml.tokens') as string[];
  const text = `const llama_vocab_base64 = "${Buffer.from(tokens.join('\n')).toString('base64')}"\nconst llama_merges_binary = "AAAA"\n`;
  return new TextEncoder().encode(text);
}

describe.skipIf(!hasReal)('moonshine-tiny-en of its package', () => {
  let files: Map<string, Uint8Array>;
  let tensors: ReadonlyMap<string, FixtureTensor>;
  let vocabulary: Checkpoint;
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'ingot-pulled-'));
    tensors = readFixtureTensors(`${REAL}/model.safetensors`);
    vocabulary = await openCheckpoint(await locate(VOCABULARY));
    const { encoder, decoder } = moonshineOnnx(tensors);
    const names = moonshineTinyEn.packages.flatMap((each) => each.files);
    files = new Map([[names[0]!, encoder], [names[1]!, decoder], [names[2]!, tokenizerSource(vocabulary)]]);
  });
  afterAll(async () => {
    await vocabulary.close();
    rmSync(home, { recursive: true, force: true });
  });

  it('has every tensor of transformers, with the values that were made of the codes', async () => {
    const made = moonshineCheckpoint(files);
    expect([...made.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { shape, bytes }] of tensors) {
      const entry = made.tensors.get(name)!;
      expect(entry.shape, name).toEqual(shape);
      const values = new Uint8Array(entry.sizeBytes);
      await entry.read(0, values);
      const floats = new Float32Array(values.buffer);
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, floats.length);
      let others = 0;
      for (let i = 0; i < floats.length; i++) if (f32ToF16(floats[i]!) !== halves[i]) others++;
      expect(others, name).toBe(0);
    }
  });

  it('becomes one file with its vocabulary, which is heard with where no model is named', async () => {
    const path = pulledModelPath('moonshine-tiny-en', home);
    mkdirSync(dirname(path), { recursive: true });
    await moonshineTinyEn.write(files, await fileSink(path), {});
    const written = await openCheckpoint(await locate(path));
    expect(written.sizeBytes).toBeLessThan(30e6);
    for (const key of ['tokens', 'scores', 'token_type']) {
      const [own, theirs] = [written, vocabulary].map(({ metadata }) => metadata.get(`tokenizer.ggml.${key}`) as ArrayLike<unknown>);
      expect(own!.length).toBe(32_768);
      expect(Array.from(own!).slice(0, 32_000), key).toEqual(Array.from(theirs!));
    }
    for (const [key, value] of vocabulary.metadata)
      if (key.startsWith('tokenizer.') && typeof value !== 'object') expect(written.metadata.get(key), key).toEqual(value);
    await written.close();
    if (!existsSync(main)) return;
    const wav = readFileSync(`${REAL}/speech-60s.wav`);
    const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + wav.length - 2 * 960_000, wav.byteOffset + wav.length));
    const piece = Float32Array.from(samples.subarray(160_000, 320_000), (value) => value / 32768);
    writeFileSync(join(home, 'talk.wav'), encodeWav(piece, { sampleRate: 16_000, channels: 1 }));
    const { stdout, stderr, status } = spawnSync(process.execPath, [main, 'transcribe', 'talk.wav', '--piece-seconds', '10', '--offline'], {
      cwd: home, encoding: 'utf8', env: { ...process.env, INGOT_HOME: home, INGOT_SPEECH_MODEL: '' }, timeout: 60_000,
    });
    expect(status).toBe(0);
    expect(stderr).toMatch(/^ingot: talk\.wav: 10\.0 s of sound in [^\n]*\n$/);
    expect(stdout).toBe('A much of political philosophy develops theories that take no account of.\n');
  });

  it('refuses a package of another version', () => {
    const [encoder, decoder] = [...files.keys()] as [string, string];
    expect(() => moonshineCheckpoint(new Map([...files, [decoder, files.get(encoder)!]]))).toThrow(FormatError);
    expect(() => moonshineCheckpoint(new Map([...files, [encoder, files.get(encoder)!.subarray(0, 1e6)]]))).toThrow('does not end within');
  });
});
