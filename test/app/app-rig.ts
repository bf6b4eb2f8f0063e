/** One Chromium with the app of one server, for all tests of a file. */
import { afterAll, beforeAll } from 'vitest';
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
  /** Waits for an expression of the page, 20 s by default: its policy lets Playwright's own waiting evaluate nothing. */
  until(expression: string, withinMs?: number): Promise<void>;
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

/** Presses a key until what is named has the focus. */
async function walk(page: any, keys: string, [selector, text]: readonly [string, string]): Promise<void> {
  const isThere = `document.activeElement.matches(${JSON.stringify(selector)})
    && document.activeElement.innerText.trim().startsWith(${JSON.stringify(text)})`;
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
    async until(expression, withinMs = 20_000) {
      for (const end = Date.now() + withinMs; Date.now() < end;) {
        if ((await page.evaluate(`Boolean(${expression})`)) === true) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`it never came: ${expression}`);
    },
    press: (keys) => page.keyboard.press(keys),
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
    const context = await (rig.browser as any).newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
    await context.grantPermissions(['clipboard-read', 'clipboard-write', 'microphone'], { origin: rig.origin });
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
