/** `ingot run --image`, on a golden that sees, written into a folder. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../test/fixture-tensors.ts';
import { imageFile } from '../../test/image-fixtures.ts';
import { seeingFiles } from '../../test/seeing-model.ts';
import { collect } from '../engine/collect.ts';
import { imagePart } from '../engine/images/image-source.ts';
import { loadModel } from '../node/load-model.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const hasAll = existsSync(main) && hasShared('golden/qwen3_vl/golden.json');

describe.skipIf(!hasAll)('ingot run --image', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-images-'));
    for (const [name, bytes] of seeingFiles('qwen3_vl')) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    writeFileSync(join(folder, 'a.png'), imageFile('rgb.png'));
    writeFileSync(join(folder, 'page.png'), '<!DOCTYPE html>');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: readonly string[]) => {
    const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', INGOT_HOME: folder };
    const all = [main, 'run', '-m', folder, '--device', 'cpu', '--threads', '1', '-n', '5', '-t', '0', '--json', ...args];
    return spawnSync(process.execPath, all, { encoding: 'utf8', input: '', env, timeout: 60_000, killSignal: 'SIGKILL' });
  };

  it('answers of an image as the library does', async () => {
    const { stdout, stderr, status } = run('--image', join(folder, 'a.png'), 'What is this?');
    expect([status, stderr]).toEqual([0, '']);
    const model = await loadModel(folder, { device: 'cpu', threads: 1 });
    const messages = [{ role: 'user', content: [imagePart(imageFile('rgb.png')), { type: 'text', text: 'What is this?' }] }];
    const own = await collect(model.generate({ messages, maxTokens: 5, temperature: 0 }));
    expect(JSON.parse(stdout)).toMatchObject({ tokens: [...own.tokens], usage: { promptTokens: own.usage.promptTokens } });
    await model.dispose();
  });

  it('says which file is none', () => {
    const page = run('--image', join(folder, 'page.png'), 'a');
    expect(page.status).not.toBe(0);
    expect(page.stderr).toMatch(/page\.png: expected a PNG, JPEG, WebP or GIF image, found a page of HTML/);
    expect(run('--image', join(folder, 'b.png'), 'a').stderr).toMatch(/no such file.*Did you mean .*a\.png/s);
  });
});
