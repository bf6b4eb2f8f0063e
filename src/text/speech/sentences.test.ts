import { describe, expect, test } from 'vitest';
import { joinClauses, splitClauses } from './clauses.ts';
import { hasWords, splitSentences } from './sentences.ts';
import { splitPhonemes } from './split-phonemes.ts';

describe('sentences', () => {
  test.each([
    ['One. Two! Three? Four…', ['One.', 'Two!', 'Three?', 'Four…']],
    ['Dr. Smith and J. R. Ewing met at 5 p.m. today. It rained.', ['Dr. Smith and J. R. Ewing met at 5 p.m. today.', 'It rained.']],
    ['He paid $3.50. She said "No." Then they left.', ['He paid $3.50.', 'She said "No."', 'Then they left.']],
    ['A line\nAnother line\r\n\r\nLast', ['A line', 'Another line', 'Last']],
    ['So do I. You too.', ['So do I.', 'You too.']],
    ['Wait... what? Yes.', ['Wait... what?', 'Yes.']],
    ['こんにちは。元気ですか？', ['こんにちは。', '元気ですか？']],
    ['  ', []],
  ])('%j', (text, wanted) => {
    expect([...splitSentences(text)]).toEqual(wanted);
  });

  test('long ones are cut, whole words and characters, and nothing is lost', () => {
    for (const text of ['word '.repeat(1000), 'a, b; '.repeat(400), '🎉'.repeat(900), 'x'.repeat(2000)]) {
      const parts = [...splitSentences(text)];
      expect(parts.every((part) => part.length <= 400 && part !== '')).toBe(true);
      expect(parts.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      expect(parts.some((part) => /^[\udc00-\udfff]|[\ud800-\udbff]$/.test(part))).toBe(false);
    }
  });

  test('a text of a hundred thousand characters begins at once', () => {
    const start = process.cpuUsage().user;
    const sentences = splitSentences('Some words, and more. '.repeat(5000));
    expect(sentences.next().value).toBe('Some words, and more.');
    expect([...sentences].length).toBe(4999);
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(2000);
  });

  test('a hundred thousand marks before a letter are walked once', () => {
    const start = process.cpuUsage().user;
    for (const between of ['', ' ', '" ', '"'])
      expect([...splitSentences(`${'.'.repeat(100_000)}${between}a`)].join('').length).toBeGreaterThan(100_000);
    expect([...splitSentences(`one${'."'.repeat(50_000)}a`)].join('').length).toBe(100_004);
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(3000);
    expect([...splitSentences('Well... yes. No... It is.! so')]).toEqual(['Well... yes.', 'No...', 'It is.!', 'so']);
  });

  test('what has no letter or digit has no words', () => {
    expect(['a', '5', 'é', '日'].every(hasWords)).toBe(true);
    expect(['', '...', '🎉', '\ud800', '—'].some(hasWords)).toBe(false);
  });
});

describe('clauses', () => {
  test.each(['Hello, world!', '“Yes” (he said): no.', 'a — b', '...', 'no marks'])('%j comes back around its words', (text) => {
    const clauses = splitClauses(text);
    expect(joinClauses(clauses, clauses.map(({ words }) => words))).toBe(text);
  });
});

describe('pieces of phonemes', () => {
  test('end behind the best mark there is', () => {
    expect(splitPhonemes('aa bb. cc dd, ee ff', 14)).toEqual(['aa bb.', 'cc dd, ee ff']);
    expect(splitPhonemes('aa bb cc, dd ee', 12)).toEqual(['aa bb cc,', 'dd ee']);
    expect(splitPhonemes('aa bb cc', 6)).toEqual(['aa bb', 'cc']);
    expect(splitPhonemes('aaaaaaa', 3)).toEqual(['aaa', 'aaa', 'a']);
    expect(splitPhonemes(' a. ', 5)).toEqual(['a.']);
    expect(splitPhonemes('aa  bb', 3)).toEqual(['aa', 'bb']);
    expect(splitPhonemes('  ', 3)).toEqual([]);
  });

  test('take time that grows as the text does', () => {
    const text = 'ab '.repeat(320_000).trim();
    const before = process.cpuUsage();
    expect(splitPhonemes(text, 510).join(' ')).toBe(text);
    const { user, system } = process.cpuUsage(before);
    // A third of a second; 20 s when each piece copied all behind it.
    expect((user + system) / 1e6).toBeLessThan(4);
  });
});
