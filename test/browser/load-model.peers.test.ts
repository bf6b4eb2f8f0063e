/** `loadModel` of `ingot/browser` in Chromium, from a static host without a build step. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/node/load-model.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveIsolated, serveStatic } from './isolated-server.ts';

const ASKED = { messages: [{ role: 'user', content: 'Where does a hen live?' }], temperature: 0, maxTokens: 12 };

async function tokensInNode(): Promise<readonly number[]> {
  const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2, contextLength: 128 });
  const tokens: number[] = [];
  for await (const piece of model.generate(ASKED)) tokens.push(...piece.tokens);
  await model.dispose();
  return tokens;
}

describe.skipIf(!hasChromium)('loadModel in Chromium', () => {
  let isolated: TestServer;
  let plain: TestServer;
  let browser: Browser;
  let inNode: readonly number[];

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    [isolated, plain, browser, inNode] = await Promise.all([serveIsolated(), serveStatic(), launchChromium(), tokensInNode()]);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([isolated?.close(), plain?.close()]);
  });

  const pageAt = async (server: TestServer): Promise<Page> => {
    const page = await browser.newPage();
    await page.goto(server.origin);
    return page;
  };

  it.each([
    ['cpu', 'isolated', 2, /^cpu \(2 threads/, []],
    ['cpu', 'plain', 1, /^cpu \(1 thread,/, [expect.stringContaining('Cross-Origin-Opener-Policy')]],
    ['auto', 'isolated', 2, /^cpu \(2 threads/, [expect.stringContaining('only a software adapter (SwiftShader)')]],
  ] as const)(
    'answers as Node does on the device %s of a page that is %s, and tells where it computes',
    async (device, kind, threads, description, reasons) => {
      const page = await pageAt(kind === 'isolated' ? isolated : plain);
      const asked = { source: '/models/ember-21m-q4_0.gguf', options: { device, contextLength: 128 }, request: ASKED };
      const found = await call(page, 'answer', asked);
      expect(found).toEqual({
        tokens: inNode,
        longTasks: [],
        runsOn: { device: 'cpu', description: expect.stringMatching(description), threads, reasons },
      });
      await page.close();
    },
  );

  it('answers as Node does on the GPU', { tags: ['slow'] }, async () => {
    const page = await pageAt(isolated);
    const asked = { source: '/models/ember-21m-q4_0.gguf', options: { device: 'software', contextLength: 128 }, request: ASKED };
    expect(await call(page, 'answer', asked)).toMatchObject({ tokens: inNode, longTasks: [], runsOn: { device: 'software' } });
    await page.close();
  });

  it("comes from another origin's static host, as a CDN is", { tags: ['slow'] }, async () => {
    const cdn = await serveStatic({ 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': 'Content-Range' });
    const page = await pageAt(plain);
    const text = await page.evaluate(`import('${cdn.origin}/dist/browser/load.js').then(async ({ loadModel }) => {
      const model = await loadModel('${cdn.origin}/models/ember-21m-q4_0.gguf', { device: 'cpu', contextLength: 128, cache: 'none' });
      let text = '';
      for await (const piece of model.generate(${JSON.stringify(ASKED)})) text += piece.text;
      await model.dispose();
      return text;
    })`);
    expect(text).toBe('A hen lives in a coop.');
    await page.close();
    await cdn.close();
  });

  it('takes Blobs, files that were dropped, and files and folders of the private file system', async () => {
    const page = await pageAt(isolated);
    const answers = await call(page, 'answerOfSources', { url: '/models/ember-21m-q4_0.gguf', request: { ...ASKED, maxTokens: 4 } });
    expect(answers).toEqual(Array.from({ length: 4 }, () => inNode.slice(0, 4)));
    await page.close();
  });

  it('says what cannot be meant, and which device is not there, by their classes', async () => {
    const page = await pageAt(plain);
    const failures = await call(page, 'failures', [
      ['/models/absent.gguf', { device: 'cpu' }],
      ['/models/README.md', { device: 'cpu' }],
      ['/models/ember-21m-q4_0.gguf', { devise: 'cpu' }],
      ['/models/ember-21m-q4_0.gguf', { device: 'cpu', threads: 4 }],
      ['/models/ember-21m-q4_0.gguf', { device: 'reference' }],
      ['/models/ember-21m-q4_0.gguf', { worker: '/absent.js' }],
      [7, {}],
    ]);
    expect(failures).toEqual([
      expect.stringMatching(/^FormatError: .*absent\.gguf/),
      expect.stringMatching(/^FormatError: .*config\.json/),
      expect.stringMatching(/^InputError: .*Did you mean device/),
      expect.stringMatching(/^CapacityError: threads 4.*isolated/),
      expect.stringMatching(/^InputError: device must be one of auto, gpu/),
      expect.stringMatching(/^CapacityError: The engine's worker could not/),
      expect.stringMatching(/^InputError: Expected a model's URL/),
    ]);
    await page.close();
  });

  it('goes by what is asked: tools on the page, chats, signals with their reason, an end', async () => {
    const page = await pageAt(isolated);
    expect(await call(page, 'conversation', '/models/ember-21m-q4_0.gguf')).toEqual({
      chat: ['system', 'user', 'assistant'],
      forked: 3,
      edited: ['user', 'assistant'],
      sameReason: true,
      counted: expect.any(Number),
      over: 'InputError: The model was disposed of: load it again.',
    });
    await page.close();
  });

  /** Calls a function of in-page.mjs in the page. */
  function call(page: Page, name: string, ...args: unknown[]): Promise<unknown> {
    return page.evaluate(
      `import('/test/browser/in-page.mjs').then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))`,
    );
  }
});
