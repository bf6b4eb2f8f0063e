import { expect, test } from 'vitest';
import { takeAll } from './take-all.ts';

test('takes free numbers first, then makes some', () => {
  const free = [4, 7];
  let made = 10;
  expect(takeAll(4, free, () => made++)).toEqual([7, 4, 10, 11]);
  expect(free).toEqual([]);
});

test('a refusal midway leaves all free that was', () => {
  const free = [4, 7];
  let made = 10;
  const make = (): number => {
    if (made === 11) throw new Error('no more');
    return made++;
  };
  expect(() => takeAll(4, free, make)).toThrow('no more');
  // The one that was made is there now.
  expect(free.toSorted((a, b) => a - b)).toEqual([4, 7, 10]);
  expect(takeAll(3, free, make).toSorted((a, b) => a - b)).toEqual([4, 7, 10]);
});
