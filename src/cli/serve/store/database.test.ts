import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { CapacityError, FormatError } from '../../../tensor/errors.ts';
import { createLock, openDatabase } from './database.ts';
import { openStore } from './open-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'ingot-database-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

it('a lock is held by one, until it lets go or ends', async () => {
  const [one, other] = [await createLock(at('lock')), await createLock(at('lock'))];
  expect([one.acquire(), one.acquire(), other.acquire()]).toEqual([true, true, false]);
  one.release();
  expect([other.acquire(), one.acquire()]).toEqual([true, false]);
  other.release();
});

describe('a database', () => {
  it('keeps writes of one turn together, and drops only those that fail', async () => {
    const database = await openDatabase(at('a/b/one.db'));
    const put = (number: number) => database.write(() => database.change('INSERT INTO probe VALUES (?, 0)', number));
    const results = await Promise.allSettled([put(1), put(1), put(2), database.write(() => {
      database.change('INSERT INTO probe VALUES (3, 0)');
      throw new RangeError('changed my mind');
    }), put(4)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect((results[3] as PromiseRejectedResult).reason).toBeInstanceOf(RangeError);
    expect(database.rows('SELECT number FROM probe').map(({ number }) => number)).toEqual([1, 2, 4]);
    const last = put(5);
    await database.close();
    await last;
    const again = await openDatabase(at('a/b/one.db'));
    expect(again.rows('SELECT count(*) AS count FROM probe')).toMatchObject([{ count: 4 }]);
    expect(again.rows('PRAGMA synchronous')).toMatchObject([{ synchronous: 2 }]);
    expect(again.rows('PRAGMA journal_mode')).toMatchObject([{ journal_mode: 'wal' }]);
    await again.close();
  });

  it.skipIf(process.platform === 'win32')('is this user\'s alone', async () => {
    const database = await openDatabase(at('own/one.db'));
    await database.close();
    expect(statSync(at('own')).mode & 0o077).toBe(0);
    expect(statSync(at('own/one.db')).mode & 0o077).toBe(0);
    writeFileSync(at('own/touched.db'), '', { mode: 0o644 });
    chmodSync(at('own/touched.db'), 0o644);
    const store = await openStore(at('own/touched.db'));
    await store.batches.acquire();
    for (const name of ['touched.db', 'touched.db-wal', 'touched.db-batches']) expect(statSync(at(`own/${name}`)).mode & 0o077).toBe(0);
    await store.close();
  });

  it.skipIf(process.platform !== 'linux')('in a folder that cannot be made is refused at once', async () => {
    await expect(openDatabase('/proc/none-such/x.db')).rejects.toMatchObject({ code: 'ENOENT', path: '/proc/none-such' });
  });

  it.each([
    ['no version', "CREATE TABLE notes (text)", /other\.db belongs to another program \(found notes\); it was left as it is\./],
    ['a version', "CREATE TABLE notes (text); PRAGMA user_version = 7", /belongs to another program/],
    ['a name of ours', "CREATE TABLE keys (text); CREATE TABLE b (x); PRAGMA user_version = 1", /another program \(found keys, b\)/],
  ])('of another program, with %s, is refused and not written', async (_, sql, message) => {
    const other = new Libsql(at('other.db'));
    other.exec(sql);
    other.close();
    const before = readFileSync(at('other.db'));
    await expect(openDatabase(at('other.db'))).rejects.toBeInstanceOf(FormatError);
    await expect(openStore(at('other.db'))).rejects.toThrow(message);
    expect(readFileSync(at('other.db')).equals(before)).toBe(true);
    rmSync(at('other.db'));
  });

  it.skipIf(process.platform === 'win32')('that is removed or replaced under its user takes nothing more', async () => {
    const one = await openDatabase(at('gone.db'));
    const put = (number: number) => one.write(() => one.change('INSERT INTO probe VALUES (?, 0)', number));
    await put(1);
    rmSync(at('gone.db'));
    await expect(put(2)).rejects.toThrow(/gone\.db was removed while it was in use/);
    writeFileSync(at('gone.db'), '');
    await expect(put(3)).rejects.toThrow(/gone\.db was replaced while it was in use/);
    expect(() => one.rows('SELECT number FROM probe')).toThrow(CapacityError);
    await one.close();
  });

  it('that is full says so and loses nothing of what it has', async () => {
    const store = await openStore(at('full.db'));
    const { database } = store;
    const entry = {
      id: 'req', at: Date.now(), keyId: undefined, method: 'POST', route: '/x', status: 200, outcome: 'done', model: 'm', user: undefined,
      promptTokens: 1, cachedTokens: 0, completionTokens: 1, firstTokenMs: 1, totalMs: 2, prompt: 'x'.repeat(20_000),
    } as const;
    await store.audit.add(entry);
    const [{ page_count: pages }] = database.rows('PRAGMA page_count') as [{ page_count: number }];
    database.rows(`PRAGMA max_page_count = ${pages}`);
    const lost = await Promise.allSettled([store.audit.add(entry), store.audit.add(entry)]);
    for (const one of lost) {
      expect(one).toMatchObject({ status: 'rejected', reason: expect.any(CapacityError) });
      expect((one as PromiseRejectedResult).reason.message).toMatch(/full\.db cannot be written .*disk full/);
    }
    database.rows(`PRAGMA max_page_count = ${pages + 100}`);
    await store.audit.add(entry);
    // Sums and entries agree: a lost entry has counted nothing.
    expect([...store.audit.entries({ from: undefined, to: undefined })].length).toBe(2);
    expect(store.audit.usage([], { from: undefined, to: undefined })).toMatchObject([{ requests: 2 }]);
    await store.close();
  });

  it('that is damaged, or none, is refused with what to do', async () => {
    const store = await openStore(at('damaged.db'));
    for (let count = 0; count < 50; count++) await store.keys.create(`key ${count}`, { models: ['x'.repeat(500)] });
    await store.close();
    const bytes = readFileSync(at('damaged.db'));
    bytes.fill(0xa5, 4096 * 2, 4096 * 6);
    writeFileSync(at('damaged.db'), bytes);
    writeFileSync(at('none.db'), 'this is no database at all, but a text that is longer than a header of one '.repeat(20));
    for (const name of ['damaged.db', 'none.db']) {
      const opened = openDatabase(at(name));
      await expect(opened).rejects.toBeInstanceOf(FormatError);
      await expect(opened).rejects.toThrow(/is damaged, or no database .*move it away/);
    }
  });

  it('of a later version is refused, and a torn end of the log is left out', async () => {
    const one = await openDatabase(at('later.db'));
    one.rows('PRAGMA user_version = 99');
    await one.close();
    await expect(openDatabase(at('later.db'))).rejects.toThrow(/tables of version 99; this program knows up to \d+\. Update ingot/);
    const torn = await openDatabase(at('torn.db'));
    await torn.write(() => torn.change('INSERT INTO probe VALUES (1, 0)'));
    // The log as a machine without power may leave it: a copy while it is open, with half a frame behind it.
    for (const end of ['', '-wal']) writeFileSync(at(`copy.db${end}`), readFileSync(at(`torn.db${end}`)));
    appendFileSync(at('copy.db-wal'), Buffer.alloc(2000, 7));
    const copy = await openDatabase(at('copy.db'));
    expect(copy.rows('SELECT number FROM probe')).toMatchObject([{ number: 1 }]);
    await copy.close();
    await torn.close();
  });
});
