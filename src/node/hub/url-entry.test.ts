import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sha256 } from '../../../test/hub-server.ts';
import { urlFolder } from './url-folder.ts';

/** Steps by which a file becomes known: after so many the process is gone. */
const disk = vi.hoisted(() => ({ steps: Infinity, hasLinks: true }));
vi.mock('node:fs/promises', async (original) => {
  const own = await original<typeof FileSystem>();
  const step = () => (disk.steps-- > 0 ? undefined : Promise.reject(new Error('killed')));
  return {
    ...own,
    rename: async (from: string, to: string) => void (await step(), await own.rename(from, to)),
    async symlink(target: string, path: string) {
      await step();
      if (!disk.hasLinks) throw Object.assign(new Error('no links here'), { code: 'EPERM' });
      await own.symlink(target, path);
    },
  };
});

const [old, next] = [1, 2].map((byte) => new Uint8Array(1000).fill(byte)) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
let home = '';
let served = old;
beforeEach(() => void ([home, served] = [mkdtempSync(join(tmpdir(), 'ingot-entry-')), old]));
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function read(hasMarks: boolean, { offline = false, hex = '' } = {}): Promise<string | undefined> {
  const folder = await urlFolder(new URL('https://files.test/models/'), {
    reads: 'all',
    attempts: 1,
    environment: { HF_HOME: home, ...(offline ? { HF_HUB_OFFLINE: '1' } : {}) },
    ...(hex === '' ? {} : { sha256: { fileName: 'm', hex } }),
    async fetch(_, { headers }) {
      const marks = hasMarks ? { etag: `"${served[0]}"` } : undefined;
      if (hasMarks && new Headers(headers).get('if-none-match') === marks!.etag) return new Response(null, { status: 304 });
      const [, from, to] = /(\d+)-(\d*)/.exec(new Headers(headers).get('range') ?? '')!;
      const part = served.slice(Number(from), to ? Number(to) + 1 : undefined);
      const range = `bytes ${from}-${Number(from) + part.length - 1}/${served.length}`;
      return new Response(part, { status: 206, headers: { ...marks, 'content-range': range, 'content-length': `${part.length}` } });
    },
  });
  const source = await folder.open('m');
  if (source === undefined) return undefined;
  const bytes = new Uint8Array(source.sizeBytes);
  await source.read(0, bytes);
  await source.close();
  return sha256(bytes);
}

test.each([[true, true], [true, false], [false, true], [false, false]])(
  'marks %s, links %s: killed at any step, a file is what its entry says, and comes right the next time',
  async (hasMarks, hasLinks) => {
    disk.hasLinks = hasLinks;
    for (let steps = 0, isOver = false; !isOver; steps++) {
      [served, disk.steps] = [old, Infinity];
      await read(hasMarks, { hex: sha256(old) });
      [served, disk.steps] = [next, steps];
      await read(hasMarks, { hex: sha256(next) }).catch(() => undefined);
      isOver = disk.steps >= 0;
      disk.steps = Infinity;
      const [repository] = readdirSync(join(home, 'hub'));
      const folder = join(home, 'hub', repository!);
      const entry = JSON.parse(readFileSync(join(folder, 'entries', 'm.json'), 'utf8')) as { sha256: string };
      expect(await read(hasMarks, { offline: true }), `after ${steps} steps`).toBe(entry.sha256);
      expect(await read(hasMarks, { hex: sha256(next) })).toBe(sha256(next));
      const [snapshot] = readdirSync(join(folder, 'snapshots'));
      expect(sha256(readFileSync(join(folder, 'snapshots', snapshot!, 'm')))).toBe(sha256(next));
      expect(steps).toBeLessThan(100);
    }
  },
);
