import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPseudoTerminal, onTerminal } from '../../test/pseudo-terminal.ts';
import { COMMAND_NAMES } from './command-names.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;
let home = '';
const scripts: Record<string, string> = {};

function run(command: string, args: readonly string[]) {
  const env = { ...process.env, HF_HOME: home, PATH: `${home}:${process.env['PATH']}` };
  return spawnSync(command, args, { encoding: 'utf8', cwd: join(home, 'here'), env });
}

/** What bash has for a line with the cursor at its end. */
function completed(line: string): string[] {
  const program = `source ${home}/bash; COMP_LINE=$1; COMP_POINT=\${#1}; _ingot; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = run('bash', ['--norc', '-c', program, 'bash', line]);
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

describe.skipIf(!existsSync(main))('completions', () => {
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'ingot-completions-'));
    writeFileSync(join(home, 'ingot'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, { mode: 0o755 });
    mkdirSync(join(home, 'here', 'folder'), { recursive: true });
    writeFileSync(join(home, 'here', 'my model.gguf'), '');
    const cached = join(home, 'hub', 'models--o--tiny', 'snapshots', '1'.repeat(40));
    mkdirSync(cached, { recursive: true });
    writeFileSync(join(cached, 'tiny-Q8_0.gguf'), 'x');
    for (const shell of ['bash', 'zsh', 'fish']) {
      scripts[shell] = run(join(home, 'ingot'), ['completions', shell]).stdout;
      writeFileSync(join(home, shell), scripts[shell]);
    }
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('every command is in the script of each shell', () => {
    for (const shell of ['bash', 'zsh', 'fish'])
      for (const name of [...COMMAND_NAMES, 'revoke']) expect(scripts[shell], `${shell} ${name}`).toContain(name);
  });

  test.skipIf(!has('bash'))('bash completes commands, options, values, models with colons, files with spaces', () => {
    expect(completed('ingot tr')).toEqual(['transcribe']);
    expect(completed('ingot keys re')).toEqual(['revoke']);
    expect(completed('ingot chat --tempe')).toEqual(['--temperature']);
    expect(completed('ingot chat --per-layer-table h')).toEqual(['host']);
    expect(completed('ingot chat --per-layer-table=h')).toEqual(['host']);
    expect(completed('ingot chat o/')).toEqual(['o/tiny:Q8_0']);
    // Readline has what is before the colon already.
    expect(completed('ingot run -m o/tiny:Q')).toEqual(['Q8_0']);
    expect(completed('ingot pull qwen3:0')).toEqual(['0.6b']);
    expect(completed('ingot rm o/t')).toEqual(['o/tiny:Q8_0']);
    expect(completed('ingot chat my')).toEqual(['my model.gguf']);
    expect(completed('ingot chat --schema my')).toEqual(['my model.gguf']);
    expect(completed('ingot pull --from f')).toEqual(['folder']);
    expect(completed('ingot completions ')).toEqual(['bash', 'zsh', 'fish', 'models']);
    expect(completed('ingot --resu')).toEqual(['--resume']);
    expect(completed('ingot help tran')).toEqual(['transcribe']);
  });

  test.skipIf(!has('bash') || !hasPseudoTerminal)('in a bash of a person\'s, Tab writes them', async () => {
    const terminal = onTerminal(['bash', '--norc', '-i'], { env: { PS1: '$ ', HF_HOME: home, PATH: `${home}:${process.env['PATH']}` } });
    await terminal.until(/\$ /);
    for (const [keys, seen] of [
      [`cd ${home}/here; source ${home}/bash; clear\r`, /\$ /],
      ['ingot compl\t', /completions /], ['ba\t', /bash /], ['\u0015', /\u001b\[K/],
      ['ingot chat qwen3:0\t', /qwen3:0\.6b/], ['\u0015', /\u001b\[K/], ['ingot chat my\t', /my\\ model\.gguf/],
    ] as const) {
      terminal.write(keys);
      await terminal.until(seen);
    }
    terminal.write('\u0015exit\r');
    expect(await terminal.ended).toBe(0);
  });

  test.skipIf(!has('fish'))('fish completes commands, options, values, models with colons, files with spaces', () => {
    const asked: readonly (readonly [line: string, words: readonly string[]])[] = [
      ['ingot tr', ['transcribe']], ['ingot keys re', ['revoke']], ['ingot chat --tempe', ['--temperature']],
      ['ingot chat --per-layer-table h', ['host']], ['ingot chat --per-layer-table=h', ['--per-layer-table=host']],
      ['ingot chat o/', ['o/tiny:Q8_0']], ['ingot run -m o/tiny:Q', ['o/tiny:Q8_0']], ['ingot pull qwen3:0', ['qwen3:0.6b']],
      ['ingot chat my', ['my model.gguf']], ['ingot chat --schema my', ['my model.gguf']], ['ingot pull --from f', ['folder/']],
      ['ingot completions ', ['bash', 'fish', 'models', 'zsh']], ['ingot help tran', ['transcribe']],
    ];
    const program = asked.map(([line]) => `complete -C '${line}'; echo =`).join('; ');
    const { stdout, stderr } = run('fish', ['--no-config', '-c', `source ${home}/fish; ${program}`]);
    expect(stderr).toBe('');
    const answers = stdout.split('=\n').map((lines) => lines.split('\n').filter(Boolean).map((line) => line.split('\t')[0]));
    expect(answers.slice(0, -1)).toEqual(asked.map(([, words]) => words));
  });

  test.skipIf(!has('zsh') || !hasPseudoTerminal)('in a zsh of a person\'s, Tab writes them', async () => {
    const terminal = onTerminal(['zsh', '-f', '-i'], { env: { PS1: '$ ', HF_HOME: home, PATH: `${home}:${process.env['PATH']}` } });
    await terminal.until(/\$ /);
    for (const [keys, seen] of [
      [`cd ${home}/here; autoload -Uz compinit; compinit -D; source ${home}/zsh; print be\\gin\r`, /begin\r?\n/],
      ['ingot compl\t', /etions/], ['ba\t', /sh/], ['\u0003', /\$ /],
      ['ingot chat --tempe\t', /rature/], ['\u0003', /\$ /],
      ['ingot chat --per-layer-table=h\t', /ost/], ['\u0003', /\$ /],
      ['ingot chat qwen3:0\t', /\.6b/], ['\u0003', /\$ /], ['ingot chat my\t', /\\ model\.gguf/],
      ['\u0003', /\$ /],
    ] as const) {
      terminal.write(keys);
      await terminal.until(seen);
    }
    terminal.write('exit 0\r');
    expect(await terminal.ended).toBe(0);
  });
});
