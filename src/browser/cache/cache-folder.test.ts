/** Records in a browser that writes files in place alone, as older Safari does. */
import { expect, test } from 'vitest';
import { fakeStorage } from '../../../test/browser/fake-storage.ts';
import { writeJson } from './cache-folder.ts';

test('a record is as long as it is, and one that finds no room leaves the earlier one, and closes the file', async () => {
  const storage = fakeStorage({ writesInPlace: true });
  const record = () => storage.file('r');
  await writeJson(storage.root, 'r', { long: 'a long text' });
  await writeJson(storage.root, 'r', { b: 1 });
  expect(record()).toEqual({ text: '{"b":1}', closed: 2 });
  storage.mostInPlace = 0;
  await expect(writeJson(storage.root, 'r', { c: 2 })).rejects.toThrow('gives no more room');
  expect(record()).toEqual({ text: '{"b":1}', closed: 3 });
  storage.mostInPlace = 2;
  await expect(writeJson(storage.root, 'r', { d: 'longer' })).rejects.toThrow('gives no more room');
  expect(record().closed).toBe(4);
});
