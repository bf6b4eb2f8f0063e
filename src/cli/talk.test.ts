import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { LFM2_AUDIO_FOLDER, LFM2_AUDIO_GOLDEN } from '../../test/lfm2-audio-golden.ts';
import { encodeWav } from '../audio/wav-writer.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;

/** A token for each character that can be seen, a space and a line's end, and others up to the small model's 163. */
function tokenizerJson(): string {
  const seen = Array.from({ length: 94 }, (_, i) => String.fromCodePoint(33 + i));
  const others = Array.from({ length: 163 - 96 }, (_, i) => `other${i}`);
  const vocab = Object.fromEntries([...others.slice(0, 40), ...seen, 'Ġ', 'Ċ', ...others.slice(40)].map((token, id) => [token, id]));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = { type: 'BPE', vocab, merges: [] };
  return JSON.stringify({ version: '1.0', added_tokens: [], pre_tokenizer: bytes, decoder: bytes, model });
}

describe.skipIf(!existsSync(main) || !hasShared(LFM2_AUDIO_GOLDEN))('ingot talk', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-talk-'));
    writeFileSync(join(folder, 'tokenizer.json'), tokenizerJson());
    const tone = Float32Array.from({ length: 22_050 }, (_, t) => 0.3 * Math.sin(t / 12));
    const said = encodeWav(tone, { sampleRate: 44_100, channels: 1 });
    writeFileSync(join(folder, 'said.wav'), said);
    writeFileSync(join(folder, 'empty.wav'), new Uint8Array(0));
    writeFileSync(join(folder, 'noise.wav'), Uint8Array.from({ length: 3000 }, (_, i) => (i * i * 31 + i * 7) & 255));
    writeFileSync(join(folder, 'rate0.wav'), Uint8Array.from(said, (byte, at) => (at >= 24 && at < 28 ? 0 : byte)));
    writeFileSync(join(folder, 'lies.wav'), Uint8Array.from(said.subarray(0, 900), (byte, at) => (at === 43 ? 16 : byte)));
    const floats = encodeWav(Float32Array.of(0, 0.5, 0.5, 0), { sampleRate: 16_000, channels: 1, encoding: 'float32' });
    floats.set([0, 0, 0xc0, 0x7f], floats.length - 8);
    writeFileSync(join(folder, 'nan.wav'), floats);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ingot(...args: readonly string[]) {
    return spawnSync(process.execPath, [main, 'talk', ...args], { cwd: folder, encoding: 'utf8', timeout: 60_000, env });
  }
  // No program that plays or records.
  const env = { ...process.env, PATH: dirname(process.execPath) };
  const model = [LFM2_AUDIO_FOLDER, '--tokenizer', 'tokenizer.json', '--device', 'cpu', '--context-length', '512'];

  it('writes the speech of the answers to a sound and to a text, and tells how much it was', () => {
    const { status, stderr } = ingot(...model, 'hello', '--in', 'said.wav', '--out', 'answer.wav', '--max-tokens', '12');
    expect(stderr).toMatch(/^ingot: heard 0\.5 s, said \d+ tokens and \d\.\d s.*\ningot: said \d+ tokens and \d\.\d s.*\n$/);
    expect(status).toBe(0);
    const [first, second] = [...stderr.matchAll(/and (\d\.\d) s/g)].map(([, seconds]) => Number(seconds));
    const bytes = readFileSync(join(folder, 'answer.wav')).length - 44;
    expect(Math.abs(bytes / 48_000 - (first! + second!))).toBeLessThan(0.11);
  });

  it.each([
    [[...model], /No program that plays was found .* give sounds and texts, and write a file \(--in question\.wav --out answer\.wav\)/],
    [[...model, 'hello'], /No program that plays was found .* or write a file/],
    [[...model, '--task', 'transcribe'], /--task transcribe needs something that is said: --in FILE, or a text/],
    [[...model, 'hello', '--out', 'a.wav', '--voice', 'us-male'], /voice is for the task "speak"/],
    [[...model, '--in', 'none.wav', '--out', 'a.wav'], /Cannot read none\.wav: there is no such file/],
    [[...model, '--in', 'empty.wav', '--out', 'a.wav'], /empty\.wav.*found an empty file/],
    [[...model, '--in', 'noise.wav', '--out', 'a.wav'], /noise\.wav.*expected WAV, FLAC, MP3 or Ogg/],
    [[...model, '--in', 'rate0.wav', '--out', 'a.wav'], /expected a rate from 1 to 768000 Hz, found 0/],
    [[...model, '--in', 'lies.wav', '--out', 'a.wav'], /ends early: its header says/],
    [[...model, '--in', 'nan.wav', '--out', 'a.wav'], /NaN/],
    [['./none', '--in', 'said.wav', '--out', 'a.wav'], /Cannot read \.\/none: there is no such file/],
    [[...model, '--in', 'said.wav', '--task', 'transcribe', '--out', 'a.wav'], /--task transcribe has text alone/],
  ])('refuses %j', (args, message) => {
    const { status, stderr } = ingot(...args);
    expect(stderr).toMatch(message);
    expect(status).not.toBe(0);
    expect(existsSync(join(folder, 'a.wav'))).toBe(false);
  });
});
