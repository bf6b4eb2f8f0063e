/** The list of chats over a narrow page, and the keys of a Mac. */
import { expect, it } from 'vitest';
import { pageTools, seriousFaults } from './app-rig.ts';
import type { AppRig } from './app-rig.ts';

function drawerTests(rig: AppRig): void {
  it('keeps the keyboard within the list that lies over a narrow page, and gives it back', async () => {
    await rig.fresh();
    await rig.ask('In the list');
    await rig.page.setViewportSize({ width: 390, height: 800 });
    await rig.until("document.querySelector('.sidebar') === null");
    await rig.tabTo('header [aria-label="Show the list of chats"]');
    await rig.press('Enter');
    await rig.until("document.querySelector('dialog.drawer')?.contains(document.activeElement)");
    expect(await seriousFaults(rig)).toEqual([]);
    // Outside it is the browser's own frame alone, where the page has no focus.
    const isWithin = "document.activeElement === document.body || document.querySelector('dialog.drawer').contains(document.activeElement)";
    for (let presses = 0; presses < 12; presses++) {
      await rig.press('Tab');
      expect(await rig.read(isWithin)).toBe(true);
    }
    // Escape in a menu closes that alone.
    await rig.tabTo('.more');
    await rig.press('Enter');
    await rig.until("document.activeElement.role === 'menuitem'");
    await rig.press('Escape');
    await rig.until("document.querySelector('.menu-items') === null && document.querySelector('dialog.drawer') !== null");
    await rig.press('Escape');
    await rig.until("document.querySelector('dialog.drawer') === null");
    expect(await rig.read('document.activeElement.ariaLabel')).toBe('Show the list of chats');
    await rig.page.setViewportSize({ width: 1280, height: 800 });
  });
}

function macTests(rig: AppRig): void {
  it('obeys Option in a message on a Mac, but for what its keyboard types', async () => {
    const mac = pageTools(await rig.page.context().newPage());
    await mac.page.addInitScript("Object.defineProperty(navigator, 'platform', { value: 'MacIntel' })");
    await mac.page.goto(`${rig.origin}/`);
    await mac.until("document.activeElement?.id === 'message'");
    const isTaken = (code: string, key: string, rest = '') =>
      mac.read<boolean>(`!document.getElementById('message').dispatchEvent(new KeyboardEvent('keydown',
        { code: '${code}', key: '${key}', altKey: true, bubbles: true, cancelable: true ${rest} }))`);
    const dialog = "document.querySelector('dialog')?.className";
    expect(await isTaken('KeyM', 'µ')).toBe(true);
    await mac.until(`${dialog} === 'models'`);
    await mac.press('Escape');
    await mac.until("document.querySelector('dialog') === null");
    expect(await isTaken('KeyS', 'ß')).toBe(true);
    await mac.until(`${dialog} === 'settings'`);
    await mac.press('Escape');
    for (const [code, key] of [['KeyL', '@'], ['KeyS', 'ś'], ['KeyE', '€'], ['KeyN', '~']] as const)
      expect(await isTaken(code, key), key).toBe(false);
    expect(await isTaken('KeyS', 'ś', ', ctrlKey: true')).toBe(true);
    expect(await isTaken('Slash', '÷')).toBe(true);
    await mac.until("document.querySelector('dialog kbd')?.innerText === 'Option' || document.querySelector('dialog') !== null");
    await mac.page.close();
  });
}

export function keyboardTests(rig: AppRig): void {
  drawerTests(rig);
  macTests(rig);
}
