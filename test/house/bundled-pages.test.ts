/** The packed package in pages that vite, webpack and esbuild make, in Chromium: the model answers in its worker, from a static host. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { serveHttp } from '../http-server.ts';
import type { TestServer } from '../http-server.ts';
import { installPacked } from './packed-package.ts';
import type { PackedPackage } from './packed-package.ts';
import { repoRoot } from './repository.ts';

const tools = join(repoRoot, 'peers', 'tools', 'node_modules');
const hasTools = existsSync(join(tools, 'vite')) && existsSync(join(tools, 'webpack')) && hasChromium;
const from = (path: string) => JSON.stringify(join(tools, path));

const PAGE = (urls: string) => `import { loadModel } from 'ingot/browser/load';
const model = await loadModel('./ember.gguf', { device: 'cpu', contextLength: 128, cache: 'none'${urls} });
let text = '';
const asked = { messages: [{ role: 'user', content: 'Where does a hen live?' }], temperature: 0, maxTokens: 12 };
for await (const piece of model.generate(asked)) text += piece.text;
await model.dispose();
document.title = text;
`;

interface Bundler {
  readonly name: string;
  /** A program that bundles `entry.mjs` into the folder `site`, as `page.js`. */
  readonly program: string;
  /** What the page passes to `loadModel`. */
  readonly urls?: string;
  /** What is copied from the package, as docs/browser.md says. */
  readonly copied?: readonly string[];
}

const BUNDLERS: readonly Bundler[] = [
  {
    name: 'vite',
    program: `import { build } from ${from('vite/dist/node/index.js')};
      await build({ logLevel: 'warn', configFile: false, base: './',
        worker: { format: 'es', rollupOptions: { checks: { pluginTimings: false } } }, build: { target: 'es2022', outDir: 'site',
        rollupOptions: { input: 'entry.mjs', output: { entryFileNames: 'page.js' }, checks: { pluginTimings: false } } } });`,
  },
  {
    name: 'webpack',
    program: `import webpack from ${from('webpack/lib/index.js')};
      const stats = await new Promise((resolve, reject) => webpack({
        mode: 'production', entry: './entry.mjs', experiments: { outputModule: true },
        optimization: { minimize: false }, performance: false,
        output: { path: process.cwd() + '/site', filename: 'page.js', module: true, publicPath: 'auto' } },
        (error, found) => (error ? reject(error) : resolve(found))));
      if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString());`,
  },
  {
    name: 'esbuild',
    program: `import esbuild from ${from('esbuild/lib/main.js')};
      await esbuild.build({ entryPoints: ['entry.mjs'], bundle: true, format: 'esm', platform: 'browser', outfile: 'site/page.js' });`,
    urls: ", worker: './engine-worker.min.js', kernels: { plain: './cpu.wasm', relaxed: './cpu-relaxed.wasm' }",
    copied: ['browser/engine-worker.min.js', 'wasm/cpu.wasm', 'wasm/cpu-relaxed.wasm'],
  },
];

const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Of each folder of projects its site; no ranges, as of the least of hosts, and no headers. */
function serveSites(folder: string): Promise<TestServer> {
  return serveHttp((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const file = join(folder, path);
    if (path.endsWith('/')) {
      const html = '<!doctype html><title>loading</title><script type="module" src="page.js"></script>';
      return void response.setHeader('Content-Type', 'text/html').end(html);
    }
    if (!file.startsWith(folder + sep) || !existsSync(file)) return void response.writeHead(404).end();
    const bytes = readFileSync(file);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    if (first === undefined) return void response.end(bytes);
    const part = bytes.subarray(Number(first), Number(last) + 1);
    response.writeHead(206, { 'Content-Range': `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}` }).end(part);
  });
}

describe.skipIf(!hasTools)('a page', { tags: ['slow'] }, () => {
  let packed: PackedPackage;
  let browser: Browser;
  let server: TestServer;
  beforeAll(async () => {
    packed = installPacked();
    [browser, server] = await Promise.all([launchChromium(), serveSites(packed.folder)]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    packed?.remove();
  });

  it.each(BUNDLERS)('by $name has a model in a worker', async ({ name, program, urls = '', copied = [] }) => {
    const folder = join(packed.folder, name);
    const site = join(folder, 'site');
    const own = join(packed.folder, 'node_modules', 'ingot');
    mkdirSync(site, { recursive: true });
    writeFileSync(join(folder, 'entry.mjs'), PAGE(urls));
    writeFileSync(join(folder, 'bundle.mjs'), program);
    const made = spawnSync(process.execPath, ['bundle.mjs'], { cwd: folder, encoding: 'utf8' });
    expect([made.status, made.stderr]).toEqual([0, '']);
    copyFileSync(join(own, 'models', 'ember-21m-q4_0.gguf'), join(site, 'ember.gguf'));
    for (const path of copied) copyFileSync(join(own, 'dist', path), join(site, path.replace(/.*\//, '')));
    const page = await browser.newPage();
    const heard: string[] = [];
    (page as any).on('pageerror', (error: Error) => heard.push(error.message));
    await page.goto(`${server.origin}/${name}/site/`);
    // A busy machine takes its time; what never comes is told by what the page has thrown.
    await page.waitForFunction("document.title !== 'loading'").catch((error) => heard.push(String(error)));
    expect([await page.evaluate('document.title'), heard]).toEqual(['A hen lives in a coop.', []]);
    await page.close();
  });
});
