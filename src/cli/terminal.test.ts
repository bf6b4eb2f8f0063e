import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPseudoTerminal, onTerminal } from '../../test/pseudo-terminal.ts';
import type { PseudoTerminal, PseudoTerminalOptions } from '../../test/pseudo-terminal.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const PROMPT = /\u001b\[2m> \u001b\[22m\u001b\[K\u001b\[J/;
const STORY = 'Tell me a story about a fox called Ash.';
const CTRL_C = '\u0003';

function ingot(args: readonly string[], options: PseudoTerminalOptions = {}): PseudoTerminal {
  return onTerminal([process.execPath, main, ...args], { ...options, env: { INGOT_MODEL: '', INGOT_NO_HISTORY: '1', ...options.env } });
}

async function chatAtPrompt(args: readonly string[] = [], options: PseudoTerminalOptions = {}): Promise<PseudoTerminal> {
  const terminal = ingot(['chat', '-t', '0', ...args], options);
  await terminal.until(PROMPT);
  return terminal;
}

/** Nothing that a shell would have to put right. */
function expectRestored(terminal: PseudoTerminal): void {
  const raw = terminal.raw();
  expect(raw).not.toContain('LEFT-RAW');
  expect(raw.lastIndexOf('\u001b[?2004l')).toBeGreaterThan(raw.lastIndexOf('\u001b[?2004h'));
  expect(raw.lastIndexOf('\u001b[22m')).toBeGreaterThanOrEqual(raw.lastIndexOf('\u001b[2m'));
  expect(raw).not.toContain('\u001b[?25l');
}

describe.skipIf(!existsSync(main) || !hasPseudoTerminal)('ingot on a terminal', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-terminal-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('Ctrl-C clears the text, says that another one leaves, and leaves', async () => {
    const terminal = await chatAtPrompt();
    terminal.write('half a thought');
    await terminal.until(/thought/);
    terminal.write(CTRL_C);
    await terminal.until(/Ctrl-C again to leave/);
    const shown = await terminal.screen();
    expect(shown.slice(-2)).toEqual(['>', 'Ctrl-C again to leave']);
    terminal.write(CTRL_C);
    expect(await terminal.ended).toBe(130);
    expect((await terminal.screen()).at(-1)).toBe('goodbye');
    expectRestored(terminal);
  });

  it('a key between two Ctrl-C keeps the chat', async () => {
    const terminal = await chatAtPrompt();
    terminal.write(CTRL_C);
    await terminal.until(/again to leave/);
    terminal.write('x');
    await terminal.until(/x/);
    terminal.write(CTRL_C);
    await terminal.until(/again to leave/);
    expect(terminal.child.exitCode).toBeNull();
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
  });

  it('Ctrl-C during an answer stops it and keeps the chat; Ctrl-D leaves', async () => {
    // Wide enough for all figures, however fast this machine is.
    const terminal = await chatAtPrompt(['--threads', '1', '-t', '0'], { columns: 120 });
    terminal.write('My cat is called Tom.\r');
    await terminal.until(PROMPT);
    // On a busy machine the story may be over before the key arrives; then it is told again.
    while (!terminal.raw().includes('(stopped)')) {
      terminal.write(`${STORY}\r`);
      await terminal.until(/Ash was|Ash /);
      terminal.write(CTRL_C);
      await terminal.until(/\(stopped\)|again to leave/);
    }
    await terminal.until(PROMPT);
    terminal.write('What is 17 + 25?\r');
    // What came before is still there: the first turn alone has 25 tokens.
    await terminal.until(/\((?:[3-9]\d|\d{3}) cached\)[\s\S]*decode/);
    await terminal.until(PROMPT);
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
    expect((await terminal.screen()).at(-1)).toBe('goodbye');
    expectRestored(terminal);
  });

  it.each([['SIGTERM', 143], ['SIGHUP', 129], ['SIGQUIT', 131]] as const)('%s restores the terminal', async (signal, code) => {
    const marker = join(folder, signal);
    // The program's own process id: `script` and the shell stand above it.
    const terminal = onTerminal(
      ['sh', '-c', `echo $$ > "$1"; shift; exec "$@"`, 'sh', marker, process.execPath, main, 'chat', '-t', '0'],
      { env: { INGOT_MODEL: '', INGOT_NO_HISTORY: '1' } },
    );
    await terminal.until(PROMPT);
    terminal.write(`${STORY}\r`);
    await terminal.until(/Ash/);
    process.kill(Number(readFileSync(marker, 'utf8')), signal);
    expect(await terminal.ended).toBe(code);
    expectRestored(terminal);
  });

  it.each([
    ['marked by the terminal', '\u001b[200~My cat is Tom.\r\n\tMy dog is \u65e5\u672c.\u001b[201~', '\r'],
    ['in one chunk', 'My cat is Tom.\r\tMy dog is \u65e5\u672c.', '\r'],
    ['in one chunk that ends with a line break', 'My cat is Tom.\n\tMy dog is \u65e5\u672c.\n', ''],
  ])('a paste %s is one message', async (_, paste, enter) => {
    const terminal = await chatAtPrompt(['-n', '5', '--no-think']);
    terminal.write(paste);
    await terminal.until(/dog is/);
    terminal.write(enter);
    await terminal.until(/decode/);
    await terminal.until(PROMPT);
    const shown = await terminal.screen();
    expect(shown).toEqual(expect.arrayContaining(['> My cat is Tom.', '.     My dog is \u65e5\u672c.']));
    expect(shown.filter((line) => line.includes('decode'))).toHaveLength(1);
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
  });

  it('edits over lines, by characters that people see, and recalls a message as it was', async () => {
    const terminal = await chatAtPrompt(['-n', '3', '--no-think'], { columns: 40 });
    // A family (seven code points) and a decomposed e-acute are one Backspace each; Alt-Enter, Ctrl-J and a backslash begin lines.
    for (const keys of [
      '\u65e5\u672cX',
      '\u001b[D',
      '\u001b[D',
      '\u007f',
      '\u001b\r',
      'ab',
      '\n',
      '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}e\u0301',
      '\u007f',
      '\u007f',
      'c\\',
      '\r',
      'd',
    ]) {
      terminal.write(keys);
      await terminal.until(/\u001b\[J/);
    }
    const shown = await terminal.screen();
    expect(shown.slice(-4)).toEqual(['>', '. ab', '. c', '. d\u672cX']);
    terminal.write('\u001b[F');
    terminal.write('\r');
    await terminal.until(/decode/);
    await terminal.until(PROMPT);
    terminal.write('\u001b[A');
    await terminal.until(/d\u672cX/);
    expect((await terminal.screen()).slice(-4)).toEqual(['>', '. ab', '. c', '. d\u672cX']);
    terminal.write(CTRL_C);
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
  });

  it('shows the part of a long paste around the cursor, and the rest as counts', async () => {
    const terminal = await chatAtPrompt([], { rows: 20 });
    terminal.write(`\u001b[200~${Array.from({ length: 100 }, (_, i) => `line ${i + 1}`).join('\n')}\u001b[201~`);
    await terminal.until(/line 100/);
    expect((await terminal.screen()).slice(-11)).toEqual([
      '  ... 90 lines above',
      ...Array.from({ length: 10 }, (_, i) => `. line ${91 + i}`),
    ]);
    terminal.write(CTRL_C);
    await terminal.until(/again/);
    terminal.write('\u0004');
    expect(await terminal.ended).toBe(0);
  });

  it.each([40, 80, 120])('breaks answers at words and fits its own lines into %i columns', async (columns) => {
    const terminal = await chatAtPrompt([], { columns });
    terminal.write(`${STORY}\r`);
    await terminal.until(/decode/);
    await terminal.until(PROMPT);
    const raw = terminal.raw().replaceAll(/\u001b\[[\d;?]*[A-Za-z]/g, '').split(/[\r\n]+/);
    expect(raw.filter((line) => line.length >= columns)).toEqual([]);
    const shown = await terminal.screen();
    // Lines that were broken are as full as their words allow.
    const story = shown.slice(shown.findIndex((line) => line.startsWith('> ')) + 1);
    expect(story.some((line, i) => line.length > columns - 15 && /^\w/.test(story[i + 1] ?? ''))).toBe(true);
    terminal.write('/exit\r');
    expect(await terminal.ended).toBe(0);
    expectRestored(terminal);
  });

  it('shows the progress of a long prompt, and takes it away', async () => {
    const terminal = await chatAtPrompt(['--threads', '1', '-n', '4', '--no-think']);
    terminal.write(`\u001b[200~${'The hen went to the market and bought some bread. '.repeat(120)}\u001b[201~`);
    await terminal.until(/bread/);
    terminal.write('\r');
    await terminal.until(/reading the prompt/);
    await terminal.until(/decode/);
    expect((await terminal.screen()).join('\n')).not.toContain('reading the prompt');
    terminal.write(CTRL_C);
    terminal.write('\u0004');
    await terminal.ended;
  });

  it('one answer: wrapped, thinking dimmed, no progress left behind, no colour where none is wanted', async () => {
    const terminal = ingot(['run', '-t', '0', 'What is 17 + 25?'], { columns: 60 });
    expect(await terminal.ended).toBe(0);
    expect(terminal.raw()).toContain('\u001b[2m7');
    expect((await terminal.screen()).join('\n')).toMatch(/^7 \+ 5 = 12[\s\S]*\n\n17 \+ 25 = 42\n\ncpu \|.*tok\/s$/);
    const plain = ingot(['run', '-t', '0', 'What is 17 + 25?'], { env: { NO_COLOR: '1' } });
    expect(await plain.ended).toBe(0);
    expect(plain.raw()).not.toMatch(/\u001b\[\d+m/);
    expect(plain.raw()).toContain('(thinking) ');
    const dumb = ingot(['run', '-t', '0', 'What is 17 + 25?'], { env: { TERM: 'dumb' } });
    expect(await dumb.ended).toBe(0);
    expect(dumb.raw()).not.toContain('\u001b');
  });

  it('chats on a dumb terminal, by the line', async () => {
    const terminal = ingot(['chat', '-t', '0', '--no-think'], { env: { TERM: 'dumb' } });
    await terminal.until(/> /);
    terminal.write('What is 17 + 25?\r');
    await terminal.until(/= 42[\s\S]*\n> /);
    terminal.write(CTRL_C);
    await terminal.until(/again to leave/);
    // Here it is a signal, and two at once are taken for one.
    await new Promise((resolve) => setTimeout(resolve, 150));
    terminal.write(CTRL_C);
    expect(await terminal.ended).toBe(130);
    expect(terminal.raw()).not.toContain('\u001b');
  });

  it('chats without a command, with options or a model alone; a prompt does not wait for the terminal', async () => {
    for (const args of [[], ['--context', '512'], [join(new URL('../../models/', import.meta.url).pathname, 'ember-21m-q4_0.gguf')]]) {
      const terminal = ingot(args);
      await terminal.until(PROMPT);
      terminal.write('\u0004');
      expect(await terminal.ended).toBe(0);
    }
    const answered = ingot(['What is 17 + 25?', '-t', '0', '--no-think']);
    expect(await answered.ended).toBe(0);
    expect(answered.raw()).toContain('17 + 25 = 42');
  });
});
