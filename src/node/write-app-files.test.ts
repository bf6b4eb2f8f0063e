/** The app as a folder of files; `test/app/alone.peers.test.ts` runs what is written. */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../tensor/errors.ts';
import { listAppFiles } from './app-files.ts';
import { packageRoot } from './package-root.ts';
import { writeAppFiles } from './write-app-files.ts';

describe.skipIf(!existsSync(join(packageRoot, 'dist', 'app')))('writeAppFiles', () => {
  const root = mkdtempSync(join(tmpdir(), 'ingot-app-'));
  afterAll(() => rmSync(root, { recursive: true }));

  it('writes all files, and takes the place of an app that was there', async () => {
    const folder = join(root, 'a', 'chat');
    const names = await listAppFiles();
    expect(await writeAppFiles(folder)).toBe(names.size);
    const written = () => readdirSync(folder, { recursive: true }).map(String).filter((name) => name.includes('.')).toSorted();
    expect(written()).toEqual([...names].toSorted());
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).not.toContain('data-list="');
    for (const name of ['old-1.js', 'own.png']) writeFileSync(join(folder, 'assets', name), '');
    appendFileSync(join(folder, 'sw.js'), 'const OLD = ["./assets/old-1.js"];');
    writeFileSync(join(folder, 'models.json'), '[]');
    await writeAppFiles(folder, { modelList: 'a"b&.json' });
    expect(written()).toEqual([...names, 'models.json', 'assets/own.png'].toSorted());
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('content="browser" data-list="a&quot;b&amp;.json"');
  });

  it('makes nothing for an espeak-ng that is none, and goes on where a writing did not end', async () => {
    const folder = join(root, 'spoken');
    await expect(writeAppFiles(folder, { espeak: root })).rejects.toThrow(/there is no dist\/espeak-ng.js/);
    expect(existsSync(folder)).toBe(false);
    for (const name of ['espeak', 'assets']) mkdirSync(join(folder, name), { recursive: true });
    await writeAppFiles(folder);
    expect(existsSync(join(folder, 'index.html'))).toBe(true);
  });

  it('leaves a folder alone that has something else in it', async () => {
    const folder = mkdtempSync(join(root, 'other-'));
    writeFileSync(join(folder, 'index.html'), '<p>Mine.</p>');
    await expect(writeAppFiles(folder)).rejects.toThrow(InputError);
    expect(readdirSync(folder)).toEqual(['index.html']);
    await expect(writeAppFiles(join(folder, 'index.html'))).rejects.toThrow(/Name a folder/);
  });
});
