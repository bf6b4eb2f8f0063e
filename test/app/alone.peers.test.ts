/** The app as files of a host that has nothing else: models run in the page. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../../src/engine/collect.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { writeAppFiles } from '../../src/node/write-app-files.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { hasChromium, launchChromium } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { hasShared } from '../fixture-tensors.ts';
import { repoRoot } from '../house/repository.ts';
import { KOKORO_GOLDEN } from '../kokoro-golden.ts';
import { makeVoiceFolder } from '../kokoro-voice.ts';
import { madeTokens, madeWhisper } from '../whisper-ggml-file.ts';
import { holdNotices, pageTools } from './app-rig.ts';
import { speak } from './file-tests.ts';
import type { PageTools } from './app-rig.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
const MODELS = JSON.stringify([
  { name: 'Ember', url: 'models/ember.gguf', bytes: 12_000_000 },
  { name: 'Ears', url: 'models/ggml-tiny.en.bin', bytes: 900_000, kind: 'speech' },
  { name: 'Voice', url: 'models/voice/', bytes: 900_000, kind: 'voice' },
]);
const ESPEAK = join(repoRoot, 'peers', 'node_modules', 'espeak-ng');
const hasVoice = hasShared(KOKORO_GOLDEN) && existsSync(ESPEAK);

/** The page hears so many pieces of answers, and then nothing more of its workers: one that is to end in an answer cannot be too quick. */
const PIECES_LEFT = `(() => {
  window.piecesLeft = Infinity;
  window.Worker = class extends Worker {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', (event) => {
        if (window.piecesLeft < 1) event.stopImmediatePropagation();
        else if (event.data.type === 'piece') window.piecesLeft--;
      });
    }
  };
})()`;

/** The app, as `ingot app` writes it, below a path of a host as those of static files are: no headers but the type, and ranges. */
async function staticHost(folder: string): Promise<Server> {
  await writeAppFiles(folder, { modelList: 'models.json', espeak: hasVoice ? ESPEAK : undefined });
  mkdirSync(join(folder, 'models'));
  if (hasVoice) makeVoiceFolder(join(folder, 'models', 'voice'));
  const ears = madeWhisper({ dim: 16, vocabSize: 51_864, positions: 50, bands: 8, type: 'f16', tokens: madeTokens(50_256) });
  writeFileSync(join(folder, 'models', 'ggml-tiny.en.bin'), ears);
  const model = readFileSync(bundledModelPath());
  const bytesOf = async (path: string): Promise<Uint8Array | undefined> => {
    if (path === 'models.json') return Buffer.from(MODELS);
    if (path === 'models/ember.gguf') return model;
    if (path === 'models/by-hand/ggml-tiny.en.bin') return ears;
    return readFile(join(folder, normalize(`/${path === '' ? 'index.html' : path}`))).catch(() => undefined);
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
  const folder = mkdtempSync(join(tmpdir(), 'ingot-app-'));
  let host: Server;
  let browser: Browser;
  let tools: PageTools;
  const asked: string[] = [];
  const complaints: string[] = [];
  let origin = '';
  beforeAll(async () => {
    host = await staticHost(folder);
    origin = `http://localhost:${(host.address() as AddressInfo).port}`;
    browser = await launchChromium(['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream']);
    const context = await (browser as any).newContext({ viewport: { width: 1280, height: 800 }, permissions: ['microphone'] });
    await holdNotices(context);
    const page = await context.newPage();
    page.on('console', (message: any) => message.type() === 'error' && complaints.push(message.text()));
    page.on('request', (request: any) => asked.push(request.url()));
    tools = pageTools(page);
    await page.addInitScript(PIECES_LEFT);
    await page.goto(`${origin}/chat/`);
  });
  afterAll(async () => {
    await browser?.close();
    host?.closeAllConnections();
    host?.close();
    rmSync(folder, { recursive: true });
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
    await tools.until("document.querySelector('.model-name').innerText.includes('ready')");
    await tools.press('Escape');
    await tools.press('Alt+KeyS');
    await tools.tabTo('.settings input[type=number]');
    await tools.type('0');
    await tools.press('Escape');
    await tools.read("document.getElementById('message').focus()");
    await tools.type('Tell me a story about a fox called Ash.');
    await tools.press('Enter');
    await tools.until("document.querySelector('.turn.assistant .figures') !== null");
    const model = await loadModel(bundledModelPath(), { device: 'cpu', contextLength: 512 });
    const messages = [{ role: 'user', content: 'Tell me a story about a fox called Ash.' }];
    const { text } = await collect(model.generate({ messages, temperature: 0, maxTokens: 40 }));
    await model.dispose();
    const shown = await tools.read<string>("document.querySelector('.turn.assistant .markdown').innerText.replaceAll(/\\s+/g, ' ')");
    expect(shown.startsWith(text.trim().replaceAll(/\s+/g, ' '))).toBe(true);
    await tools.picture('alone-answer');
  });

  const downloaded = async (name: string) => {
    await tools.tabTo(`[aria-label="Download ${name}"]`);
    await tools.press('Enter');
    await tools.until(`[...document.querySelectorAll('.model-name')].some((one) => /^${name}\\s[^]*ready/.test(one.innerText))`);
    await tools.press('Escape');
    await tools.until("document.querySelector('dialog') === null");
  };

  it('hears by a model that is downloaded first, which it says', async () => {
    await tools.press('Alt+KeyV');
    await tools.until("document.querySelector('dialog .notices')?.innerText.includes('Ears hears: download it first')");
    await downloaded('Ears');
    expect(await tools.read("document.querySelector('.model-button .name').innerText")).toBe('Ember');
    await speak(tools);
    // Random weights may hear nothing.
    const isNothing = "document.querySelector('.notices').innerText.includes('Nothing was heard')";
    const isHeard = `document.getElementById('message').value !== '' || ${isNothing}`;
    await tools.until(`document.querySelector('#microphone.off') && (${isHeard})`);
  });

  it('has a model that was gone unseen by the next question, and tells of one that goes in an answer, which goes on then', async () => {
    const figures = "document.querySelectorAll('.turn.assistant .figures').length";
    const shown = "[...document.querySelectorAll('.turn.assistant .markdown')].at(-1)?.innerText ?? ''";
    /** As a system does that is short of memory. */
    const takeWorkers = async () => {
      const workers: any[] = tools.page.workers().filter((one: any) => one.url().includes('engine-worker'));
      await Promise.all(workers.map((one) => Promise.all([one.waitForEvent('close'), one.evaluate('self.close()').catch(() => {})])));
    };
    await takeWorkers();
    await tools.read("document.getElementById('message').focus()");
    await tools.press('Control+KeyA');
    await tools.type('Where does a hen live?');
    await tools.press('Enter');
    await tools.until(`${figures} === 2`);
    expect(await tools.read(shown)).not.toBe('');
    expect(await tools.read("document.querySelector('.failure')")).toBe(null);
    await tools.read('(window.piecesLeft = 5)');
    // In a chat of its own the model tells a story; behind another question it may say that it is glad, and be over.
    await tools.press('Alt+KeyN');
    await tools.type('Tell me a story about a fox called Ash.');
    await tools.press('Enter');
    await tools.until('window.piecesLeft === 0');
    await takeWorkers();
    await tools.until("document.querySelector('.turn.assistant .failure')?.innerText.includes('took the model away')");
    await tools.read('(window.piecesLeft = Infinity)');
    await tools.picture('alone-gone');
    const before = await tools.read<string>(shown);
    await tools.tabBackTo('.turn.assistant [aria-label="Go on"]');
    await tools.press('Enter');
    await tools.until("document.querySelector('.failure') === null && document.querySelector('.turn.writing') === null");
    const after = await tools.read<string>(shown);
    // Where the answer ends in the midst of a bold title its stars are shown, until there is the other pair.
    const [begun, whole] = [before, after].map((text) => text.replaceAll('*', '').trim());
    expect(whole!.startsWith(begun!), `${before} ... ${after}`).toBe(true);
    expect(whole!.length).toBeGreaterThan(begun!.length);
  });

  it('takes a model that hears by its address alone', async () => {
    await tools.press('Alt+KeyM');
    await tools.tabTo('.other-model input');
    const address = `${origin}/chat/models/by-hand/ggml-tiny.en.bin`;
    await tools.type(address);
    await tools.press('Enter');
    const facts = `[...document.querySelectorAll('.model-name')].find((one) => one.innerText.startsWith('${address}'))?.innerText`;
    await tools.until(`/hears · ready/.test(${facts})`);
    await tools.picture('alone-by-hand');
    await tools.press('Escape');
    expect(await tools.read("document.querySelector('.model-button .name').innerText")).toBe('Ember');
  });

  it.skipIf(!hasVoice)('reads an answer aloud', async () => {
    await tools.press('Alt+KeyL');
    await tools.until("document.querySelector('dialog .notices')?.innerText.includes('Voice reads aloud: download it first')");
    await downloaded('Voice');
    await tools.tabBackTo('.turn.assistant [aria-label="Edit"]');
    await tools.press('Enter');
    await tools.until("document.activeElement.ariaLabel === 'Edit the message'");
    await tools.press('Control+KeyA');
    await tools.type('Hello.');
    await tools.press('Control+Enter');
    await tools.read(`(() => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => (blob.arrayBuffer().then((bytes) => (window.played = bytes)), make.call(URL, blob));
    })()`);
    await tools.press('Alt+KeyL');
    await tools.until('window.played !== undefined');
    expect(await tools.read<number>('new DataView(window.played).getUint32(24, true)')).toBe(24_000);
    expect(await tools.read<number>('window.played.byteLength')).toBeGreaterThan(10_000);
    await tools.press('Alt+KeyL');
    expect(await tools.read("document.querySelector('.model-button .name').innerText")).toBe('Ember');
    await tools.picture('alone-speech');
  });

  it('keeps the model, and answers without a network', async () => {
    await tools.page.context().setOffline(true);
    await tools.page.reload();
    await tools.until("document.querySelector('.model-button .name')?.innerText === 'Ember'");
    await tools.press('Alt+KeyN');
    await tools.type('Tell me a story about a fox called Ash.');
    await tools.press('Enter');
    await tools.until("document.querySelector('.turn.assistant .figures') !== null");
    expect(await tools.read<string>("document.querySelector('.turn.assistant .markdown').innerText")).toContain('Ash was a brave fox');
    await tools.page.context().setOffline(false);
    await tools.press('Alt+KeyM');
    await tools.tabTo('[aria-label="Delete Ember from this browser"]');
    await tools.press('Enter');
    await tools.until("document.activeElement.matches('.danger')");
    await tools.picture('alone-delete');
    // A key that is held since then deletes nothing.
    const held = "new KeyboardEvent('keydown', { key: 'Enter', repeat: true, cancelable: true })";
    expect(await tools.read(`document.activeElement.dispatchEvent(${held})`)).toBe(false);
    await tools.press('Enter');
    await tools.until("[...document.querySelectorAll('.model-name')].some((one) => /^Ember\\s+to download/.test(one.innerText))");
    await tools.until("document.activeElement.closest('li')?.innerText.startsWith('Ember')");
  });

  it('asked nobody but its host', () => {
    expect(asked.filter((url) => !url.startsWith(`${origin}/chat/`) && !/^(data|blob|about):/.test(url))).toEqual([]);
    expect(complaints.filter((one) => !one.includes('ERR_INTERNET_DISCONNECTED'))).toEqual([]);
    // The engine's worker came with the model; what came before it is the first load.
    expect(asked.filter((url) => url.includes('engine-worker')).length).toBeGreaterThan(0);
  });
});
