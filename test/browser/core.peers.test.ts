import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../house/repository.ts';
import { serveIsolated } from './isolated-server.ts';
import type { IsolatedServer } from './isolated-server.ts';

const peerModules = join(repoRoot, 'peers', 'node_modules');
const hasChromium = process.platform === 'linux' && process.arch === 'x64' && existsSync(join(peerModules, '@sparticuz', 'chromium'));

/** As much of Playwright as is used here: the peers' types are not installed where the types are checked. */
interface Page {
  goto(url: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
}

interface Browser {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/** Everything but the folders that may use Node. */
function coreModules(): string[] {
  const all = readdirSync(join(repoRoot, 'dist'), { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
  return all.filter((path) => path.endsWith('.js') && !/^(node|cli|server|bench)\//.test(path)).map((path) => `/dist/${path}`);
}

describe.skipIf(!hasChromium)('the core in Chromium', () => {
  let server: IsolatedServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    server = await serveIsolated();
    browser = await launch();
    page = await browser.newPage();
    await page.goto(server.origin);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  it('is served isolated, so that threads can share memory', async () => {
    expect(await call('isIsolated')).toBe(true);
    expect(await call('inWorker', 'isIsolated')).toBe(true);
  });

  it('loads module by module in a page', async () => {
    const modules = coreModules();
    expect(modules.length).toBeGreaterThan(20);
    expect(await call('importAll', modules)).toEqual([]);
  });

  it('loads module by module in a worker', async () => {
    expect(await call('inWorker', 'importAll', coreModules())).toEqual([]);
  });

  describe.each([
    ['reference', 'reference (float64'], ['cpu', 'cpu (2 threads'], ['gpu', 'software (SwiftShader, profile software)'],
  ])('generates the golden tokens on %s', (device, description) => {
    const folder = '/test/fixtures/golden/qwen3';
    const golden = JSON.parse(readFileSync(join(repoRoot, folder, 'golden.json'), 'utf8')) as Record<'prompts' | 'greedy', Record<string, number[]>>;
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

  /** Calls a function of in-browser.mjs in the page. */
  function call(name: string, ...args: unknown[]): Promise<unknown> {
    return page.evaluate(`import('/test/browser/in-browser.mjs').then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))`);
  }
});

/** WebGPU on the SwiftShader that comes with this Chromium. Without zeroed workgroup memory it compiles in a third of the time, and kernels see what is harder for them. */
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-dawn-features=disable_workgroup_init'];

async function launch(): Promise<Browser> {
  const load = (...path: string[]): Promise<any> => import(/* @vite-ignore */ pathToFileURL(join(peerModules, ...path)).href);
  const { default: archive } = await load('@sparticuz', 'chromium', 'build', 'esm', 'index.js');
  const { chromium } = await load('playwright-core', 'index.mjs');
  return chromium.launch({ executablePath: await archive.executablePath(), args: ['--no-sandbox', ...SOFTWARE_GPU], headless: true });
}
