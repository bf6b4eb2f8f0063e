import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeWav } from '../audio/wav-writer.ts';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const REAL = `${sharedPath}/real/moonshine`;
const hasReal = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

describe.skipIf(!existsSync(main))('ingot transcribe', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-transcribe-'));
    writeFileSync(join(folder, 'silence.wav'), encodeWav(new Float32Array(24_000), { sampleRate: 16_000, channels: 1 }));
    if (!hasReal) return;
    // The second piece of ten seconds of the recording, under a header of its own.
    const wav = readFileSync(`${REAL}/speech-60s.wav`);
    const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + wav.length - 2 * 960_000, wav.byteOffset + wav.length));
    const piece = Float32Array.from(samples.subarray(160_000, 320_000), (value) => value / 32768);
    writeFileSync(join(folder, 'talk.wav'), encodeWav(piece, { sampleRate: 16_000, channels: 1 }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ingot(args: readonly string[], input?: Uint8Array) {
    const env = { ...process.env, INGOT_SPEECH_MODEL: '', NO_COLOR: '', HF_HOME: folder };
    return spawnSync(process.execPath, [main, 'transcribe', ...args], { cwd: folder, encoding: 'utf8', input, env, timeout: 60_000 });
  }
  const model = ['--model', REAL, '--tokenizer', `${sharedPath}/vocab/llama-spm.gguf`, '--device', 'cpu'];

  it.skipIf(!hasReal)('prints text and subtitles of files, and tells how long it took', () => {
    const args = ['talk.wav', 'silence.wav', '--piece-seconds', '10', '--output-dir', 'out', '--srt'];
    const { stdout, stderr, status } = ingot([...args, ...model]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(/^ingot: 2 sounds: 11.5 s of sound in \d+\.\d s, real-time factor \d+\.\d{3}\n$/);
    const srt = readFileSync(join(folder, 'out/talk.srt'), 'utf8');
    expect(srt).toBe('1\n00:00:00,000 --> 00:00:10,000\nA much of political philosophy develops theories that take no account of.\n\n');
  });

  it.skipIf(!hasReal)('prints sounds that are heard together in their order', () => {
    const { stdout, stderr, status } = ingot(['silence.wav', 'talk.wav', '--piece-seconds', '10', ...model]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^ingot: 2 sounds: 11\.5 s of sound in .*\n$/);
    expect(stdout).toMatch(/^silence\.wav:\ntalk\.wav:\nA much of political philosophy .*\n$/);
  });

  it.skipIf(!hasReal)('reads a pipe, and prints JSON', () => {
    const { stdout, status } = ingot(['-', '--json', ...model], readFileSync(join(folder, 'talk.wav')));
    expect(status).toBe(0);
    const { text, seconds, segments } = JSON.parse(stdout) as { text: string; seconds: number; segments: { text: string }[] };
    expect(seconds).toBe(10);
    expect(text).toMatch(/political philosophy/);
    expect(segments.map((segment) => segment.text).join(' ')).toBe(text);
  });

  it.each([
    [[], 'name a sound file'],
    [['a.wav', '--microphone'], 'give either files or --microphone'],
    [['missing.wav'], 'there is no such file'],
    [['silence.wav', '--model', 'no/body', '--offline'], 'no/body is not in the cache, and --offline'],
    [['silence.wav', '--model', 'https://example.com/m.gguf', '--offline'], '--model is a URL'],
    [['silence.wav', '--srt', '--json'], '--srt and --json are forms of one output'],
    [['silence.wav', '--words'], '--words is for --json'],
    [['silence.wav', 'silence.wav', '--vtt'], 'name a folder for them (--output-dir)'],
    [['silence.wav', './silence.wav', '--output-dir', 'twice'], 'would both be silence.txt in --output-dir'],
    [['silence.wav', '--piece-seconds', '99'], 'Expected a number from 0.1 to 30'],
    [['silence.wav', '--pcm', '16000'], '--pcm is for stdin'],
    [['silence.wav', '-', '--live'], '--live follows one sound'],
    [['-', '--live', '--words', '--json'], '--live has no times of words'],
    [['silence.wav', '--device', 'gpu', '--threads', '2'], '--threads is for the CPU device'],
  ])('%j is refused', (args, message) => {
    const { stderr, status } = ingot(args);
    expect(stderr).toContain(message);
    expect(status).not.toBe(0);
  });

  it.skipIf(!hasReal)('follows samples without a header, a line of JSON each', () => {
    const samples = readFileSync(join(folder, 'talk.wav')).subarray(44);
    const { stdout, status } = ingot(['-', '--live', '--json', '--pcm', '16000', ...model], samples);
    expect(status).toBe(0);
    const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; text?: string });
    expect(events.map(({ event }) => event).filter((event) => event !== 'partial')).toEqual(['start', 'final']);
    expect(events.at(-1)!.text).toMatch(/political philosophy/);
  });

  const hasShell = process.platform !== 'win32';
  it.skipIf(!hasReal || !hasShell)('follows a microphone by a program, and says which it looked for', () => {
    const programs = join(folder, 'programs');
    mkdirSync(programs, { recursive: true });
    const run = (path: string) => spawnSync(process.execPath, [main, 'transcribe', '--microphone', '--live', ...model], {
      cwd: folder, encoding: 'utf8', env: { ...process.env, PATH: path, INGOT_SPEECH_MODEL: '', NO_COLOR: '' }, timeout: 60_000,
    });
    const none = run(programs);
    expect(none.status).toBe(1);
    expect(none.stderr).toMatch(/No program that records was found \((arecord, )?rec, ffmpeg\)/);
    const script = `#!/bin/sh\n[ "$1" = --version ] || exec /bin/cat "${join(folder, 'talk.wav')}"\n`;
    writeFileSync(join(programs, 'rec'), script, { mode: 0o755 });
    const { stdout, stderr, status } = run(programs);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('ingot: listening with rec; Ctrl-C ends it');
    expect(stdout).toMatch(/political philosophy/);
  });

  it.skipIf(!hasReal)('says what is wrong with a file and with a model', () => {
    writeFileSync(join(folder, 'cut.wav'), readFileSync(join(folder, 'talk.wav')).subarray(0, 100_000));
    expect(ingot(['cut.wav', ...model]).stderr).toContain('ends early: its header says 320000 bytes of samples, the file has 99956');
    expect(ingot(['talk.wav', '--model', REAL, '--device', 'cpu']).stderr).toContain('holds no tokenizer');
  });
});
