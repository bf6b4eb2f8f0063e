import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../../test/fixture-tensors.ts';
import { InputError } from '../../tensor/errors.ts';
import { createPatternMatcher, createTextMatcher } from './pattern-matcher.ts';
import type { PatternMatcher } from './pattern-matcher.ts';

type Recorded = readonly [pattern: string, cases: readonly (readonly [text: string, marked: string])[] | null];

const recorded = gunzipSync(readFileSync(`${fixturesPath}tokenizers/patterns.jsonl.gz`))
  .toString('utf8')
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

function mark(matcher: PatternMatcher, text: string): string {
  const found = matcher.findAll(text);
  let marked = '';
  let from = 0;
  for (let at = 0; at < found.length; at += 2) {
    marked += `${text.slice(from, found[at])}\u0001`;
    from = found[at + 1]!;
  }
  return marked + text.slice(from);
}

describe('patterns match as Oniguruma does', () => {
  test('patterns of models, of every kind of syntax, and by chance', () => {
    const wrong = recorded.flatMap(([pattern, cases]) => {
      if (cases === null) return [];
      const matcher = createPatternMatcher(pattern);
      return cases
        .filter(([text, marked]) => mark(matcher, text) !== marked)
        .map(([text, marked]) => ({ pattern, text, marked, ours: mark(matcher, text) }));
    });
    expect(wrong).toEqual([]);
    expect(recorded.length).toBeGreaterThan(1000);
  });

  test('what Oniguruma refuses is refused', () => {
    const refused = recorded.filter(([, cases]) => cases === null);
    expect(refused.length).toBeGreaterThan(20);
    for (const [pattern] of refused) expect(() => createPatternMatcher(pattern), pattern).toThrow(SyntaxError);
  });

  test.each(['\\X', 'a\\Kb', '\\y', '\\g<0>', '(?~ab)', '(?(1)a|b)', '(?{x})', '(?W:\\w)', '\\cA', '\\p{InBasicLatin}', 'a{3,1}'])(
    '%s is refused by name',
    (pattern) => {
      expect(() => createPatternMatcher(pattern)).toThrow(/not supported/);
    },
  );
});

describe('hostile patterns and long texts', () => {
  test('a pattern that backtracks without end is stopped', () => {
    for (const pattern of ['(a+)+b', '(?:a|a)*b', '(a*)*c', '(.*)(.*)(.*)x']) {
      expect(() => createPatternMatcher(pattern).findAll('a'.repeat(3000)), pattern).toThrow(InputError);
    }
  });

  test('patterns that are too large or nested too deep are refused', () => {
    expect(() => createPatternMatcher('(?:ab){1000}{1000}')).toThrow(SyntaxError);
    expect(() => createPatternMatcher('('.repeat(5000))).toThrow(SyntaxError);
    expect(() => createPatternMatcher('['.repeat(5000))).toThrow(SyntaxError);
    expect(() => createPatternMatcher('a'.repeat(1e6))).toThrow(SyntaxError);
  });

  test('a million characters', () => {
    const [, llama3] = recorded.map(([pattern]) => pattern).filter((pattern) => pattern.includes('(?!\\S)'));
    const matcher = createPatternMatcher(llama3!);
    for (const text of ['a'.repeat(1e6), `${' '.repeat(1e6)}x`, '\n '.repeat(5e5), '1'.repeat(1e6), '\ud83d\ude00'.repeat(5e5)]) {
      expect(matcher.findAll(text).at(-1)).toBe(text.length);
    }
    expect(createPatternMatcher('(?:ab)+').findAll('ab'.repeat(5e5))).toEqual([0, 1e6]);
  });

  test('a text as a pattern is taken as it is', () => {
    expect(createTextMatcher('.*').findAll('a.*b')).toEqual([1, 3]);
    expect(createTextMatcher('').findAll('ab')).toEqual([0, 0, 1, 1, 2, 2]);
  });
});
