import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitOf } from './machine.ts';

describe('the commit of a clone', () => {
  let folder: string;
  const git = (...args: readonly string[]) => execFileSync('git', args, {
    cwd: folder, stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
  }).toString();
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-commit-'));
    git('init', '-q');
    mkdirSync(join(folder, 'src'));
    mkdirSync(join(folder, 'scripts'));
    for (const name of ['src/a.ts', 'scripts/b.mjs', 'README.md']) write(name, 'first');
    git('add', '.');
    git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-q', '-m', 'first', '--no-gpg-sign');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says how its sources differ, and of equal changes the same', async () => {
    const commit = git('rev-parse', '--short', 'HEAD').trim();
    write('README.md', 'second');
    expect(await commitOf(folder)).toBe(commit);
    write('src/a.ts', 'second');
    const second = await commitOf(folder);
    expect(second).toMatch(new RegExp(`^${commit}-dirty-[0-9a-f]{8}$`));
    write('src/a.ts', 'third');
    const third = await commitOf(folder);
    expect(third).not.toBe(second);
    git('add', '.');
    expect(await commitOf(folder)).toBe(third);
    write('src/a.ts', 'second');
    expect(await commitOf(folder)).toBe(second);
    write('src/a.ts', 'first');
    expect(await commitOf(folder)).toBe(commit);
    expect(await commitOf(join(folder, 'src'))).toBeNull();
  });
});
