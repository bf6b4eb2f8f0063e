/** `ingot speak` as people call it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../../test/kokoro-golden.ts';
import { makeVoiceFolder } from '../../test/kokoro-voice.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;

describe.skipIf(!existsSync(main))('ingot speak', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-speak-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ingot(args: readonly string[], input = '') {
    const env = { ...process.env, INGOT_VOICE_MODEL: '', NO_COLOR: '1', INGOT_HOME: folder };
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'speak', ...args], { input, env, timeout: 60_000 });
    return { status, stdout, stderr: stderr.toString() };
  }

  it('without a model says that no voice comes with it, and which command gets one', () => {
    const { status, stderr } = ingot(['hello', '-o', join(folder, 'a.wav')]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/no trained voice comes with this package: get one with "ingot pull kokoro:82m"/);
    expect(existsSync(join(folder, 'a.wav'))).toBe(false);
  });

  it('asks where the speech is to go', () => {
    expect(ingot(['hello', '--model', folder]).stderr).toMatch(/-o speech\.wav/);
  });

  it.skipIf(!hasShared(KOKORO_GOLDEN))('writes a WAV file of phonemes, whose header says its length; and the same to stdout', () => {
    const model = makeVoiceFolder(join(folder, 'model'));
    const path = join(folder, 'b.wav');
    const flags = ['--model', model, '--device', 'cpu', '--threads', '1', '--phonemes'];
    const made = ingot([...flags, 'həlˈO.', '-o', path]);
    expect(made.stderr).toMatch(/s of speech in .* real-time factor/);
    expect(made.status).toBe(0);
    const file = readFileSync(path);
    expect(file.readUInt32LE(4)).toBe(file.length - 8);
    expect(file.readUInt32LE(40)).toBe(file.length - 44);
    const piped = ingot([...flags, '-o', '-'], 'həlˈO.\n');
    expect(piped.stdout.subarray(44)).toEqual(file.subarray(44));
    const refused = ingot([...flags, 'Q', '-o', join(folder, 'c.wav')]);
    expect(refused.stderr).toMatch(/has none for "Q"/);
    expect(existsSync(join(folder, 'c.wav'))).toBe(false);
    expect(ingot(['--voices', '--model', model, '--device', 'cpu']).stdout.toString()).toContain('af_heart\n');
    const listed = ingot(['--voices', '--model', model, '-o', join(folder, 'd.wav')]);
    expect([listed.status, listed.stderr]).toEqual([2, expect.stringContaining('--voices lists voices and speaks nothing')]);
  });
});
