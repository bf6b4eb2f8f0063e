import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../house/repository.ts';
import { callIn, hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import type { TestServer } from '../http-server.ts';
import { serveIsolated } from './isolated-server.ts';

/** Decoders of compressed sound: they import packages by name, which a page without a bundler needs an import map for. Loaded on demand. */
const DECODERS = ['flac', 'mp3', 'ogg'].map((kind) => `/dist/audio/${kind}-audio.js`);

/** Everything but the folders that may use Node, and the decoders. */
function coreModules(): string[] {
  const all = readdirSync(join(repoRoot, 'dist'), { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
  return all.filter((path) => path.endsWith('.js') && !/^(node|evaluation|cli|server|bench|app)\/|\.min\.js$/.test(path))
    .map((path) => `/dist/${path}`).filter((path) => !DECODERS.includes(path));
}

describe.skipIf(!hasChromium)('the core in Chromium', () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    server = await serveIsolated();
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(server.origin);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const call = (name: string, ...args: unknown[]) => callIn(page, '/test/browser/in-browser.mjs', name, ...args);

  it('is served isolated, so that threads can share memory', async () => {
    expect(await call('isIsolated')).toBe(true);
    expect(await call('inWorker', 'isIsolated')).toBe(true);
  });

  it('loads module by module in a page', async () => {
    const modules = coreModules();
    expect(modules.length).toBeGreaterThan(20);
    expect(await call('importAll', modules)).toEqual([]);
    const unresolved = DECODERS.map((path) => expect.stringContaining(`${path}: TypeError: Failed to resolve`));
    expect(await call('importAll', DECODERS)).toEqual(unresolved);
  });

  it('loads module by module in a worker', async () => {
    expect(await call('inWorker', 'importAll', coreModules())).toEqual([]);
  });

  describe.each([
    ['reference', 'reference (float64'], ['cpu', 'cpu (2 threads'], ['gpu', 'software (SwiftShader, profile software)'],
  ])('generates the golden tokens on %s', (device, description) => {
    const folder = '/test/fixtures/golden/qwen3';
    const golden = JSON.parse(readFileSync(join(repoRoot, folder, 'golden.json'), 'utf8')) as Record<
      'prompts' | 'greedy',
      Record<string, number[]>
    >;
    const task = { folder, device, ids: golden.prompts['short'], maxTokens: golden.greedy['short'].length };

    const answer = { tokens: golden.greedy['short'], deviceDescription: expect.stringContaining(description) };

    it('in a page', async () => {
      expect(await call('generateGreedily', task)).toEqual(answer);
    });

    it('in a worker', async () => {
      expect(await call('inWorker', 'generateGreedily', task)).toEqual(answer);
    });
  });

  it('would notice a module that needs Node', async () => {
    expect(await call('importAll', ['/dist/node/file-source.js'])).toHaveLength(1);
  });
});
