/** Models, settings, the list of chats, keys, widths, colours, and the page without a network. */
import { expect, it } from 'vitest';
import { answers, isIdle, pageTools, seriousFaults } from './app-rig.ts';
import type { AppRig } from './app-rig.ts';

const titles = "[...document.querySelectorAll('.chat-link .title')].map((one) => one.innerText)";
const noDialog = "document.querySelector('dialog') === null";

function dialogTests(rig: AppRig): void {
  it('chooses a model, with what is known of it', async () => {
    await rig.press('Alt+KeyN');
    await rig.press('Alt+KeyM');
    await rig.until("document.querySelectorAll('.model-list li').length > 5");
    const facts = await rig.read<string[]>("[...document.querySelectorAll('.model-name')].map((one) => one.innerText)");
    expect(facts[0]).toMatch(/^scripted\n+ready · fits · [\d,]+ tokens/);
    expect(facts[4]).toMatch(/^vast\n+not loaded · 3\.0 TB · too large here/);
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('models');
    await rig.tabTo('.model-name', 'other');
    await rig.press('Enter');
    await rig.until(`${noDialog} && document.querySelector('.model-button .name').innerText === 'other'`);
    const sent = rig.page.waitForRequest('**/v1/chat/completions');
    await rig.ask('Who are you?');
    expect(JSON.parse((await sent).postData()).model).toBe('other');
  });

  it('obeys the settings of a chat, and keeps prompts by name', async () => {
    await rig.press('Alt+KeyS');
    await rig.until("document.querySelector('dialog.settings')");
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('settings');
    await rig.tabTo('.settings textarea');
    await rig.type('You are brief.');
    await rig.tabTo('.settings button', 'Keep this prompt');
    await rig.press('Enter');
    await rig.until("document.querySelector('.settings select').value === 'You are brief.'");
    await rig.tabTo('.settings input[type=number]');
    await rig.type('0.5');
    await rig.press('Escape');
    await rig.until(noDialog);
    const sent = rig.page.waitForRequest('**/v1/chat/completions');
    await rig.ask('Hello');
    const body = JSON.parse((await sent).postData());
    expect([body.messages[0], body.temperature, body.top_p]).toEqual([{ role: 'system', content: 'You are brief.' }, 0.5, undefined]);
  });

  it('lists its keys', async () => {
    await rig.press('Alt+Slash');
    await rig.until("document.querySelectorAll('.keys div').length > 15");
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('keys');
    await rig.press('Escape');
    await rig.until(noDialog);
  });
}

function listTests(rig: AppRig): void {
  it('searches all chats, and renames and deletes one', async () => {
    await rig.press('Alt+KeyK');
    await rig.until("document.activeElement.id === 'search'");
    await rig.type('slowly WORD');
    await rig.until("document.querySelector('.chats').innerText.includes('Nothing found')");
    await rig.press('Control+KeyA');
    await rig.type('six seven');
    await rig.press('Control+KeyA');
    await rig.type('forty-two');
    await rig.until("document.querySelectorAll('.found').length === 1");
    await rig.picture('search');
    await rig.tabTo('.found');
    await rig.press('Enter');
    await rig.until("document.querySelector('.thought') !== null");
    await rig.press('Alt+KeyK');
    await rig.until("document.activeElement.id === 'search'");
    await rig.press('Control+KeyA');
    await rig.press('Delete');
    await rig.until("document.querySelector('.found') === null && document.querySelector('.more') !== null");
    const first = await rig.read<string[]>(titles);
    await rig.tabTo('.more');
    await rig.press('Enter');
    await rig.until("document.activeElement.role === 'menuitem'");
    await rig.picture('menu');
    await rig.press('Enter');
    await rig.until("document.activeElement.className === 'name-field'");
    await rig.press('Control+KeyA');
    await rig.type('Renamed');
    await rig.press('Enter');
    await rig.until(`${titles}.includes('Renamed')`);
    await rig.tabTo('.more[aria-label="More of Renamed"]');
    await rig.press('Enter');
    await rig.until("document.activeElement.role === 'menuitem'");
    await rig.press('ArrowUp');
    await rig.press('Enter');
    await rig.until(`${titles}.length === ${first.length - 1}`);
    await rig.picture('deleted');
    await rig.tabTo('.notice button', 'Undo');
    await rig.press('Enter');
    await rig.until(`${titles}.includes('Renamed')`);
  });

  it('shows the same chat when the page is loaded again', async () => {
    await rig.ask('Keep this');
    const [hash, shown] = await rig.read<[string, string[]]>(`[location.hash, ${answers}]`);
    const isWhole = "Object.values(one.turns).every(({ state }) => state !== 'writing')";
    await rig.untilKept(`chats.some((one) => '#' + one.id === ${JSON.stringify(hash)} && ${isWhole})`);
    await rig.fresh(hash);
    await rig.until(`JSON.stringify(${answers}) === ${JSON.stringify(JSON.stringify(shown))}`);
  });
}

function sizeTests(rig: AppRig): void {
  const back = 'getComputedStyle(document.body).backgroundColor';

  it('is light and dark, at both widths, without a fault for those who hear the page', async () => {
    await rig.page.emulateMedia({ colorScheme: 'light' });
    const light = await rig.read(back);
    for (const scheme of ['light', 'dark']) {
      await rig.page.emulateMedia({ colorScheme: scheme });
      await rig.page.setViewportSize({ width: 1280, height: 800 });
      await rig.press('Alt+KeyN');
      await rig.ask('A tour again');
      await rig.until("document.querySelector('.formula math')");
      expect(await seriousFaults(rig)).toEqual([]);
      await rig.picture(`desktop-${scheme}`);
      await rig.page.setViewportSize({ width: 390, height: 800 });
      await rig.until("document.querySelector('.sidebar') === null");
      expect(await rig.read('document.documentElement.scrollWidth')).toBe(390);
      expect(await rig.read("document.querySelector('.composer .primary').getBoundingClientRect().right")).toBeLessThan(390);
      expect(await seriousFaults(rig)).toEqual([]);
      await rig.picture(`phone-${scheme}`);
      await rig.press('Alt+KeyB');
      await rig.until("document.querySelector('.sidebar') !== null");
      await rig.picture(`phone-list-${scheme}`);
      await rig.press('Escape');
      await rig.until(noDialog);
      await rig.press('Alt+KeyS');
      await rig.until("document.querySelector('dialog.settings')");
      await rig.picture(`phone-settings-${scheme}`);
      await rig.press('Escape');
      await rig.until(noDialog);
    }
    expect(await rig.read(back)).not.toBe(light);
    for (const _ of ['light', 'dark', 'system']) await rig.press('Alt+KeyT');
    await rig.press('Alt+KeyT');
    await rig.until(`${back} === ${JSON.stringify(light)}`);
    // A page that begins has the chosen colours before its program runs.
    const other = await rig.page.context().newPage();
    await other.emulateMedia({ colorScheme: 'dark' });
    await other.route('**/assets/index-*.js', (route: any) => route.abort());
    await other.goto(`${rig.origin}/`);
    // What one page keeps comes to the program of another one a little later.
    await pageTools(other).until("localStorage.getItem('ingot theme') === '\"light\"'");
    await other.reload();
    expect(await other.evaluate(back)).toBe(light);
    await other.close();
    for (const _ of ['dark', 'system']) await rig.press('Alt+KeyT');
    await rig.page.setViewportSize({ width: 1280, height: 800 });
  });
}

function hostTests(rig: AppRig): void {
  it('tells a failure in words, and asks for a key where one is needed', async () => {
    const full = { status: 503, json: { error: { message: 'No room now.' } } };
    await rig.page.route('**/v1/chat/completions', (route: any) => route.fulfill(full));
    await rig.press('Alt+KeyN');
    await rig.ask('Hello');
    expect(await rig.read("document.querySelector('.turn .failure').innerText")).toBe('No room now.');
    await rig.page.unroute('**/v1/chat/completions');
    const keys: (string | undefined)[] = [];
    await rig.page.route('**/v1/models', (route: any) => {
      keys.push(route.request().headers()['authorization']);
      const error = { message: 'This server wants a key.' };
      return keys.at(-1) === 'Bearer sk-a' ? route.continue() : route.fulfill({ status: 401, json: { error } });
    });
    await rig.page.goto(`${rig.origin}/`);
    await rig.page.reload();
    await rig.until("document.activeElement.type === 'password'");
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('key');
    await rig.type('sk-a');
    await rig.press('Enter');
    await rig.until(
      "document.querySelector('.model-button .name').innerText !== 'Choose a model' && document.querySelector('.key-entry') === null",
    );
    expect(await rig.read("sessionStorage.getItem('ingot key')")).toBe('"sk-a"');
    expect(await rig.read("localStorage.getItem('ingot key')")).toBe(null);
    await rig.page.unroute('**/v1/models');
  });

  it('chats and copies also where the page has no TLS, and no random ids and clipboard of its own', async () => {
    await rig.fresh();
    await rig.read("(() => { crypto.randomUUID = undefined; Object.defineProperty(navigator, 'clipboard', { value: undefined }); })()");
    await rig.ask('Plain');
    await rig.press('Alt+KeyC');
    await rig.until("document.querySelector('.notices').innerText.includes('Copied')");
  });

  it('can be installed, and opens without a network', async () => {
    await rig.press('Alt+KeyN');
    await rig.until('navigator.serviceWorker.controller !== null');
    const manifest = await rig.read<any>("fetch(document.querySelector('link[rel=manifest]').href).then((one) => one.json())");
    expect([manifest.name, manifest.display, manifest.icons.length]).toEqual(['Ingot', 'standalone', 4]);
    await rig.page.context().setOffline(true);
    await rig.page.reload();
    await rig.until(`${titles}.length > 3 && document.querySelector('.welcome .failure') !== null`);
    expect(await rig.read("document.querySelector('.welcome .failure').innerText")).toContain('cannot be reached');
    await rig.tabTo('.chat-link', 'Give me a tour');
    await rig.press('Enter');
    await rig.until(`${isIdle} && document.querySelector('.formula math')`);
    await rig.picture('offline');
    await rig.read("document.getElementById('message').focus()");
    await rig.type('Is anybody there?');
    await rig.press('Enter');
    await rig.until("document.querySelector('.notices').innerText.includes('cannot be reached')");
    await rig.page.context().setOffline(false);
  });
}

export function pageTests(rig: AppRig): void {
  dialogTests(rig);
  listTests(rig);
  sizeTests(rig);
  hostTests(rig);
}
