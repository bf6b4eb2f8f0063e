/** Parts of a chat that need no terminal. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeModels } from '../../../test/fake-model.ts';
import { collect } from '../../engine/collect.ts';
import { InputError } from '../../tensor/errors.ts';
import { createTerminal } from '../terminal.ts';
import { chatHelp, COMMAND_NAMES, parseChatLine } from './chat-commands.ts';
import { changeSetting, SETTING_NAMES } from './chat-settings.ts';
import { findChat, keepsNothing, openChatStore } from './chat-store.ts';
import { clipboardPrograms, copyText } from './clipboard.ts';
import { completeLine } from './complete.ts';
import { messageFor, NO_FIGURES, openCalls, replaceModel, withSystem } from './conversation.ts';
import type { Conversation } from './conversation.ts';
import { editInEditor, editorCommand } from './text-editor.ts';

const { load } = fakeModels();
let home = '';
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'ingot-chat-parts-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('lines', () => {
  test('are messages, commands, or refused by name', () => {
    expect(parseChatLine(' /not a command')).toEqual({ kind: 'message', text: '/not a command' });
    expect(parseChatLine('/save  my file ')).toEqual({ kind: 'command', name: 'save', argument: 'my file' });
    expect(parseChatLine('/quit')).toEqual({ kind: 'command', name: 'exit', argument: '' });
    expect(parseChatLine('/retry now')).toEqual({ kind: 'wrong', reason: '/retry takes nothing, found "now"' });
    expect(parseChatLine('/save')).toEqual({ kind: 'wrong', reason: '/save takes the name of a file' });
  });

  test.each([40, 80, 200])('the help names all of them within %i columns', (columns) => {
    const lines = chatHelp(columns).split('\n');
    expect(lines.filter((line) => line.length >= columns)).toEqual([]);
    for (const name of COMMAND_NAMES) expect(lines.some((line) => line.startsWith(`/${name}`))).toBe(true);
  });
});

describe('/set', () => {
  test('takes the names and the rules of the command line', () => {
    const some = ['temperature', 'top-k', 'min-p', 'seed', 'max-tokens', 'stop', 'ban', 'logit-bias'];
    expect(SETTING_NAMES).toEqual(expect.arrayContaining(some));
    for (const written of ['top-k 5', 'topK=5', 'TOP_K 5'])
      expect(changeSetting(written, {})).toEqual({ say: 'top-k is 5', options: { topK: 5 } });
    expect(changeSetting('stop "The end"', {})).toMatchObject({ options: { stop: ['The end'] } });
    expect(changeSetting('temperature default', { temperature: 1 })).toMatchObject({ options: { temperature: undefined } });
    expect(changeSetting('temperature -1', { temperature: 1 })).toEqual({ say: expect.stringContaining('temperature stays 1:') });
    expect(changeSetting('temp 1', {})).toEqual({ say: expect.stringContaining('Did you mean temperature?') });
    expect(changeSetting('system x', {})).toEqual({ say: expect.stringContaining('no setting system') });
  });
});

describe('what is kept', () => {
  test('lines come back, the last of them; half a line and foreign ones are skipped', async () => {
    const problems: string[] = [];
    const environment = { INGOT_HOME: home };
    const store = openChatStore(environment, (problem) => problems.push(problem));
    for (const text of ['one', 'two\nlines', 'two\nlines', 'three']) store.addLine(text);
    writeFileSync(join(home, 'chat-history.jsonl'), '{"a":1}\n"half', { flag: 'a' });
    expect(openChatStore(environment, () => {}).lines).toEqual(['one', 'two\nlines', 'three']);
    expect(problems).toEqual([]);
  });

  test('a disk that takes nothing is told once, and the chat goes on', async () => {
    writeFileSync(join(home, 'file'), '');
    const problems: string[] = [];
    const store = openChatStore({ INGOT_HOME: join(home, 'file', 'x') }, (problem) => problems.push(problem));
    for (const text of ['one', 'two']) store.addLine(text);
    expect(problems).toHaveLength(1);
  });

  test('conversations by id, the last without one; others are told', async () => {
    const environment = { INGOT_HOME: home };
    const { model } = await load();
    const chat = model.createChat({ temperature: 0 });
    const store = openChatStore(environment, () => {});
    await store.keep('20260101-0000-aaaa', chat, { model: 'a.gguf', context: 512 });
    await store.keep('20260102-0000-bbbb', chat, {});
    expect(findChat('20260101-0000-aaaa', environment).how).toEqual({ model: 'a.gguf', context: 512 });
    await store.keep('20260101-0000-aaaa', chat, {});
    expect(['20260101-0000-aaaa', '20260102-0000-bbbb']).toContain(findChat(true, environment).id);
    expect(() => findChat('20260101-0000-aaab', environment)).toThrow(/The nearest is 20260101-0000-aaaa/);
    expect(() => findChat(true, { INGOT_HOME: join(home, 'none') })).toThrow(/nothing to resume/);
  });

  test('the environment turns it off', () => {
    expect(['1', '0', undefined].map((INGOT_NO_HISTORY) => keepsNothing({ INGOT_NO_HISTORY }))).toEqual([true, false, false]);
  });
});

describe('Tab', () => {
  test('completes commands, files, settings and models, as far as all agree', async () => {
    mkdirSync(join(home, 'folder'));
    for (const name of ['file-a.json', 'file-b.json', '.hidden']) writeFileSync(join(home, name), '');
    expect(await completeLine('/und')).toEqual({ text: '/undo', candidates: [] });
    expect(await completeLine('/sy')).toEqual({ text: '/system ', candidates: [] });
    expect(await completeLine(`/load ${home}/fi`)).toEqual({ text: `/load ${home}/file-`, candidates: ['file-a.json', 'file-b.json'] });
    expect(await completeLine(`/load ${home}/fol`)).toEqual({ text: `/load ${home}/folder/`, candidates: [] });
    expect(await completeLine('/set temp')).toEqual({ text: '/set temperature ', candidates: [] });
    expect(await completeLine('/think o')).toEqual({ text: '/think o', candidates: ['on', 'off'] });
    expect(await completeLine('/model qwen3:0')).toEqual({ text: '/model qwen3:0.6b', candidates: [] });
    for (const nothing of ['words', '/undo x', '/zzz', '/system a']) expect(await completeLine(nothing)).toBeUndefined();
  });
});

describe('the clipboard', () => {
  test('is the system\'s where there is one, and never another machine\'s', () => {
    expect(clipboardPrograms('darwin', {})).toEqual([['pbcopy']]);
    expect(clipboardPrograms('linux', { DISPLAY: ':0' })[0]![0]).toBe('xclip');
    expect(clipboardPrograms('linux', { DISPLAY: ':0', SSH_TTY: '/dev/pts/1' })).toEqual([]);
    expect(clipboardPrograms('linux', {})).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('takes the text, by a program or by the terminal', () => {
    const written: string[] = [];
    const screen = createTerminal({ isTTY: true, write: (text) => written.push(text) }, { TERM: 'xterm' });
    writeFileSync(join(home, 'wl-copy'), `#!/bin/sh\ncat > ${home}/copied\n`);
    chmodSync(join(home, 'wl-copy'), 0o755);
    const { PATH } = process.env;
    process.env['PATH'] = `${home}:${PATH}`;
    try {
      expect(copyText('caf\u00e9', screen, { WAYLAND_DISPLAY: '0' })).toBe('copied by wl-copy');
      expect(readFileSync(join(home, 'copied'), 'utf8')).toBe('caf\u00e9');
    } finally {
      process.env['PATH'] = PATH;
    }
    expect(copyText('caf\u00e9', screen, {})).toContain('OSC 52');
    expect(written).toEqual([`\u001b]52;c;${Buffer.from('caf\u00e9').toString('base64')}\u0007`]);
    expect(copyText('x'.repeat(80_000), screen, {})).toMatch(/80000 bytes.*74994 at most/);
  });
});

describe.skipIf(process.platform === 'win32')('the editor', () => {
  test('is the user\'s; its file is gone afterwards; one that fails is told', () => {
    expect(editorCommand({ EDITOR: 'ed', VISUAL: 'code --wait' })).toBe('code --wait');
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('ingot-message-'));
    expect(editInEditor('one\ntwo', { EDITOR: 'sed -i s/two/three/' })).toBe('one\nthree');
    expect(() => editInEditor('', { EDITOR: 'false' })).toThrow(InputError);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('ingot-message-'))).toEqual(before);
  });
});

describe('a conversation', () => {
  const state = (chat: Conversation['chat'], more: Partial<Conversation> = {}) =>
    ({ chat, results: [], droppedTurns: 0, figures: { ...NO_FIGURES }, path: 'old', device: {}, ...more }) as Conversation;

  test('asks for the result of each call, and sends them together', async () => {
    const { model } = await load();
    const chat = model.createChat();
    const calls = ['a', 'b'].map((id) => ({ id, type: 'function', function: { name: `f_${id}`, arguments: '{}' } }));
    chat.history = [{ role: 'user', content: 'x' }, { role: 'assistant', content: '', tool_calls: calls }];
    const held = state(chat);
    expect(openCalls(held).map(({ name }) => name)).toEqual(['f_a', 'f_b']);
    expect(messageFor(held, 'one')).toBeUndefined();
    expect(openCalls(held).map(({ name }) => name)).toEqual(['f_b']);
    expect(messageFor(held, 'two')).toEqual([
      { role: 'tool', tool_call_id: 'a', name: 'f_a', content: 'one' },
      { role: 'tool', tool_call_id: 'b', name: 'f_b', content: 'two' },
    ]);
  });

  test('goes on with another model; one that fails leaves the old one, loaded again', async () => {
    const opened: (string | undefined)[] = [];
    const openModel = async (path: string | undefined) => {
      opened.push(path);
      if (path === 'broken') throw new InputError('It is broken.');
      return (await load()).model;
    };
    const { model } = await load();
    const chat = model.createChat({ temperature: 0 });
    await collect(chat.send('hello', { maxTokens: 2 }));
    const { history } = chat;
    const held = state(chat, { model });
    const signal = new AbortController().signal;
    await expect(replaceModel(held, { path: 'broken', device: {} }, { openModel, signal })).rejects.toThrow('It is broken.');
    expect([held.path, held.chat.history]).toEqual(['old', history]);
    await replaceModel(held, { path: 'new', device: { context: 100 } }, { openModel, signal });
    expect([held.path, held.device, held.chat.history, held.chat.options.temperature]).toEqual(['new', { context: 100 }, history, 0]);
    expect((await collect(held.chat.send('more', { maxTokens: 2 }))).usage.completionTokens).toBe(2);
    expect(opened).toEqual(['broken', 'old', 'new']);
  });

  test('has one system message, in the place of the one before', () => {
    const asked = { role: 'user', content: 'x' };
    expect(withSystem([{ role: 'system', content: 'a' }, asked], 'b')).toEqual([{ role: 'system', content: 'b' }, asked]);
    expect(withSystem([{ role: 'system', content: 'a' }], '')).toEqual([]);
    expect(withSystem([asked], 'b')).toEqual([{ role: 'system', content: 'b' }, asked]);
  });
});
