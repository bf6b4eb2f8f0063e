import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, open, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FormatError, InputError } from '../tensor/errors.ts';
import { directorySource, fileSource } from './file-source.ts';

let root = '';
const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ingot-file-'));
  await writeFile(join(root, 'f.bin'), bytes);
});
afterAll(() => rm(root, { recursive: true }));

describe('fileSource', () => {
  test('reads ranges, into shared memory too', async () => {
    const source = await fileSource(join(root, 'f.bin'));
    expect(source.sizeBytes).toBe(1000);
    const shared = new Uint8Array(new SharedArrayBuffer(64), 8, 20);
    await source.read(250, shared);
    expect([...shared]).toEqual([...bytes.subarray(250, 270)]);
    await source.read(1000, new Uint8Array(0));
    await source.close();
    await source.close();
  });

  test('a read past the end says where the file ends', async () => {
    const source = await fileSource(join(root, 'f.bin'));
    await expect(source.read(990, new Uint8Array(11))).rejects.toThrow(
      /f.bin ended early: expected 11 bytes at offset 990, but it ends at 1000/,
    );
    await expect(source.read(-1, new Uint8Array(1))).rejects.toThrow(RangeError);
    await expect(source.read(0.5, new Uint8Array(1))).rejects.toThrow(RangeError);
    await source.close();
  });

  test('a file that shrinks after it was opened is an error, not zeros', async () => {
    const path = join(root, 'shrinks.bin');
    await writeFile(path, bytes);
    const source = await fileSource(path);
    await truncate(path, 500);
    const error = await source.read(400, new Uint8Array(200)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(/ended early: expected 200 bytes at offset 400, but it ends at 500/);
    await source.close();
  });

  // Windows would write the gap out.
  test.skipIf(process.platform === 'win32')('offsets beyond 4 GiB', async () => {
    const path = join(root, 'sparse.bin');
    const handle = await open(path, 'w');
    await handle.write(bytes, 0, 10, 5 * 2 ** 30);
    await handle.close();
    const source = await fileSource(path);
    const into = new Uint8Array(4);
    await source.read(5 * 2 ** 30 + 3, into);
    expect([...into]).toEqual([3, 4, 5, 6]);
    await source.close();
    await rm(path);
  });

  test('a read larger than one system call, cancelled between two', async () => {
    const path = join(root, 'large.bin');
    const handle = await open(path, 'w');
    await handle.write(bytes, 0, 10, 140 * 2 ** 20);
    await handle.close();
    const source = await fileSource(path);
    const into = new Uint8Array(140 * 2 ** 20 + 10);
    await source.read(0, into);
    expect([...into.subarray(-3)]).toEqual([7, 8, 9]);
    const controller = new AbortController();
    const reading = source.read(0, into, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    await source.close();
  });

  test('paths that are not readable files', async () => {
    await expect(fileSource(join(root, 'absent'))).rejects.toThrow(InputError);
    await expect(fileSource(join(root, 'absent'))).rejects.toThrow(/no such file/);
    await expect(fileSource(root)).rejects.toThrow(/is a directory; expected a file/);
    await expect(fileSource('a\0b')).rejects.toThrow(InputError);
  });

  test.skipIf(process.platform === 'win32')('devices, pipes and circular links', async () => {
    await expect(fileSource('/dev/zero')).rejects.toThrow(/not a regular file/);
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await expect(fileSource(join(root, 'pipe'))).rejects.toThrow(/not a regular file/);
    await symlink(join(root, 'loop'), join(root, 'loop'));
    await expect(fileSource(join(root, 'loop'))).rejects.toThrow(/links lead in a circle/);
  });

  // Root may read everything.
  test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('a file without read permission', async () => {
    await writeFile(join(root, 'secret'), bytes);
    await chmod(join(root, 'secret'), 0);
    await expect(fileSource(join(root, 'secret'))).rejects.toThrow(/may not be read by this user/);
  });
});

describe('directorySource', () => {
  test('opens files by plain name only', async () => {
    const folder = directorySource(root);
    const source = await folder.open('f.bin');
    expect(source?.sizeBytes).toBe(1000);
    await source?.close();
    expect(await folder.open('absent')).toBeUndefined();
    await expect(folder.open('../f.bin')).rejects.toThrow(/refused/);
    await expect(directorySource(join(root, '..')).open(root.slice(root.lastIndexOf('/') + 1))).rejects.toThrow(/is a directory/);
  });
});
