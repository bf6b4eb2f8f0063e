/** Readings that others gave: packages for plain numbers (scripts/fixtures/english_numbers.mjs), people for everything else. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { normalizeEnglish } from './normalize-english.ts';
import { cardinal, ordinal, romanValue } from './number-words.ts';

const NUMBERS =
  JSON.parse(readFileSync(`${fixturesPath}speech/numbers.json`, 'utf8')) as Record<'cardinals' | 'ordinals', [string, string][]>;
const READINGS = readFileSync(`${fixturesPath}speech/readings.txt`, 'utf8')
  .split('\n')
  .filter((line) => line.includes(' => '))
  .map((line) => line.split(' => ') as [string, string]);

describe('english as it is read', () => {
  test('500 cases and more', () => {
    const count = NUMBERS.cardinals.length + NUMBERS.ordinals.length + READINGS.length;
    expect(count).toBeGreaterThanOrEqual(500);
    const wrong = READINGS.filter(([written, read]) => normalizeEnglish(written) !== read);
    expect(wrong.map(([written, read]) => ({ written, read: normalizeEnglish(written), wanted: read }))).toEqual([]);
  });

  test('whole numbers and ordinals as two packages have them', () => {
    for (const [digits, words] of NUMBERS.cardinals) expect(cardinal(digits)).toBe(words);
    for (const [digits, words] of NUMBERS.ordinals) expect(ordinal(digits)).toBe(words);
  });

  test('days before months in British English', () => {
    expect(normalizeEnglish('3/4/2024', 'en-gb')).toBe('the third of April, twenty twenty-four');
    expect(normalizeEnglish('2024-03-09', 'en-gb')).toBe('the ninth of March, twenty twenty-four');
  });

  test('Roman numerals are well-formed or none', () => {
    expect(['IV', 'XLII', 'MCMXCIV', 'IIII', 'VX', ''].map(romanValue)).toEqual([4, 42, 1994, undefined, undefined, undefined]);
  });

  test('half characters, control characters and long runs of digits end', () => {
    expect(normalizeEnglish('a\ud800b')).toBe('a b');
    expect(normalizeEnglish('1'.repeat(400))).toMatch(/^one one one/);
    expect(normalizeEnglish('\u200b 5 \u00a0 km')).toBe('five kilometers');
  });

  test('a hundred thousand characters of what rules look for take no longer than their number', () => {
    const start = process.cpuUsage().user;
    for (const unit of ['1,', 'a.', '1.', 'A.B', '1-', 'x@', '$1 ', '(555) ', "5'", 'I V', '1/2 ', 'www.a.']) {
      // A sentence is cut at some hundred characters before it comes here.
      for (let i = 0; i < 20; i++) normalizeEnglish(unit.repeat(400 / unit.length));
    }
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(4000);
  });
});
