/** Commands of a chat on a terminal, as a person sees them. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPseudoTerminal, onTerminal } from '../../../test/pseudo-terminal.ts';
import type { PseudoTerminal, PseudoTerminalOptions } from '../../../test/pseudo-terminal.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
const PROMPT = /\u001b\[2m> \u001b\[22m\u001b\[K\u001b\[J/;
const ASKED = 'What is 17 + 25?';

describe.skipIf(!existsSync(main) || !hasPseudoTerminal)('a chat on a terminal', () => {
  let home = '';
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'ingot-chat-'));
    // An editor that makes another number of 17.
    writeFileSync(join(home, 'editor.sh'), '#!/bin/sh\nsed -i "s/17/20/" "$1"\n');
    chmodSync(join(home, 'editor.sh'), 0o755);
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    writeFileSync(join(home, 'tools.json'), JSON.stringify([{ type: 'function', function: { name: 'get_weather', parameters } }]));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  async function begin(args: readonly string[] = [], options: PseudoTerminalOptions = {}) {
    const env = {
      INGOT_MODEL: '', INGOT_HOME: home, HF_HOME: home, EDITOR: join(home, 'editor.sh'), VISUAL: '', DISPLAY: '', WAYLAND_DISPLAY: '',
      SSH_TTY: '', ...options.env,
    };
    const plain = args.includes('--resume') ? [] : ['-t', '0', '--no-think', '-n', '40', '--device', 'cpu'];
    const terminal = onTerminal([process.execPath, main, 'chat', ...plain, ...args], { ...options, env });
    await terminal.until(PROMPT);
    return terminal;
  }

  async function leave(terminal: PseudoTerminal): Promise<readonly string[]> {
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
    return terminal.screen();
  }

  const line = async (terminal: PseudoTerminal, text: string) => {
    terminal.write(`${text}\r`);
    await terminal.until(PROMPT);
  };

  /** What came between the line that was typed and the next prompt. */
  const behind = (shown: readonly string[], typed: string) => {
    const from = shown.lastIndexOf(`> ${typed}`) + 1;
    const length = shown.slice(from).findIndex((each) => each.startsWith('>') || each.startsWith('goodbye'));
    return shown.slice(from, from + length).join(' ').replaceAll(/ +/g, ' ').trim();
  };

  it('obeys every command', async () => {
    const terminal = await begin([], { rows: 50 });
    const typed = [
      '/undo', ASKED, '/copy', '/retry', '/set temprature 0.3', '/set top_k 5', '/set temperature warm', '/set', '/context',
      '/context 1024', '/context 9999',
      '/model', '/model /nope.gguf', `/model ${join(home, 'tools.json')}`, `/tools ${join(home, 'tools.json')}`, '/tools off',
      '/think 20', '/think often', '/think off', '/system Be kind.', '/system', `/save ${join(home, 'c.chat')}`, '/stats', '/reset',
      `/load ${join(home, 'c.chat')}`, '/lod x', '/system off', '/edit',
    ];
    for (const text of typed) await line(terminal, text);
    const shown = await leave(terminal);
    const said = (text: string) => behind(shown, text);
    expect(said('/undo')).toBe('There is no message yet.');
    expect(said(ASKED)).toMatch(/^17 \+ 25 = 42 cpu \|.*tok\/s$/);
    expect(terminal.raw()).toContain(`\u001b]52;c;${Buffer.from('17 + 25 = 42').toString('base64')}\u0007`);
    expect(said('/retry')).toMatch(/^at temperature 0 the answer will be the same.*17 \+ 25 = 42 cpu/);
    expect(said('/set temprature 0.3')).toMatch(/^there is no setting temprature\. Did you mean temperature\?/);
    expect(said('/set top_k 5')).toBe('top-k is 5');
    expect(said('/set temperature warm')).toBe('temperature stays 0: Expected a number.');
    expect(said('/set')).toMatch(/max-tokens 40 temperature 0 top-k 5 top-p the model's own/);
    expect(said('/context')).toMatch(/^\d\d of 2,048 tokens are used \(2%\); the model was made for 2,048$/);
    expect(said('/context 1024')).toMatch(/context 1,024 tokens; the conversation goes on$/);
    expect(said('/context 9999')).toMatch(/^\/context takes a number of tokens from 1 to 2048, found "9999"$/);
    expect(said('/model')).toMatch(/ember-21m-q4_0\.gguf; \/model ID loads another one$/);
    expect(said('/model /nope.gguf')).toMatch(/there is no such file/);
    // What is no model leaves the one there was.
    expect(said(`/model ${join(home, 'tools.json')}`)).toMatch(/tools\.json/);
    expect(said(`/tools ${join(home, 'tools.json')}`)).toMatch(/^the model may call get_weather/);
    expect(said('/tools off')).toMatch(/^the model may call no functions/);
    expect([said('/think 20'), said('/think off')]).toEqual(['thinking on, at most 20 tokens', 'thinking off']);
    expect(said('/think often')).toBe('/think takes on, off or a number of tokens, found "often"');
    expect(said('/system')).toBe('the system message is: Be kind.');
    expect(said('/stats')).toMatch(/answers 2, \d+ tokens, decoded at .*context \d+ of 1,024 tokens/);
    expect(said('/reset')).toBe('a new conversation');
    expect(said(`/load ${join(home, 'c.chat')}`)).toMatch(/, 3 messages$/);
    expect(said('/lod x')).toMatch(/there is no command \/lod.*Did you mean "\/load"\?/);
    expect(said('/system off')).toBe('no system message from here on');
    // The loaded conversation, and its settings, go on: edited, in place of what was asked.
    expect(shown.slice(shown.lastIndexOf('> /edit')).join(' ')).toMatch(/> What is 20 \+ 25\? 20 \+ 25 = 45/);
    const saved = readFileSync(join(home, 'c.chat'), 'utf8');
    expect(saved).toMatch(/"topK":5.*"Be kind\."/s);
  });

  it('says how to go on, and goes on: with its messages, model and settings, and lines for Up', async () => {
    const said = await leave(await (async () => {
      const terminal = await begin(['--context', '512']);
      await line(terminal, 'My cat is called Tom.');
      await line(terminal, '/set top-k 3');
      return terminal;
    })());
    const command = said.at(-1)!.trim();
    expect(said.at(-2)).toBe('goodbye; to go on:');
    expect(command).toMatch(/^ingot chat --resume \d{8}-\d{4}-[0-9a-f]{4}$/);
    const kept = readdirSync(join(home, 'chats'));
    expect(kept.map((name) => statSync(join(home, 'chats', name)).mode & 0o77)).toEqual(kept.map(() => 0));
    const terminal = await begin(['--resume', command.split(' ').at(-1)!]);
    await line(terminal, '/context');
    await line(terminal, '/set top-k');
    terminal.write('\u001b[A');
    await terminal.until(/set top-k/);
    terminal.write('\u001b[A');
    await terminal.until(/context/);
    terminal.write('\u001b[A\u001b[A');
    await terminal.until(/set top-k 3/);
    await terminal.until(/cat is called Tom/);
    terminal.write('\u0003');
    const shown = await leave(terminal);
    expect(shown.join('\n')).toMatch(/a conversation of 2 messages, which ends:\n> My cat is called Tom\.\n/);
    expect(behind(shown, '/context')).toMatch(/of 512 tokens/);
    expect(behind(shown, '/set top-k')).toBe('top-k is 3');
    expect(shown.at(-1)!.trim()).not.toContain('resume');
  });

  it.each([
    ['--no-history', ['--no-history'], {}],
    ['INGOT_NO_HISTORY', [], { INGOT_NO_HISTORY: '1' }],
  ] as const)('%s keeps nothing', async (_, args, env) => {
    const place = join(home, `none-${args.length}`);
    const terminal = await begin(args, { env: { ...env, INGOT_HOME: place } });
    await line(terminal, ASKED);
    expect((await leave(terminal)).at(-1)).toBe('goodbye');
    expect(existsSync(place)).toBe(false);
  });

  it('Tab completes, and lists what may follow; Ctrl-G edits what is typed; 40 columns hold it all', async () => {
    const terminal = await begin([], { columns: 40 });
    for (const [keys, seen] of [
      ['/s\t', /system +set +stats +save/], ['\u0003', /again/], ['/ret\t', /\/retry/], ['\u0003', /again/], ['/set te\t', /temperature /],
      ['\u0003', /again/], ['/model qwen3-e\t', /embedding:0\.6b/], ['\u0003', /again/], ['/model qwen3:4\t', /qwen3:4b/],
      ['\u0003', /again/], ['hm 17', /17/], ['\u0007', /hm 20/], ['\u0003', /again/],
    ] as const) {
      terminal.write(keys);
      await terminal.until(seen);
    }
    await line(terminal, '/help');
    await line(terminal, '/stats');
    const shown = await leave(terminal);
    expect(shown.every((each) => each.length <= 40)).toBe(true);
    expect(shown.join('\n')).toMatch(/\/set \[NAME \[VALUE\]\]\n {2}show or change settings: temperature,\n {2}top-k/);
    // Words are not broken at the edge.
    expect(shown.join('\n')).toMatch(/device\n {2}cpu \(2 threads|device\n {2}cpu \(\d+ thread/);
  });

  it('what is kept is refused by name where it is not there, and resuming one answer too', async () => {
    const env = { INGOT_MODEL: '', INGOT_HOME: join(home, 'empty') };
    const none = onTerminal([process.execPath, main, 'chat', '--resume'], { env });
    expect(await none.ended).toBe(2);
    expect(none.raw()).toMatch(/no conversation is kept in .*: there is nothing to resume/);
    const once = onTerminal([process.execPath, main, 'run', '--resume', 'x', 'Hello.'], { env });
    expect(await once.ended).toBe(2);
  });
});
