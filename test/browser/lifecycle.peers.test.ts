/** What becomes of a model in a browser when its GPU, its tab or its worker goes, and of the memory of models that are disposed of. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { callInPage as call, hasChromium, launchChromium } from './chromium.ts';
import { serveIsolated } from './isolated-server.ts';
import { renderersMegabytes } from './renderers-memory.ts';

const MODEL = '/models/ember-21m-q4_0.gguf';
/**
 * Loads of one page (20 by INGOT_LOADS=20), and how much larger its process may be after the last than after the first few, in MB: one
 * model has 60.
 */
const LOADS = Number(process.env['INGOT_LOADS'] ?? 10);
const SETTLED = 5;
const MOST_GROWTH_MB = 30;

describe.skipIf(!hasChromium)('the life of a model in Chromium', { tags: ['slow'], timeout: 240_000 }, () => {
  let server: TestServer;
  let browser: any;

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    [server, browser] = await Promise.all([serveIsolated(), launchChromium()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  const open = async (): Promise<any> => {
    const page = await browser.newPage();
    await page.goto(server.origin);
    return page;
  };

  it('ends its calls with words when the GPU goes, and loads again', async () => {
    const page = await open();
    await call(page, 'keepModel', MODEL, { device: 'software', contextLength: 128 });
    expect(await call(page, 'askKept')).toBe('A hen lives in a coop.');
    const failing = call(page, 'askKeptUntilItFails');
    await page.waitForFunction('globalThis.heardTokens > 0');
    const session = await browser.newBrowserCDPSession();
    await session.send('Browser.crashGpuProcess').catch(() => {});
    expect(await failing).toMatch(/^CapacityError: The GPU device was lost .*load the model again/);
    expect(await call(page, 'askKept')).toMatch(/^CapacityError: The GPU device was lost/);
    await call(page, 'disposeKept');
    await call(page, 'keepModel', MODEL, { device: 'software', contextLength: 128 });
    expect(await call(page, 'askKept')).toBe('A hen lives in a coop.');
    await page.close();
  });

  it('goes on after its tab was frozen, as a suspended machine freezes all', async () => {
    const page = await open();
    await call(page, 'keepModel', MODEL, { device: 'cpu', contextLength: 512 });
    const answer = call(page, 'askKeptForLong');
    await page.waitForFunction('globalThis.heardTokens > 0');
    const session = await page.context().newCDPSession(page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    expect(await answer).toBe('492 tokens');
    expect(await call(page, 'askKept')).toBe('A hen lives in a coop.');
    await page.close();
  });

  it.each([
    ["throw new Error('no more');", 'failed: .*no more'],
    ['self.close();', 'ended by itself'],
  ])('says that its worker is gone, and loads again: %s', async (how, words) => {
    const page = await open();
    const gone = expect.stringMatching(new RegExp(`^worker: CapacityError: The engine's worker ${words}.*load the model again`));
    expect(await call(page, 'endInWorker', MODEL, how)).toEqual([gone, gone, 'A hen lives in a coop.']);
    await page.close();
  });

  it(`gives memory back: ${LOADS} loads`, async () => {
    const page = await open();
    const sizes: number[] = [];
    for (let load = 0; load < LOADS; load++) {
      await call(page, 'keepModel', MODEL, { device: 'cpu', contextLength: 512 });
      await call(page, 'disposeKept');
      await page.requestGC?.();
      sizes.push(await renderersMegabytes(browser));
    }
    // oxlint-disable-next-line no-console -- what is recorded in docs/experiments.md
    console.log(`MB after each load: ${sizes.map(Math.round).join(' ')}`);
    // A worker ends within seconds.
    const growth = async () => {
      await page.requestGC?.();
      return (await renderersMegabytes(browser)) - Math.max(...sizes.slice(0, SETTLED));
    };
    await expect.poll(growth, { interval: 500, timeout: 100_000 }).toBeLessThan(MOST_GROWTH_MB);
    await page.close();
  });
});
