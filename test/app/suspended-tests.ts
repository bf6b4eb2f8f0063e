/** A page that is frozen, as a suspended machine freezes all, or goes and comes back. */
import { expect, it } from 'vitest';
import { answers, isIdle } from './app-rig.ts';
import type { AppRig } from './app-rig.ts';

const lengthOfLast = `(${answers}.at(-1)?.length ?? 0)`;
const note = "document.querySelector('.turn.assistant .note')?.innerText";

export function suspendedTests(rig: AppRig): void {
  const countSlowly = async () => {
    await rig.fresh();
    await rig.type('Count slowly');
    await rig.press('Enter');
    await rig.until(`${lengthOfLast} > 40`);
  };

  it('goes on with an answer after its tab was frozen', async () => {
    await countSlowly();
    const session = await rig.page.context().newCDPSession(rig.page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    const before = await rig.read<number>(lengthOfLast);
    await rig.until(`${lengthOfLast} > ${before + 40}`);
    await rig.press('Escape');
    await rig.until(`${isIdle} && ${note} === 'Stopped.'`);
  });

  it('has the chat, what was written of an answer, and a message that was not sent, when the page comes back', async () => {
    await countSlowly();
    await rig.type('Half a thought');
    const isBegun = "({ state, text }) => state === 'writing' && text.length > 40";
    await rig.untilKept(`chats.some(({ turns }) => Object.values(turns).some(${isBegun}))`);
    await rig.page.goto('about:blank');
    await rig.page.goBack();
    await rig.until(`${isIdle} && ${note} === 'Stopped.' && ${lengthOfLast} > 40`);
    expect(await rig.read("document.getElementById('message').value")).toBe('Half a thought');
    await rig.tabBackTo('.turn.assistant [aria-label="Go on"]');
    await rig.fresh();
    expect(await rig.read("document.getElementById('message').value")).toBe('');
  });
}
