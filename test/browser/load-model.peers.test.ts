/** `loadModel` of `ingot/browser` in Chromium, from a static host without a build step. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/node/load-model.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { callInPage as call, hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveIsolated, serveStatic } from './isolated-server.ts';
import { withLongTasks } from './long-tasks.ts';

const EMBER = '/models/ember-21m-q4_0.gguf';
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
      const asked = { source: EMBER, options: { device, contextLength: 128 }, request: ASKED };
      const found = await withLongTasks(browser, () => call(page, 'answer', asked));
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
    const asked = { source: EMBER, options: { device: 'software', contextLength: 128 }, request: ASKED };
    const found = await withLongTasks(browser, () => call(page, 'answer', asked));
    expect(found).toMatchObject({ tokens: inNode, longTasks: [], runsOn: { device: 'software' } });
    await page.close();
  });

  it('answers as Node does on a GPU with the least of WebGPU', { tags: ['slow'], timeout: 300_000 }, async () => {
    const page = await pageAt(isolated);
    const asked = { source: EMBER, options: { device: 'software', contextLength: 128 }, request: ASKED };
    const { features, ...found } = (await call(page, 'answerWithLeast', asked)) as any;
    expect(found).toEqual({ tokens: inNode, device: 'software', bindingBytes: String(2 ** 27), buffers: '8' });
    expect(features).not.toMatch(/subgroups|shader-f16/);
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
    const answers = await call(page, 'answerOfSources', { url: EMBER, request: { ...ASKED, maxTokens: 4 } });
    expect(answers).toEqual(Array.from({ length: 4 }, () => inNode.slice(0, 4)));
    await page.close();
  });

  it('says what cannot be meant, and which device is not there, by their classes', async () => {
    const page = await pageAt(plain);
    const failures = await call(page, 'failures', [
      ['/models/absent.gguf', { device: 'cpu' }],
      ['/models/README.md', { device: 'cpu' }],
      [EMBER, { devise: 'cpu' }],
      [EMBER, { device: 'cpu', threads: 4 }],
      [EMBER, { device: 'reference' }],
      [EMBER, { worker: '/absent.js' }],
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
    expect(await call(page, 'conversation', EMBER)).toEqual({
      chat: ['system', 'user', 'assistant'],
      forked: 3,
      edited: ['user', 'assistant'],
      sameReason: true,
      counted: expect.any(Number),
      over: 'InputError: The model was disposed of: load it again.',
    });
    await page.close();
  });

  it('runs tools on the page, and makes values of its schemas', async () => {
    const page = await pageAt(isolated);
    const { calls, first, errors, sameReason, value, plain: bare, tokens } = (await call(page, 'toolsAndObjects', EMBER)) as any;
    expect(calls[0]).toEqual([{ destination: 'Cork' }, 1, false, true]);
    expect(first.kinds).toEqual(['call', 'result', 'end']);
    expect(first.results[0]).toMatchObject({
      content: '{"departure":"21:30","platform":12}',
      value: { departure: '21:30', platform: 12 },
    });
    expect(first.content).toMatch(/21:30/);
    expect(errors[0]).toEqual([true, '{"error":"no such train"}']);
    expect(sameReason).toBe(true);
    expect(bare).toEqual({ animal: expect.stringMatching(/fox|hen|owl/), age: expect.any(Number) });
    expect(value).toEqual({ ...bare, isOnPage: true });
    expect(tokens).toBeGreaterThan(5);
    await page.close();
  });
});
