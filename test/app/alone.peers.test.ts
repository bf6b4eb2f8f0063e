/** The app as files of a host that has nothing else: models run in the page. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../../src/engine/collect.ts';
import { appFiles } from '../../src/node/app-files.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { hasChromium, launchChromium } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { pageTools } from './app-rig.ts';
import type { PageTools } from './app-rig.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
const MODELS = JSON.stringify([{ name: 'Ember', url: 'models/ember.gguf', bytes: 12_000_000 }]);

/** The app below a path of a host, as hosts of static files have it: no headers but the type, and ranges. */
async function staticHost(): Promise<Server> {
  const files = appFiles();
  const model = readFileSync(bundledModelPath());
  const bytesOf = async (path: string): Promise<Uint8Array | undefined> => {
    if (path === 'models.json') return Buffer.from(MODELS);
    if (path === 'models/ember.gguf') return model;
    const bytes = await files.read(path === '' ? 'index.html' : path);
    if (path !== '' || bytes === undefined) return bytes;
    return Buffer.from(Buffer.from(bytes).toString().replace('content="browser"', 'content="browser" data-list="models.json"'));
  };
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://host').pathname.replace('/chat/', '');
    void bytesOf(path).then((bytes) => {
      if (bytes === undefined) return response.writeHead(404).end();
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const type = {
        'content-type': TYPES[extname(path === '' ? 'index.html' : path)] ?? 'application/octet-stream',
        'accept-ranges': 'bytes',
      };
      if (first === undefined) return response.writeHead(200, { ...type, 'content-length': bytes.length }).end(bytes);
      const end = Math.min(last === '' ? Infinity : Number(last), bytes.length - 1);
      const part = bytes.subarray(Number(first), end + 1);
      return response
        .writeHead(206, { ...type, 'content-length': part.length, 'content-range': `bytes ${first}-${end}/${bytes.length}` })
        .end(part);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe.skipIf(!hasChromium)('the app alone', () => {
  let host: Server;
  let browser: Browser;
  let tools: PageTools;
  const asked: string[] = [];
  const complaints: string[] = [];
  let origin = '';
  beforeAll(async () => {
    host = await staticHost();
    origin = `http://localhost:${(host.address() as AddressInfo).port}`;
    browser = await launchChromium();
    const page = await (browser as any).newPage({ viewport: { width: 1280, height: 800 } });
    page.on('console', (message: any) => message.type() === 'error' && complaints.push(message.text()));
    page.on('request', (request: any) => asked.push(request.url()));
    tools = pageTools(page);
    await page.goto(`${origin}/chat/`);
  });
  afterAll(async () => {
    await browser?.close();
    host?.closeAllConnections();
    host?.close();
  });

  it('loads a model of its host and answers as it does in Node', async () => {
    await tools.until("navigator.serviceWorker.controller !== null && document.querySelector('.welcome button') !== null");
    // From the second time on the page is isolated, by its service worker.
    await (tools.page as any).reload();
    await tools.until("document.querySelector('.welcome button') !== null");
    expect(await tools.read('crossOriginIsolated')).toBe(true);
    await tools.press('Alt+KeyM');
    await tools.until("document.querySelectorAll('.model-name').length > 3");
    await tools.picture('alone-models');
    await tools.tabTo('.model-name', 'Ember');
    await tools.press('Enter');
    await tools.until("document.querySelector('.model-name').innerText.includes('ready')", 60_000);
    await tools.press('Escape');
    await tools.press('Alt+KeyS');
    await tools.tabTo('.settings input[type=number]');
    await tools.type('0');
    await tools.press('Escape');
    await tools.read("document.getElementById('message').focus()");
    await tools.type('Tell me a story about a fox called Ash.');
    await tools.press('Enter');
    await tools.until("document.querySelector('.turn.assistant .figures') !== null", 60_000);
    const model = await loadModel(bundledModelPath(), { device: 'cpu', contextLength: 512 });
    const messages = [{ role: 'user', content: 'Tell me a story about a fox called Ash.' }];
    const { text } = await collect(model.generate({ messages, temperature: 0, maxTokens: 40 }));
    await model.dispose();
    const shown = await tools.read<string>("document.querySelector('.turn.assistant .markdown').innerText.replaceAll(/\\s+/g, ' ')");
    expect(shown.startsWith(text.trim().replaceAll(/\s+/g, ' '))).toBe(true);
    await tools.picture('alone-answer');
  });

  it('keeps the model, and answers without a network', async () => {
    await tools.page.context().setOffline(true);
    await tools.page.reload();
    await tools.until("document.querySelector('.model-button .name')?.innerText === 'Ember'");
    await tools.press('Alt+KeyN');
    await tools.type('Tell me a story about a fox called Ash.');
    await tools.press('Enter');
    await tools.until("document.querySelector('.turn.assistant .figures') !== null", 60_000);
    expect(await tools.read<string>("document.querySelector('.turn.assistant .markdown').innerText")).toContain('Ash was a brave fox');
    await tools.page.context().setOffline(false);
    await tools.press('Alt+KeyM');
    await tools.tabTo('[aria-label="Delete Ember from this browser"]');
    await tools.press('Enter');
    await tools.until("document.querySelector('.model-name').innerText.includes('to download')");
  });

  it('asked nobody but its host', () => {
    expect(asked.filter((url) => !url.startsWith(`${origin}/chat/`) && !/^(data|blob|about):/.test(url))).toEqual([]);
    expect(complaints.filter((one) => !one.includes('ERR_INTERNET_DISCONNECTED'))).toEqual([]);
    // The engine's worker came with the model; what came before it is the first load.
    expect(asked.filter((url) => url.includes('engine-worker')).length).toBeGreaterThan(0);
  });
});
