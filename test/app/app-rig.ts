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

export interface AppRig {
  readonly browser: Browser;
  readonly origin: string;
  /** A page of Playwright's, whose types are not installed where types are checked. */
  readonly page: any;
  /** Addresses that the page asked for, and what the browser complained of. */
  readonly asked: string[];
  readonly complaints: string[];
  /** Waits for an expression of the page: its policy lets Playwright's own waiting evaluate nothing. */
  until(expression: string): Promise<void>;
  read<Value>(expression: string): Promise<Value>;
  press(keys: string): Promise<void>;
  type(text: string): Promise<void>;
  /** Presses Tab until what a selector names, and a text begins, has the focus. */
  tabTo(selector: string, text?: string): Promise<void>;
  /** Writes a message, sends it by Enter, and waits for its answer's end. */
  ask(text: string): Promise<void>;
  /** An empty chat of a page that begins anew. */
  fresh(hash?: string): Promise<void>;
  /** Kept where INGOT_PICTURES names a folder. */
  picture(name: string): Promise<void>;
}

/** More than a page of the tests has places for the keyboard. */
const MOST_TABS = 150;

export const answers =
  "[...document.querySelectorAll('.turn.assistant')].map((turn) => turn.querySelector('.markdown')?.innerText ?? '')";
export const isIdle = "document.querySelector('.turn.writing') === null && document.querySelector('.turn.assistant') !== null";

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
    rig.page = await context.newPage();
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
  rig.read = (expression) => rig.page.evaluate(expression);
  rig.until = async (expression) => {
    for (const end = Date.now() + 20_000; Date.now() < end;) {
      if ((await rig.page.evaluate(`Boolean(${expression})`)) === true) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`it never came: ${expression}`);
  };
  rig.press = (keys) => rig.page.keyboard.press(keys);
  rig.type = (text) => rig.page.keyboard.insertText(text);
  rig.tabTo = async (selector, text = '') => {
    const isThere = `document.activeElement.matches(${JSON.stringify(selector)})
      && document.activeElement.innerText.trim().startsWith(${JSON.stringify(text)})`;
    for (let presses = 0; presses < MOST_TABS; presses++) {
      if ((await rig.read(isThere)) === true) return;
      await rig.press('Tab');
    }
    throw new Error(`Tab does not lead to ${selector} ${text}`);
  };
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
  rig.picture = async (name) => {
    const folder = process.env['INGOT_PICTURES'];
    if (folder !== undefined) await rig.page.screenshot({ path: `${folder}/${name}.png` });
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
