import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMIT, serveHub } from '../../test/hub-server.ts';
import type { TestHub } from '../../test/hub-server.ts';
import { bundledModelPath } from '../node/package-root.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
let hub: TestHub;
let home = '';

/** While this process goes on, which is the hub. */
async function ingot(...args: readonly string[]) {
  const env = { ...process.env, NO_COLOR: '1', HF_HOME: home, HF_ENDPOINT: hub.origin, HF_TOKEN: '', INGOT_HOME: home };
  const child = spawn(process.execPath, [main, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => void (told[name] += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...told };
}

describe.skipIf(!existsSync(main))('models of the hub', () => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'ingot-pull-'));
    const ember = readFileSync(bundledModelPath());
    hub = await serveHub({ 'ingot/ember': { 'ember-Q4_0.gguf': ember, 'README.md': Buffer.from('x') } });
  });
  afterAll(async () => {
    await hub.close();
    rmSync(home, { recursive: true, force: true });
  });

  test('a dry run says what would come, and downloads nothing', async () => {
    const { code, stdout, stderr } = await ingot('pull', 'ingot/ember', '--dry-run');
    expect([code, stdout]).toEqual([0, '  ember-Q4_0.gguf  12.0 MB\n']);
    expect(stderr).toBe('ingot/ember: Q4_0 (the only one there), 1 file, 12.0 MB, to download; commit 01234567\n');
    expect(hub.requests.filter(({ where }) => where === 'store')).toEqual([]);
    expect((await ingot('list')).stderr).toContain('There are no models in');
  });

  test('an id in place of a path is fetched, answers, and is there the next time', async () => {
    const run = () =>
      ingot('run', '--model', 'ingot/ember:Q4_0', '--temperature', '0', '--max-tokens', '4', '--device', 'cpu', 'Tell me a story.');
    const first = await run();
    expect([first.code, first.stdout.trim().length > 0]).toEqual([0, true]);
    hub.requests.length = 0;
    expect((await run()).stdout).toBe(first.stdout);
    expect(hub.requests).toEqual([]);
  });

  test('pull prints the path; list, show and rm know the model', async () => {
    const path = join(home, 'hub', 'models--ingot--ember', 'snapshots', COMMIT, 'ember-Q4_0.gguf');
    expect((await ingot('pull', 'ingot/ember')).stdout).toBe(`${path}\n`);
    expect((await ingot('list')).stdout).toMatch(/^ID +FILES +SIZE +FETCHED\ningot\/ember:Q4_0 +gguf +12\.0 MB +\d{4}-\d\d-\d\d\n$/);
    expect((await ingot('show', 'ingot/ember:Q4_0')).stdout).toContain('Run it: ingot chat ingot/ember:Q4_0');
    expect((await ingot('rm', 'ingot/embr')).stderr).toContain('Did you mean ingot/ember:Q4_0?');
    expect((await ingot('rm', 'ingot/ember')).stderr).toBe('removed ingot/ember:Q4_0: 12.0 MB freed\n');
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    [['pull', 'qwen3:4'], 1, /not an id of the hub.*Did you mean qwen3:4b\?/],
    [['pull', 'no/body'], 1, /no model no\/body that is open to you/],
    [['chat', 'no/body'], 1, /no model no\/body/],
    [['inspect', 'ingot/ember:Q9_9'], 1, /no model Q9_9\. It has: Q4_0/],
  ] as const)('%j is refused', async (args, code, message) => {
    const found = await ingot(...args);
    expect(found.stderr).toMatch(message);
    expect(found.code).toBe(code);
  });
});
