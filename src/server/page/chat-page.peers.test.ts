/** The page at `/` in a real browser, over the bundled model. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../../../test/browser/chromium.ts';
import type { Browser } from '../../../test/browser/chromium.ts';
import { serverRig } from '../../../test/server-rig.ts';

const text = (id: string) => `document.getElementById('${id}').innerText`;
const figures = "document.querySelector('.turn.assistant:last-of-type .figures').innerText";
const ended = "document.getElementById('stop').hidden && document.querySelectorAll('.figures span').length > 0";

describe.skipIf(!hasChromium)('the page at /', () => {
  const rig = serverRig({}, (ember) => ({ ember, other: ember }));
  let browser: Browser;
  let page: any;
  /** Addresses that were asked, and what the browser complained of. */
  const asked: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('request', (request: any) => asked.push(request.url()));
    page.on('console', (message: any) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error: Error) => complaints.push(error.message));
    await page.goto(rig.origin);
    await until("document.getElementById('model').options.length > 0");
  });
  afterAll(() => browser?.close());

  /** The page's policy lets nothing be evaluated in it, as Playwright's own waiting would. */
  const until = async (expression: string) => {
    while ((await page.evaluate(`Boolean(${expression})`)) !== true) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const say = async (words: string) => {
    await page.locator('#input').fill(words);
    await page.keyboard.press('Enter');
  };
  const picture = async (name: string) => {
    const folder = process.env['INGOT_PICTURES'];
    if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
  };

  it('lists models, and streams an answer with its figures', async () => {
    expect(await page.evaluate("[...document.getElementById('model').options].map((one) => one.value)")).toEqual(['ember', 'other']);
    await picture('empty');
    await page.locator('#settingsButton').click();
    await page.locator('#temperature').fill('0');
    await page.locator('#maxTokens').fill('60');
    await picture('settings');
    await page.locator('#settingsButton').click();
    await page.locator('#model').selectOption('other');
    await say('Tell me a story about a fox.');
    await until("document.querySelectorAll('.turn.assistant')[0].innerText.length > 20");
    await picture('streaming');
    await until(ended);
    const record = rig.records.findLast(({ route }) => route === '/v1/chat/completions');
    expect(record).toMatchObject({ model: 'other', outcome: 'done' });
    expect(await page.evaluate(figures)).toMatch(/first token [\d.]+ m?s\s+[\d.]+ tokens\/s\s+\d+ tokens/);
    expect(await page.evaluate(figures)).toContain(`${record!.completionTokens} tokens`);
    await picture('answer');
  });

  it('stops at Escape, frees the place, and goes on with what was said', async () => {
    await page.evaluate("document.getElementById('maxTokens').value = 400");
    await say('Tell me a very long story.');
    await until("document.querySelectorAll('.turn.assistant').length === 2");
    await until("document.querySelectorAll('.turn.assistant')[1].innerText.length > 20");
    await page.keyboard.press('Escape');
    await until("document.getElementById('stop').hidden");
    expect(await page.evaluate("document.querySelectorAll('.turn.assistant')[1].innerText")).toContain('stopped');
    const from = performance.now();
    while (rig.server.active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(performance.now() - from).toBeLessThan(1000);
    expect(rig.records.at(-1)).toMatchObject({ outcome: 'cancelled' });
  });

  it('is dark and light, and fits a phone', async () => {
    const colour = 'getComputedStyle(document.body).backgroundColor';
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await page.evaluate(colour);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await page.evaluate(colour)).not.toBe(light);
    await picture('dark');
    await page.setViewportSize({ width: 360, height: 700 });
    await picture('phone');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(await page.evaluate("document.getElementById('send').getBoundingClientRect().right")).toBeLessThan(361);
    await page.locator('#theme').click();
    await page.locator('#theme').click();
    expect(await page.evaluate(colour)).toBe(light);
    await picture('phone-light');
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  it('runs nothing that an answer says, and begins again', async () => {
    const marked = '<img src=x onerror="window.hit = 1"><script>window.hit = 1</script>';
    await page.evaluate(`document.getElementById('maxTokens').value = 2`);
    await say(marked);
    await until("document.querySelectorAll('.turn.assistant').length === 3");
    await until("document.getElementById('stop').hidden");
    expect(await page.evaluate("document.querySelectorAll('.turn.user')[2].textContent")).toBe(marked);
    expect(await page.evaluate('[window.hit, document.images.length]')).toEqual([undefined, 0]);
    const fence = '\x60\x60\x60';
    const shown = `(() => { const into = document.createElement('div'); showText(into, 'a \x60b\x60\\n${fence}js\\nlet c;\\n${fence}\\nd');
      return [...into.children].map((one) => one.tagName + ' ' + one.textContent); })()`;
    expect(await page.evaluate(shown)).toEqual(['DIV a b', 'PRE let c;', 'DIV d']);
    await page.locator('#new').click();
    expect(await page.evaluate("document.querySelectorAll('.turn').length")).toBe(0);
    expect(await page.evaluate(text('empty'))).toContain('Ask something.');
  });

  it('tells a failure in words, and asks for a key where one is needed', async () => {
    const body = { error: { message: 'This server wants a key.', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } };
    const keys: (string | undefined)[] = [];
    await page.route('**/v1/models', (route: any) => {
      keys.push(route.request().headers()['authorization']);
      return keys.at(-1) === 'Bearer sk-a' ? route.continue() : route.fulfill({ status: 401, json: body });
    });
    await page.reload();
    await until("document.getElementById('keyNote').innerText !== ''");
    await picture('key');
    expect(await page.evaluate('document.activeElement.id')).toBe('key');
    await page.keyboard.type('sk-a');
    await page.keyboard.press('Tab');
    await until("document.getElementById('model').options.length === 2");
    expect(await page.evaluate(text('keyNote'))).toBe('');
    const full = { status: 503, json: { error: { message: 'No room now.' } } };
    await page.route('**/v1/chat/completions', (route: any) => route.fulfill(full));
    await say('Hello');
    await until("document.querySelector('.error:not(#keyNote)') !== null");
    expect(await page.evaluate("document.querySelector('.turn .error').textContent")).toBe('No room now.');
    await picture('failed');
  });

  it('asks nobody but its server, and breaks no policy of its own', () => {
    expect(asked.filter((url) => !url.startsWith(`${rig.origin}/`) && !url.startsWith('data:'))).toEqual([]);
    expect(complaints.filter((one) => !/status of (401|503)/.test(one))).toEqual([]);
  });
});
