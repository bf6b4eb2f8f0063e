/** One Chromium with the app of one server, for all tests of a file. */
import { afterAll, beforeAll } from 'vitest';
import { COPIED_MS } from '../../app/state/copy-text.ts';
import { SHOWN_MS, UNDO_MS } from '../../app/state/notices.ts';
import { launchChromium } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { listen } from '../../src/cli/serve/listen.ts';
import type { Listener } from '../../src/cli/serve/listen.ts';
import { appFiles } from '../../src/node/app-files.ts';
import type { ServerOptions } from '../../src/server/api.ts';
import { createServer } from '../../src/server/create-server.ts';
import { axeSource } from './axe.ts';

/** What a person does with a page, by keys, and what can be seen of it. */
export interface PageTools {
  /** A page of Playwright's, whose types are not installed where types are checked. */
  readonly page: any;
  /** Waits for an expression of the page: its policy lets Playwright's own waiting evaluate nothing. */
  until(expression: string): Promise<void>;
  /** Waits until an expression of the chats on the page's disk, `chats`, is true: a page shows what is on its way there. */
  untilKept(expression: string): Promise<void>;
  read<Value>(expression: string): Promise<Value>;
  press(keys: string): Promise<void>;
  type(text: string): Promise<void>;
  /** Presses Tab until what a selector names, and a text begins, has the focus. */
  tabTo(selector: string, text?: string): Promise<void>;
  /** As {@link tabTo}, by Shift and Tab. */
  tabBackTo(selector: string): Promise<void>;
  /** Kept where INGOT_PICTURES names a folder. */
  picture(name: string): Promise<void>;
}

export interface AppRig extends PageTools {
  readonly browser: Browser;
  readonly origin: string;
  /** Addresses that the page asked for, and what the browser complained of. */
  readonly asked: string[];
  readonly complaints: string[];
  /** Writes a message, sends it by Enter, and waits for its answer's end. */
  ask(text: string): Promise<void>;
  /** An empty chat of a page that begins anew. */
  fresh(hash?: string): Promise<void>;
}

/** More than a page of the tests has places for the keyboard. */
const MOST_TABS = 150;

export const answers =
  "[...document.querySelectorAll('.turn.assistant')].map((turn) => turn.querySelector('.markdown')?.innerText ?? '')";
export const isIdle = "document.querySelector('.turn.writing') === null && document.querySelector('.turn.assistant') !== null";

/** What is waited for is sure to come: only a fault takes so long. Less than a test has, so that it is told. */
const WAIT_MS = 110_000;

/** As {@link PageTools.until}. */
async function until(page: any, expression: string): Promise<void> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end;) {
    if ((await page.evaluate(`Boolean(${expression})`)) === true) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it never came: ${expression}`);
}

/** As {@link PageTools.untilKept}. */
async function untilKept(page: any, expression: string): Promise<void> {
  const isKept = `new Promise((resolve, reject) => {
    const opening = indexedDB.open('ingot');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const reading = opening.result.transaction('conversations').objectStore('conversations').getAll();
      reading.onerror = () => reject(reading.error);
      reading.onsuccess = () => {
        opening.result.close();
        resolve(((chats) => Boolean(${expression}))(reading.result));
      };
    };
  })`;
  for (const end = Date.now() + WAIT_MS; Date.now() < end;) if ((await page.evaluate(isKept)) === true) return;
  throw new Error(`it was never kept: ${expression}`);
}

/** What the page shows for a while stands until a test has seen it: on a slow machine the way there takes longer. */
export async function holdNotices(context: any): Promise<void> {
  await context.addInitScript(`{
    const own = window.setTimeout;
    const held = ${JSON.stringify([SHOWN_MS, UNDO_MS, COPIED_MS])};
    window.setTimeout = (work, ms, ...rest) => own(work, held.includes(ms) ? 100 * ms : ms, ...rest);
  }`);
}

/** Presses a key until what is named, which has to be there or to come, has the focus. */
async function walk(page: any, keys: string, [selector, text]: readonly [string, string]): Promise<void> {
  const [named, begins] = [JSON.stringify(selector), JSON.stringify(text)];
  const isIt = (one: string) => `${one}.matches(${named}) && ${one}.innerText.trim().startsWith(${begins})`;
  const isThere = isIt('document.activeElement');
  await until(page, `[...document.querySelectorAll('*')].some((one) => ${isIt('one')})`);
  for (let presses = 0; presses < MOST_TABS; presses++) {
    if ((await page.evaluate(isThere)) === true) return;
    await page.keyboard.press(keys);
  }
  throw new Error(`${keys} does not lead to ${selector} ${text}`);
}

export function pageTools(page: any): PageTools {
  const tools: PageTools = {
    page,
    read: (expression) => page.evaluate(expression),
    until: (expression) => until(page, expression),
    untilKept: (expression) => untilKept(page, expression),
    async press(keys) {
      await page.keyboard.press(keys);
      // The browser tells a little later that it closed a window, which then goes: a key before would meet the one that is closed.
      if (keys === 'Escape') await until(page, "document.querySelector('dialog:not([open])') === null");
    },
    type: (text) => page.keyboard.insertText(text),
    tabTo: (selector, text = '') => walk(page, 'Tab', [selector, text]),
    tabBackTo: (selector) => walk(page, 'Shift+Tab', [selector, '']),
    async picture(name) {
      const folder = process.env['INGOT_PICTURES'];
      if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
    },
  };
  return tools;
}

/** @param options of the server, made when the tests begin */
export function appRig(options: () => Promise<Omit<ServerOptions, 'app'>>): AppRig {
  const rig = { asked: [], complaints: [] } as unknown as { -readonly [Name in keyof AppRig]: AppRig[Name] };
  let listener: Listener;
  let server: ReturnType<typeof createServer>;
  beforeAll(async () => {
    server = createServer({ ...(await options()), app: appFiles() });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
    rig.origin = listener.origin;
    rig.browser = await launchChromium(['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream']);
    const size = { viewport: { width: 1280, height: 800 } };
    // Colours that are on their way to others are judged by nobody.
    const context = await (rig.browser as any).newContext({ ...size, acceptDownloads: true, reducedMotion: 'reduce' });
    await context.grantPermissions(['clipboard-read', 'clipboard-write', 'microphone'], { origin: rig.origin });
    await holdNotices(context);
    Object.assign(rig, pageTools(await context.newPage()));
    // As long as somebody listens, Playwright holds the choosers of files.
    rig.page.on('filechooser', () => {});
    rig.page.on('request', (request: any) => rig.asked.push(request.url()));
    rig.page.on('console', (message: any) => message.type() === 'error' && rig.complaints.push(message.text()));
    rig.page.on('pageerror', (error: Error) => rig.complaints.push(error.message));
    await rig.fresh();
  });
  afterAll(async () => {
    await rig.browser?.close();
    listener?.destroy();
    await listener?.close();
    await server?.close();
  });
  rig.ask = async (text) => {
    const before = await rig.read<number>("document.querySelectorAll('.turn.assistant').length");
    await rig.page.locator('#message').focus();
    await rig.type(text);
    await rig.press('Enter');
    await rig.until(`document.querySelectorAll('.turn.assistant').length > ${before} && ${isIdle}`);
  };
  rig.fresh = async (hash = '') => {
    if (rig.page.url().startsWith(rig.origin)) await rig.read("sessionStorage.removeItem('ingot draft')");
    await rig.page.goto(`about:blank`);
    await rig.page.goto(`${rig.origin}/${hash}`);
    await rig.until(
      "document.querySelector('.model-button .name')?.innerText !== 'Choose a model' && document.getElementById('message')",
    );
  };
  return rig;
}

/** What axe finds that is serious, or worse, on the page as it is. */
export async function seriousFaults({ page }: AppRig): Promise<string[]> {
  const run = `${axeSource()};axe.run(document, { resultTypes: ['violations'] })`;
  const { violations } = await page.evaluate(run);
  const isSerious = ({ impact }: { impact: string }) => impact === 'serious' || impact === 'critical';
  return violations.filter(isSerious).map(({ id, nodes }: any) => `${id}: ${nodes.map((node: any) => node.html).join(' | ')}`);
}
