/** Two tabs of one browser, each with the app. */
import { expect, it } from 'vitest';
import { answers, isIdle, pageTools } from './app-rig.ts';
import type { AppRig, PageTools } from './app-rig.ts';

const versions = "[...document.querySelectorAll('.versions > span')].map((one) => one.textContent.trim())";
const bubbles = "[...document.querySelectorAll('.bubble')].map((one) => one.textContent)";

/** Keeps what a tab tells others, until `release()`. */
const HOLD_WORDS = `(() => {
  const post = BroadcastChannel.prototype.postMessage;
  const held = [];
  BroadcastChannel.prototype.postMessage = function (word) { held.push([this, word]); };
  window.release = () => {
    BroadcastChannel.prototype.postMessage = post;
    for (const [channel, word] of held) post.call(channel, word);
  };
})()`;

/** Sends a message, and does not wait. */
async function say({ page, type, press }: PageTools, text: string): Promise<void> {
  await page.locator('#message').focus();
  await type(text);
  await press('Enter');
}

export function tabTests(rig: AppRig): void {
  it('shows in one tab what another one does with the same chat, and keeps what both write as versions', async () => {
    await rig.fresh();
    await rig.ask('Shared');
    // A tab that opens a chat by its address looks for it on the disk.
    await rig.untilKept("chats.some((one) => '#' + one.id === location.hash)");
    const other = pageTools(await rig.page.context().newPage());
    await other.page.goto(`${rig.origin}/${await rig.read<string>('location.hash')}`);
    await other.until(`${answers}.length === 1`);
    // What comes is seen as it is written, in its tab and in the other one.
    await say(other, 'Count slowly');
    await rig.until(`${bubbles}.length === 2 && document.querySelector('.turn.assistant .elsewhere')`);
    await other.press('Escape');
    await rig.until(`${isIdle} && ${answers}.length === 2 && [...document.querySelectorAll('.note')].at(-1).innerText === 'Stopped.'`);
    // Both ask behind the same answer, before they hear of each other.
    for (const tab of [rig, other]) await tab.read(HOLD_WORDS);
    await Promise.all([say(rig, 'From one'), say(other, 'From two')]);
    for (const tab of [rig, other]) await tab.until(`${isIdle} && ${answers}.length === 3`);
    for (const tab of [rig, other]) await tab.read('window.release()');
    for (const [tab, own] of [[rig, 'From one'], [other, 'From two']] as const) {
      await tab.until(`${isIdle} && ${answers}.length === 3 && ${versions}.some((one) => one.endsWith('/ 2'))`);
      expect(await tab.read<string[]>(bubbles)).toEqual(['Shared', 'Count slowly', own]);
    }
    // A tab that begins anew has both.
    const hasBoth = "['From one', 'From two'].every((text) => Object.values(turns).some((one) => one.text === text))";
    await rig.untilKept(`chats.some(({ turns }) => ${hasBoth})`);
    await other.page.reload();
    await other.until(`${versions}.some((one) => one.endsWith('/ 2'))`);
    const shown = await other.read<string[]>(bubbles);
    await other.press((await other.read<string[]>(versions)).includes('1 / 2') ? 'Alt+Period' : 'Alt+Comma');
    await other.until(`${bubbles}.at(-1) !== ${JSON.stringify(shown.at(-1))}`);
    expect([shown.at(-1), await other.read(`${bubbles}.at(-1)`)].toSorted()).toEqual(['From one', 'From two']);
    // A tab that goes leaves an answer that has ended.
    await say(other, 'Again slowly');
    await other.untilKept("chats.some(({ turns }) => Object.values(turns).some(({ state }) => state === 'writing'))");
    await other.page.close();
    const left = pageTools(await rig.page.context().newPage());
    await left.page.goto(`${rig.origin}/${await rig.read<string>('location.hash')}`);
    await left.until(`${isIdle} && document.querySelector('.elsewhere') === null`);
    // A chat that is deleted is so in all tabs.
    await left.press('Alt+KeyK');
    await left.until("document.activeElement.id === 'search'");
    await left.tabTo('.more[aria-label="More of Shared"]');
    await left.press('Enter');
    await left.until("document.activeElement.role === 'menuitem'");
    for (const key of ['ArrowUp', 'Enter']) await left.press(key);
    await rig.until("document.querySelector('.notices').innerText.includes('deleted in another tab')");
    await left.page.close();
  });
}
