/** What the commands say of a model that makes embeddings. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const notes = fileURLToPath(new URL('../../README.md', import.meta.url));
let folder = '';

function ingot(...args: readonly string[]) {
  const env = { ...process.env, NO_COLOR: '1' };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input: '', env, timeout: 60_000, killSignal: 'SIGKILL' });
}

describe.skipIf(!existsSync(main))('a model of embeddings', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-bert-'));
    for (const [name, bytes] of filesBelow(`${fixturesPath}golden/bert`, poolingFiles('mean_tokens'))) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['run', (path: string) => ['run', path, 'hi']],
    ['run', (path: string) => ['run', path, '--ids', '1,2']],
    ['chat', (path: string) => ['chat', path]],
    ['eval', (path: string) => ['eval', notes, '--model', path]],
  ] as const)('is refused by %s, by the name of the command', (command, args) => {
    const { status, stdout, stderr } = ingot(...args(folder), '--device', 'cpu');
    expect(stderr).toBe(
      `ingot: "ingot ${command}" needs a model that predicts tokens; ${folder} (bert) makes embeddings, ` +
        'which "ingot embed" prints.\n',
    );
    expect([status, stdout]).toEqual([1, '']);
  });

  it('is refused by bench', () => {
    const { status, stdout, stderr } = ingot('bench', folder, '--device', 'cpu', '--quick');
    expect(stderr).toContain('(bert) makes embeddings, and this measures how fast a model predicts tokens.');
    expect(stderr).not.toContain('INGOT_DEBUG');
    expect([status, stdout]).toEqual([1, '']);
  });

  it('has no token to plan, but a prefill', () => {
    const { status, stdout, stderr } = ingot('kernels', folder, '--profile', 'nvidia');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^prefill, \d+ rows: \d+ dispatches/m);
    expect(stdout).not.toMatch(/^decode/m);
  });
});
