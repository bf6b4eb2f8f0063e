import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMIT, serveHub } from '../../test/hub-server.ts';
import type { TestHub } from '../../test/hub-server.ts';
import { requestedRange, sendPart, serveHttp } from '../../test/http-server.ts';
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

  test('a model that speaks, as torch saved it, is listed and removed; of two revisions the one that is named', async () => {
    const [first, second] = ['1'.repeat(40), '2'.repeat(40)];
    const put = (repository: string, path: string) => {
      const full = join(home, 'hub', `models--${repository}`, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, path.startsWith('refs') ? second : '{}');
      return full;
    };
    for (const name of ['config.json', 'kokoro-v1_0.pth', 'voices/af_heart.pt']) put('hexgrad--Kokoro-82M', `snapshots/${first}/${name}`);
    expect((await ingot('list')).stdout).toMatch(/^hexgrad\/Kokoro-82M +pth +6 bytes/m);
    expect((await ingot('show', 'kokoro:82m')).stdout).toContain('Run it: ingot speak "Hello." --model hexgrad/Kokoro-82M');
    expect((await ingot('rm', 'kokoro:82m')).stderr).toMatch(/^removed hexgrad\/Kokoro-82M/);
    expect((await ingot('list')).stdout).toBe('');
    const [kept, gone] = [first, second].map((commit) => put('o--two', `snapshots/${commit}/two-Q4_0.gguf`)) as [string, string];
    put('o--two', 'refs/v2');
    expect((await ingot('rm', 'o/two@v3')).stderr).toMatch(/o\/two@v3 is not in the cache/);
    expect((await ingot('rm', 'o/two@v2')).code).toBe(0);
    expect([existsSync(kept), existsSync(gone)]).toEqual([true, false]);
    expect((await ingot('rm', 'o/two')).code).toBe(0);
    expect(existsSync(kept)).toBe(false);
  });

  test('a URL is fetched, listed, run without its server, and removed', async () => {
    const ember = readFileSync(bundledModelPath());
    const server = await serveHttp((request, response) =>
      request.url === '/m/ember.gguf'
        ? sendPart(response, ember, requestedRange(request, ember.length), { etag: '"1"' })
        : void response.writeHead(404).end(),
    );
    const url = `${server.origin}/m/ember.gguf`;
    try {
      const pulled = await ingot('pull', url);
      expect([pulled.code, readFileSync(pulled.stdout.trim()).length]).toEqual([0, ember.length]);
      expect((await ingot('pull', url, '--dry-run')).stderr).toContain('--dry-run is not for URLs');
      expect((await ingot('pull', `${server.origin}/m/none.gguf`)).stderr).toMatch(/no file "none\.gguf" .*status 404/);
    } finally {
      await server.close();
    }
    expect((await ingot('list')).stdout).toMatch(new RegExp(`^${url} +gguf +12\\.0 MB`, 'm'));
    expect((await ingot('show', url)).stdout).toMatch(/ETag +"1"\nSHA-256 +[0-9a-f]{64}/);
    const told = await ingot('run', '-m', url, '-t', '0', '-n', '4', '--device', 'cpu', 'Hello.');
    expect([told.code, told.stdout.trim().length > 0]).toEqual([0, true]);
    expect(told.stderr).toMatch(/the connection failed .*The copy of \d{4}-\d\d-\d\d is used/);
    expect((await ingot('rm', `${server.origin}/m`)).stderr).toBe(`removed ${url}: 12.0 MB freed\n`);
    expect((await ingot('list')).stdout).not.toContain('ember.gguf');
  });

  test.each([
    [['pull', 'qwen3:4'], 1, /not an id of the hub.*Did you mean qwen3:4b\?/],
    [['pull', 'no/body'], 1, /no model no\/body that is open to you/],
    [['chat', 'no/body'], 1, /no model no\/body/],
    [['transcribe', '/dev/null', '--model', 'no/body'], 1, /no model no\/body/],
    [['talk', 'no/body', 'hello', '--out', '/dev/null'], 1, /no model no\/body/],
    [['inspect', 'ingot/ember:Q9_9'], 1, /no model Q9_9\. It has: Q4_0/],
  ] as const)('%j is refused', async (args, code, message) => {
    const found = await ingot(...args);
    expect(found.stderr).toMatch(message);
    expect(found.code).toBe(code);
  });
});
