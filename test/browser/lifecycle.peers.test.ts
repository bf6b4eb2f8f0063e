/** What becomes of a model in a browser when its GPU, its tab or its worker goes, and of the memory of models that are disposed of. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import { serveIsolated } from './isolated-server.ts';

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
  const call = (page: any, name: string, ...args: unknown[]): Promise<any> =>
    page.evaluate(`import('/test/browser/in-page.mjs').then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))`);

  it('ends its calls with words when the GPU goes, and loads again', async () => {
    const page = await open();
    await call(page, 'keepModel', MODEL, { device: 'software', contextLength: 128 });
    expect(await call(page, 'askKept')).toBe('A hen lives in a coop.');
    const failing = call(page, 'askKeptForLong');
    await new Promise((resolve) => setTimeout(resolve, 500));
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
    await new Promise((resolve) => setTimeout(resolve, 50));
    const session = await page.context().newCDPSession(page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    expect(await answer).toBe('400 tokens');
    expect(await call(page, 'askKept')).toBe('A hen lives in a coop.');
    await page.close();
  });

  it('says that its worker is gone, and loads again', async () => {
    const page = await open();
    const outcome = await call(page, 'failInWorker', MODEL);
    expect(outcome).toEqual([
      expect.stringMatching(/^CapacityError: The engine's worker failed: .*load the model again/),
      expect.stringMatching(/^CapacityError: The engine's worker failed/),
      'A hen lives in a coop.',
    ]);
    await page.close();
  });

  it(`gives memory back: ${LOADS} loads`, async () => {
    const page = await open();
    const sizes: number[] = [];
    for (let load = 0; load < LOADS; load++) {
      await call(page, 'keepModel', MODEL, { device: 'cpu', contextLength: 512 });
      await call(page, 'disposeKept');
      await page.requestGC?.();
      sizes.push(await renderersMegabytes());
    }
    // A worker ends within seconds.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    sizes.push(await renderersMegabytes());
    const growth = sizes.at(-1)! - sizes[SETTLED - 1]!;
    // oxlint-disable-next-line no-console -- what is recorded in docs/experiments.md
    console.log(`MB after each load: ${sizes.map(Math.round).join(' ')}`);
    expect(growth).toBeLessThan(MOST_GROWTH_MB);
    await page.close();
  });

  /** Resident memory of the processes of pages: the private part, without files that all of them map. */
  async function renderersMegabytes(): Promise<number> {
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const pages = processInfo.filter(({ type }: { type: string }) => type === 'renderer');
    const bytes = pages.map(({ id }: { id: number }) => {
      const status = readFileSync(`/proc/${id}/status`, 'utf8');
      return ['RssAnon', 'RssShmem'].reduce(
        (sum, name) => sum + Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024,
        0,
      );
    });
    return bytes.reduce((sum: number, size: number) => sum + size, 0) / 1e6;
  }
});
