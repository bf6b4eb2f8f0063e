/** Files that go into messages, voice, and chats as files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { answers, isIdle } from './app-rig.ts';
import type { AppRig, PageTools } from './app-rig.ts';
import { textOf } from './app-script.ts';
import type { ScriptedModel } from './scripted-model.ts';

/** A picture of one pixel. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64');

/** Speaks into the microphone until something of it has been recorded. */
export async function speak({ read, press, until }: PageTools): Promise<void> {
  await read(`(() => {
    const { start } = MediaRecorder.prototype;
    MediaRecorder.prototype.start = function () {
      window.recorded = 0;
      this.addEventListener('dataavailable', ({ data }) => (window.recorded += data.size));
      start.call(this, 100);
      MediaRecorder.prototype.start = start;
    };
  })()`);
  await press('Alt+KeyV');
  await until("document.querySelector('#microphone[aria-pressed=true]') !== null && window.recorded > 4000");
  await press('Alt+KeyV');
}

function attachmentTests(rig: AppRig, script: () => ScriptedModel): void {
  it('goes with a text, which stands in the message, and with pictures', async () => {
    await rig.press('Alt+KeyN');
    const [chooser] = await Promise.all([rig.page.waitForEvent('filechooser'), rig.press('Alt+KeyA')]);
    await chooser.setFiles([
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Ada lays ``` eggs') },
      { name: 'dot.png', mimeType: 'image/png', buffer: PNG },
      { name: 'bad.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 1, 2]) },
    ]);
    await rig.until("document.querySelectorAll('.composer .attachments li').length === 2");
    await rig.until("document.querySelector('.notices').innerText.includes('bad.bin is not attached')");
    await rig.picture('attached');
    await rig.tabTo('[aria-label="Remove dot.png"]');
    await rig.press('Enter');
    await rig.ask('Read this');
    expect(textOf(script().asked.at(-1)!.messages[0]!)).toBe('notes.txt:\n````\nAda lays ``` eggs\n````\n\nRead this');
    expect(await rig.read("document.querySelector('.turn.user .file').innerText")).toContain('notes.txt');
  });

  it('takes a long text that is pasted as a file', async () => {
    await rig.press('Alt+KeyN');
    await rig.read(`(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', 'A long line. '.repeat(2000));
      document.getElementById('message').dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    })()`);
    await rig.until("document.querySelector('.composer .file')?.innerText.startsWith('pasted.txt 26.0 kB')");
    await rig.tabBackTo('[aria-label="Remove pasted.txt"]');
    await rig.press('Enter');
  });

  it('sends a picture as one', async () => {
    await rig.press('Alt+KeyN');
    const [chooser] = await Promise.all([rig.page.waitForEvent('filechooser'), rig.press('Alt+KeyA')]);
    await chooser.setFiles([{ name: 'dot.png', mimeType: 'image/png', buffer: PNG }]);
    await rig.until("document.querySelectorAll('.composer .attachments li').length === 1");
    await rig.page.locator('#message').focus();
    await rig.type('What is it?');
    const sent = rig.page.waitForRequest('**/v1/chat/completions');
    await rig.press('Enter');
    const { messages } = JSON.parse((await sent).postData());
    expect(messages[0].content[0].image_url.url).toMatch(/^data:image\/png;base64,iVBOR/);
    expect(messages[0].content[1]).toEqual({ type: 'text', text: 'What is it?' });
    await rig.until(isIdle);
  });

  it('hears what is spoken, and reads an answer aloud', async () => {
    await rig.press('Alt+KeyN');
    await speak(rig);
    await rig.until("document.getElementById('message').value.startsWith('at ')");
    await rig.press('Enter');
    await rig.until(`${answers}.length === 1 && ${isIdle}`);
    const asked: any[] = [];
    await rig.page.route('**/v1/audio/speech', (route: any) => asked.push(route));
    try {
      await rig.press('Alt+KeyL');
      await rig.until('document.querySelector(\'[aria-label="Stop reading"]\') !== null');
      await expect.poll(() => asked.length).toBe(1);
      expect(JSON.parse(asked[0].request().postData()).input).toMatch(/^Answer/);
      await asked[0].continue();
      await rig.until('document.querySelector(\'[aria-label="Read aloud"]\') !== null');
    } finally {
      await rig.page.unroute('**/v1/audio/speech');
    }
  });

  it('stops hearing at a word', async () => {
    await rig.press('Alt+KeyN');
    // A sound that takes for ever.
    await rig.read(`(() => {
      const own = BaseAudioContext.prototype.decodeAudioData;
      BaseAudioContext.prototype.decodeAudioData = () => new Promise(() => {});
      window.restore = () => void (BaseAudioContext.prototype.decodeAudioData = own);
    })()`);
    await speak(rig);
    await rig.until("document.querySelector('#microphone').ariaLabel === 'Being heard: stop it'");
    await rig.press('Alt+KeyV');
    await rig.until("document.querySelector('#microphone').ariaLabel === 'Speak'");
    expect(await rig.read("document.getElementById('message').value")).toBe('');
    await rig.read('window.restore()');
  });
}

function chatFileTests(rig: AppRig): void {
  const links = "[...document.querySelectorAll('.chat-link .title')].map((one) => one.innerText)";

  it('exports all chats, which come back after they were deleted', async () => {
    const before = await rig.read<string[]>(links);
    expect(before.length).toBeGreaterThan(4);
    const [download] = await Promise.all([rig.page.waitForEvent('download'), rig.press('Alt+KeyX')]);
    const path = join(tmpdir(), `ingot-chats-${process.pid}.json`);
    writeFileSync(path, readFileSync(await download.path()));
    await rig.press('Alt+KeyS');
    await rig.tabTo('.settings button', 'Delete all');
    await rig.press('Enter');
    await rig.tabTo('.settings .danger');
    await rig.press('Enter');
    await rig.press('Escape');
    await rig.until(`${links}.length === 0`);
    const [chooser] = await Promise.all([rig.page.waitForEvent('filechooser'), rig.press('Alt+KeyI')]);
    await chooser.setFiles(path);
    await rig.until(`${links}.length === ${before.length}`);
    await rig.untilKept(`chats.length === ${before.length}`);
    await rig.fresh();
    await rig.until(`${links}.length === ${before.length}`);
    expect(await rig.read(links)).toEqual(before);
    // A picture came back as it was.
    await rig.tabTo('.chat-link', 'What is it?');
    await rig.press('Enter');
    await rig.until("document.querySelector('.turn.user img')?.naturalWidth === 1");
  });

  it('refuses a file that holds no chats', async () => {
    const [chooser] = await Promise.all([rig.page.waitForEvent('filechooser'), rig.press('Alt+KeyI')]);
    const buffer = Buffer.from('{"format": "ingot-chats", "conversations": [{"id": 1}]}');
    await chooser.setFiles([{ name: 'a.json', mimeType: 'application/json', buffer }]);
    await rig.until("document.querySelector('.notices').innerText.includes('holds no chats')");
  });
}

export function fileTests(rig: AppRig, script: () => ScriptedModel): void {
  attachmentTests(rig, script);
  chatFileTests(rig);
}
