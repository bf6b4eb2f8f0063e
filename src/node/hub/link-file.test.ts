import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { linkFile } from './cache-layout.ts';

const links = vi.hoisted(() => ({ areMade: true }));
vi.mock('node:fs/promises', async (original) => {
  const own = await original<typeof FileSystem>();
  const refused = () => Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }));
  return { ...own, symlink: (target: string, path: string) => (links.areMade ? own.symlink(target, path) : refused()) };
});

let home = '';
const blob = (name: string) => join(home, 'blobs', name);
const path = () => join(home, 'snapshots', 'c', 'm.gguf');

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'ingot-link-'));
  links.areMade = true;
  await Promise.all(['blobs', 'snapshots'].map(async (name) => (await import('node:fs/promises')).mkdir(join(home, name))));
});
afterEach(() => rmSync(home, { recursive: true }));

describe.each([
  ['links', true],
  ['the bytes themselves, where there are no links', false],
])('a snapshot of %s', (_, areMade) => {
  beforeEach(() => void (links.areMade = areMade));

  test('many who make the same file known at once have it, and leave nothing else', async () => {
    writeFileSync(blob('a'), 'bytes');
    await Promise.all(Array.from({ length: 20 }, () => linkFile(path(), blob('a'))));
    expect(readFileSync(path(), 'utf8')).toBe('bytes');
    expect(readdirSync(join(home, 'snapshots', 'c'))).toEqual(['m.gguf']);
    expect(readdirSync(join(home, 'blobs'))).toEqual(areMade ? ['a'] : []);
  });

  test('a file is there at each moment in which another takes its place', async () => {
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(blob(name), name);
    await linkFile(path(), blob('a'));
    const state = { isOver: false };
    const read = (async () => {
      const { readFile } = await import('node:fs/promises');
      for (let reads = 0; !state.isOver || reads < 50; reads++) expect(await readFile(path(), 'utf8')).toMatch(/^[a-d]$/);
    })();
    for (const name of ['b', 'c', 'd']) await linkFile(path(), blob(name));
    state.isOver = true;
    await read;
    expect(readFileSync(path(), 'utf8')).toBe('d');
  });
});
