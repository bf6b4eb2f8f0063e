import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { fileSink } from './file-sink.ts';

describe('fileSink', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-sink-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('the file appears when it is closed, and replaces what was there', async () => {
    const path = join(folder, 'a.bin');
    writeFileSync(path, 'old');
    const sink = await fileSink(path);
    await sink.write(Uint8Array.of(1, 2));
    expect(readFileSync(path, 'utf8')).toBe('old');
    await sink.write(Uint8Array.of(3));
    await sink.close();
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    await sink.abort();
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  test('an aborted file leaves nothing', async () => {
    const sink = await fileSink(join(folder, 'a.bin'));
    await sink.write(new Uint8Array(100));
    await sink.abort();
    expect(readdirSync(folder)).toEqual([]);
    await expect(sink.write(new Uint8Array(1))).rejects.toThrow(/aborted/);
  });

  test('a path that cannot be written', async () => {
    await expect(fileSink(join(folder, 'none', 'a.bin'))).rejects.toThrow(InputError);
    await expect(fileSink(join(folder, 'none', 'a.bin'))).rejects.toThrow(/folder does not exist/);
    await expect(fileSink(folder)).rejects.toThrow(/is a directory/);
  });

  test('more than the disk has is refused at once', async () => {
    const sink = await fileSink(join(folder, 'a.bin'));
    await expect(sink.reserve?.(2 ** 60)).rejects.toThrow(CapacityError);
    await sink.abort();
  });

  test.skipIf(!existsSync('/dev/full'))('a disk that ends early', async () => {
    const sink = await fileSink('/dev/full');
    const writing = sink.write(new Uint8Array(4096));
    await expect(writing).rejects.toThrow(CapacityError);
    await expect(writing).rejects.toThrow(/disk is full after 0.0 MB/);
    await sink.abort();
  });
});
