/** `ingot talk` live, over programs that stand for a microphone and a loudspeaker; and of a cascade, from file to file. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../../test/kokoro-golden.ts';
import { makeVoiceFolder } from '../../test/kokoro-voice.ts';
import { encodeWav } from '../audio/wav-writer.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { espeakSound } from '../node/espeak-phonemizer.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const espeak = process.env['INGOT_ESPEAK'] ?? fileURLToPath(new URL('../../peers/node_modules/espeak-ng', import.meta.url));
const MOONSHINE = `${sharedPath}/real/moonshine`;
const hasModels = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf') && hasShared(KOKORO_GOLDEN);

describe.skipIf(!existsSync(main) || !existsSync(espeak) || !hasModels)('ingot talk with a cascade', () => {
  let folder: string;
  let flags: string[];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-cascade-'));
    process.env['INGOT_ESPEAK'] = espeak;
    flags = [
      '--model', bundledModelPath(), '--ears', MOONSHINE, '--tokenizer', `${sharedPath}/vocab/llama-spm.gguf`,
      '--voice-model', makeVoiceFolder(join(folder, 'voice')), '--device', 'cpu', '--threads', '1', '--max-tokens', '6',
      '--temperature', '0',
    ];
    writeFileSync(join(folder, 'said.wav'), await espeakSound('We went to the market and bought some fresh bread.', 'en-us'));
    writeFileSync(join(folder, 'silent.wav'), encodeWav(new Float32Array(16_000), { sampleRate: 16_000, channels: 1 }));
    program('arecord', `cat ${join(folder, 'said.wav')}; sleep 2`);
    program('pw-cat', `cat >> ${join(folder, 'played.raw')}`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** In a folder of its own, so that PATH can leave it out. */
  function program(name: string, script: string, place = name): void {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n[ "$1" = --version ] && exit 0\n${script}\n`);
    chmodSync(join(folder, place, name), 0o755);
  }
  const env = (...programs: readonly string[]) => ({
    ...process.env, INGOT_HOME: folder, NO_COLOR: '1',
    PATH: [...programs.map((name) => join(folder, name)), dirname(process.execPath)].join(':'),
  });
  const ingot = (args: readonly string[], programs: readonly string[] = []) =>
    spawnSync(process.execPath, [main, 'talk', ...args], { cwd: folder, encoding: 'utf8', timeout: 60_000, env: env(...programs) });

  it('hears a file, answers it in text and speech, and goes on with a text', () => {
    const { status, stdout, stderr } = ingot([...flags, '--in', 'said.wav', '--out', 'answer.wav', 'Who are you?']);
    expect(stderr).toMatch(/^ingot: heard: .*market and bought some fresh bread/im);
    expect(stderr.match(/^ingot: (heard \d\.\d s, )?said \d+ tokens and \d+\.\d s/gm)?.length).toBe(2);
    expect(status).toBe(0);
    expect(stdout.trim().split('\n').length).toBeGreaterThanOrEqual(2);
    const seconds = [...stderr.matchAll(/and (\d+\.\d) s/g)].reduce((sum, [, each]) => sum + Number(each), 0);
    const wav = readFileSync(join(folder, 'answer.wav'));
    expect(wav.readUInt32LE(40)).toBe(wav.length - 44);
    expect(Math.abs((wav.length - 44) / 48_000 - seconds)).toBeLessThan(0.11);
  });

  it('listens to a microphone and speaks through a loudspeaker, by programs of the system', () => {
    const { status, stdout, stderr } = ingot(flags, ['arecord', 'pw-cat']);
    expect(stderr).toContain('listening with arecord');
    expect(stdout).toMatch(/^> .*market and bought some fresh bread/im);
    expect(stderr).toMatch(/said \d+ tokens and (\d+\.\d) s/);
    expect(status).toBe(0);
    const seconds = Number(/said \d+ tokens and (\d+\.\d) s/.exec(stderr)![1]);
    // It was heard to its end, in as long as it takes.
    expect(Math.abs(readFileSync(join(folder, 'played.raw')).length / 48_000 - seconds)).toBeLessThan(0.11);
  });

  it('ends with Ctrl-C', async () => {
    program('arecord', `cat ${join(folder, 'silent.wav')}; exec sleep 60`, 'deaf');
    const child = spawn(process.execPath, [main, 'talk', ...flags], { cwd: folder, env: env('deaf', 'pw-cat') });
    let stderr = '';
    const ended = new Promise<number | null>((resolve) => void child.on('close', resolve));
    child.stderr.on('data', (data) => {
      stderr += String(data);
      if (stderr.includes('it leaves') && !child.killed) child.kill('SIGINT');
    });
    expect([await ended, stderr]).toEqual([0, expect.stringContaining('Ctrl-C stops an answer')]);
  }, 60_000);

  it.each([
    [[], /talk needs a model: one that hears and speaks/],
    [['--model', 'MODEL', 'hi', '--out', 'x.wav'], /get one with "ingot pull kokoro:82m", and name it with --voice-model kokoro:82m/],
    [['FLAGS'], /No program that plays was found \(pw-cat, paplay, aplay, play, ffplay\)/],
    [['FLAGS', '--out', 'x.wav'], /--out is for the answers to --in and texts/],
    [['FLAGS', '--in', 'silent.wav', '--out', 'x.wav'], /No words were heard in silent\.wav/],
    [['FLAGS', '--task', 'speak', 'hi', '--out', 'x.wav'], /--task is of a model that hears and speaks/],
    [['folder', '--ears', 'x', 'hi', '--out', 'x.wav'], /--ears is of a cascade/],
    [['FLAGS', 'hi', '--out', 'x.wav', '--no-interrupt'], /--no-interrupt is for the microphone/],
  ] as const)('refuses %j', (args, message) => {
    const given = args.flatMap((arg) => (arg === 'FLAGS' ? flags : arg === 'MODEL' ? [bundledModelPath()] : [arg]));
    const { status, stderr } = ingot(given);
    expect(stderr).toMatch(message);
    expect(status).not.toBe(0);
    expect(existsSync(join(folder, 'x.wav'))).toBe(false);
  });

  it('says which programs record, where there is none', () => {
    expect(ingot(flags, ['pw-cat']).stderr).toMatch(/No program that records was found \(arecord, rec, ffmpeg\)/);
  });
});
