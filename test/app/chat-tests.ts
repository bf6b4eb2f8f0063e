/** What can be done with a chat, by keys. */
import { expect, it } from 'vitest';
import { answers, isIdle, seriousFaults } from './app-rig.ts';
import type { AppRig } from './app-rig.ts';
import { textOf, TOOLS } from './app-script.ts';
import type { ScriptedModel } from './scripted-model.ts';

const lastAnswer = `${answers}.at(-1)`;
const versions = "[...document.querySelectorAll('.versions > span')].map((one) => one.innerText)";

function markdownTests(rig: AppRig): void {
  const count = (selector: string) => rig.read<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`);

  it('begins empty, with the place to write in focus', async () => {
    expect(await rig.read('document.activeElement.id')).toBe('message');
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('empty');
  });

  it('shows Markdown, code that is copied, formulas and tables, and runs nothing that an answer says', async () => {
    // A page that stood still takes a whole answer at once, in no time: of that no speed is told.
    await rig.read("(() => { let calls = 0; const now = performance.now.bind(performance); performance.now = () => now() + calls++; })()");
    await rig.ask('Give me a tour');
    await rig.until("document.querySelectorAll('.formula.drawn math').length === 2 && document.querySelector('.hljs-keyword')");
    expect(await count('.turn.assistant table')).toBe(1);
    expect(await rig.read("getComputedStyle(document.querySelector('.turn.assistant td:last-child')).textAlign")).toMatch(/right/);
    expect(await rig.read("document.querySelector('.turn.assistant ol').start")).toBe(3);
    expect(await count('.turn.assistant img, .turn.assistant script, .turn.assistant b')).toBe(0);
    expect(await count('.turn.assistant a[href^=javascript]')).toBe(0);
    expect(await rig.read('window.hit')).toBe(undefined);
    expect(await rig.read("document.querySelector('.turn.assistant').innerText")).toContain('<b onclick="window.hit=1">markup</b>');
    await rig.tabBackTo('.copy-code');
    await rig.press('Enter');
    await rig.until("document.querySelector('.copy-code').textContent === 'Copied'");
    expect(await rig.read('navigator.clipboard.readText()')).toBe('const answer = 42; // of course');
    const figures = await rig.read<string>("document.querySelector('.figures').innerText");
    expect(figures).toMatch(/scripted\s*first token (?:\d+ ms|[\d.]+ s)\s*[\d.]+ tokens\/s\s*\d+ tokens\s*prompt 10/);
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('tour');
  });

  it('folds what was thought', async () => {
    await rig.ask('Please think');
    expect(await rig.read(lastAnswer)).toBe('Forty-two.');
    expect(await rig.read("document.querySelector('.thought').open")).toBe(false);
    await rig.tabBackTo('.thought summary');
    await rig.press('Enter');
    await rig.until("document.querySelector('.thought-text')?.innerText === 'What is six times seven? It is forty-two.'");
    await rig.picture('thought');
  });
}

function versionTests(rig: AppRig, script: () => ScriptedModel): void {
  it('stops at Escape, and goes on where it was', async () => {
    await rig.press('Alt+KeyN');
    await rig.type('Count slowly');
    await rig.press('Enter');
    await rig.until(`${lastAnswer}?.length > 40`);
    await rig.picture('writing');
    await rig.press('Escape');
    await rig.until(`${isIdle} && document.querySelector('.turn.assistant .note')?.innerText === 'Stopped.'`);
    await rig.tabBackTo('.turn.assistant [aria-label="Go on"]');
    await rig.press('Enter');
    await rig.until(`${isIdle} && ${lastAnswer}.endsWith('and so on.')`);
    expect(
      script()
        .asked.at(-1)!
        .messages.map(({ role }) => role),
    ).toEqual(['user', 'assistant']);
  });

  it('answers again and puts a question differently: versions that are gone through', async () => {
    await rig.press('Alt+KeyN');
    await rig.ask('One');
    const first = await rig.read(lastAnswer);
    await rig.press('Alt+KeyR');
    await rig.until(`${versions}[0] === '2 / 2' && ${isIdle} && ${lastAnswer} !== ''`);
    expect(await rig.read(lastAnswer)).not.toBe(first);
    await rig.press('Alt+Comma');
    await rig.until(`${versions}[0] === '1 / 2'`);
    expect(await rig.read(lastAnswer)).toBe(first);
    await rig.press('Alt+KeyE');
    await rig.until("document.activeElement.ariaLabel === 'Edit the message'");
    await rig.press('Control+KeyA');
    await rig.type('Two');
    await rig.press('Control+Enter');
    await rig.until(`document.querySelector('.bubble')?.innerText === 'Two' && ${isIdle} && ${lastAnswer} !== ''`);
    expect(script().asked.at(-1)!.messages.map(textOf)).toEqual(['Two']);
    await rig.tabBackTo('.turn.user [aria-label="Version before"]');
    await rig.press('Enter');
    await rig.until("document.querySelector('.bubble').innerText === 'One'");
    expect(await rig.read(lastAnswer)).toBe(first);
    await rig.picture('versions');
  });

  it('goes on in a copy, is deleted from a turn on, and an answer is written anew', async () => {
    const before = await rig.read<number>("document.querySelectorAll('.chat-link').length");
    await rig.tabBackTo('.turn.assistant [aria-label="Go on in a copy of the chat"]');
    await rig.press('Enter');
    await rig.until(`document.querySelectorAll('.chat-link').length === ${before + 1}`);
    expect(await rig.read(versions)).toEqual([]);
    await rig.tabBackTo('.turn.assistant [aria-label="Edit"]');
    await rig.press('Enter');
    await rig.until("document.activeElement.ariaLabel === 'Edit the message'");
    await rig.type(' Mine.');
    await rig.press('Control+Enter');
    await rig.until(`${lastAnswer}.endsWith('Mine.')`);
    await rig.press('Alt+KeyC');
    await rig.until("document.querySelector('.notices').innerText.includes('Copied')");
    expect(await rig.read('navigator.clipboard.readText()')).toBe(await rig.read(lastAnswer));
    await rig.tabBackTo('.turn.assistant [aria-label="Delete from here on"]');
    await rig.press('Enter');
    await rig.until(`!${lastAnswer}.endsWith('Mine.')`);
    await rig.press('Alt+KeyZ');
    await rig.until(`${lastAnswer}.endsWith('Mine.')`);
  });
}

function toolTests(rig: AppRig, script: () => ScriptedModel): void {
  it('shows calls, and takes what they gave', async () => {
    await rig.press('Alt+KeyN');
    await rig.press('Alt+KeyS');
    await rig.tabTo('textarea.code');
    await rig.type(TOOLS);
    await rig.press('Escape');
    await rig.until("document.querySelector('dialog') === null");
    await rig.ask('How is the weather?');
    expect(script().asked.at(-1)!['tools']).toHaveLength(1);
    expect(await rig.read("document.querySelector('.call summary').innerText")).toBe('Called weather');
    await rig.tabTo('.calls textarea');
    await rig.type('sunny');
    expect(await seriousFaults(rig)).toEqual([]);
    await rig.picture('call');
    await rig.tabTo('.calls [type=submit]');
    await rig.press('Enter');
    await rig.until(`${lastAnswer} === 'It is sunny.'`);
    const { messages } = script().asked.at(-1)!;
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    await rig.press('Alt+KeyS');
    await rig.tabTo('textarea.code');
    await rig.press('Control+KeyA');
    await rig.press('Delete');
    await rig.press('Escape');
  });
}

export function chatTests(rig: AppRig, script: () => ScriptedModel): void {
  markdownTests(rig);
  versionTests(rig, script);
  toolTests(rig, script);
}
