import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cpSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installPacked } from '../house/packed-package.ts';
import type { PackedPackage } from '../house/packed-package.ts';
import { repoRoot } from '../house/repository.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';

const sample = join(repoRoot, 'examples', 'browser');

it.each(readdirSync(sample))('examples/browser/%s has under 40 lines', (name) => {
  expect(readFileSync(join(sample, name), 'utf8').trimEnd().split('\n').length).toBeLessThan(40);
});

/** The sample beside the installed archive, as somebody would copy it. */
describe.skipIf(!hasChromium)("the browser's sample with the packed package", () => {
  let packed: PackedPackage;
  let server: ChildProcess;
  let browser: Browser;
  let page: Page;
  let origin = '';

  beforeAll(async () => {
    packed = installPacked();
    cpSync(sample, join(packed.folder, 'page'), { recursive: true });
    server = spawn(process.execPath, [join('page', 'serve.mjs')], {
      cwd: packed.folder,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface(server.stdout!)) {
      origin = /http:\/\/\S+/.exec(line)?.[0] ?? '';
      if (origin !== '') break;
    }
    browser = await launchChromium();
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser?.close();
    server?.kill();
    packed?.remove();
  });

  const textOfPage = () => page.evaluate("document.querySelector('output').textContent") as Promise<string>;

  it('answers on the CPU, with threads', async () => {
    await page.goto(origin);
    await page.waitForFunction("/ tokens, |Error/.test(document.querySelector('output').textContent)");
    expect(await textOfPage()).toMatch(/^\w.*\.\s*\(\d+ tokens, cpu \(\d+ threads?, (relaxed )?SIMD\)\)$/s);
  });

  it('says where the kernels are not', async () => {
    await page.goto(origin);
    const fetching = (url: string) =>
      page.evaluate(
        `import('ingot/browser').then(({ fetchKernelModules }) => ` +
          `fetchKernelModules({ plain: ${JSON.stringify(url)} })).catch((error) => error.name + ': ' + error.message)`,
      );
    expect(await fetching('/absent.wasm')).toMatch(/^CapacityError: .*\/absent.wasm, where the server answered 404.*ingot\/wasm\/cpu.wasm/);
    expect(await fetching('/index.html')).toMatch(/where there is no WebAssembly module/);
  });

  it('finds the kernels by their exported names', async () => {
    const bytes = await page.evaluate(
      "import('ingot/browser').then(({ fetchKernelModules }) => " +
        "fetchKernelModules({ plain: '/ingot/dist/wasm/cpu.wasm' })).then(({ plain, relaxed }) => [plain.length, relaxed.length])",
    );
    expect(bytes).toEqual(
      ['cpu.wasm', 'cpu-relaxed.wasm'].map(
        (name) => readFileSync(join(packed.folder, 'node_modules', 'ingot', 'dist', 'wasm', name)).length,
      ),
    );
  });
});
