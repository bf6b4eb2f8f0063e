import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { fakeTokenizer } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import { randomSource } from '../tensor/codec/random-weights.ts';
import { checkBannedTexts, createBannedTexts } from './banned-texts.ts';
import { jsonTokenizer } from './json-tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';

const ember = jsonTokenizer({ name: 'ember', tokenizer: readFileSync(`${fixturesPath}ember/tokenizer.json`, 'utf8') });

const allows = (mask: Uint32Array, id: number) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1;

/** Walks at random through what masks allow, near the banned texts, and asks of every token whether its text says the same. */
function walk(tokenizer: Tokenizer, texts: readonly string[], seed: number): { readonly refused: number } {
  const random = randomSource(seed);
  const vocabSize = tokenizer.vocabSize + 7;
  const matcher = createBannedTexts(texts, tokenizer, vocabSize).start();
  const answer: number[] = [];
  // What the tokens of the texts are, and of their halves, leads up to them.
  const parts = texts.flatMap((text) => [text, text.slice(1), text.slice(0, -1), text.slice(2)]);
  const near = [...new Set(parts.flatMap((text) => tokenizer.encode(text)))];
  let refused = 0;
  for (let step = 0; step < 30; step++) {
    const mask = matcher.maskAfter(answer);
    const before = tokenizer.decode(answer, { skipSpecial: true });
    const ids = [...near, ...Array.from({ length: 40 }, () => Math.floor(random() * tokenizer.vocabSize))];
    for (const id of ids) {
      const text = tokenizer.decode([...answer, id], { skipSpecial: true });
      const completes = texts.some((each) => text.includes(each));
      expect(allows(mask, id), `${JSON.stringify(before)} + ${JSON.stringify(text.slice(before.length))}`).toBe(!completes);
      if (completes) refused++;
    }
    for (let id = tokenizer.vocabSize; id < vocabSize; id++) expect(allows(mask, id)).toBe(true);
    const open = ids.filter((id) => allows(mask, id));
    answer.push(open[Math.floor(random() * Math.min(open.length, near.length + 4))]!);
  }
  return { refused };
}

describe('banned texts', () => {
  it.each([1, 2, 3, 4, 5, 6])('are completed by no token, and nothing else is refused, walk %i', (seed) => {
    const texts = ['the hen', 'hen h', ' fox', 'e', 'under the', 'ene'].slice(seed % 4);
    expect(walk(ember, texts, seed).refused).toBeGreaterThan(0);
    expect(walk(fakeTokenizer(), ['aab', 'abab', 'ba', '\u00e9t\u00e9'].slice(seed % 2), seed).refused).toBeGreaterThan(0);
  });

  it('are told across tokens that have no text, and a text that is the end of another', () => {
    const tokenizer = fakeTokenizer();
    const matcher = createBannedTexts(['xabc', 'b'], tokenizer, 300).start();
    const [a, b] = tokenizer.encode('ab') as [number, number];
    expect(allows(matcher.maskAfter([a, 256]), b)).toBe(false);
    const other = createBannedTexts(['ab'], tokenizer, 300).start();
    expect(allows(other.maskAfter([a, 256]), b)).toBe(false);
    expect(allows(other.maskAfter([a, 256, a]), a)).toBe(true);
  });

  it.each([
    ['a', 'bannedTexts must be a list of texts'],
    [[''], 'bannedTexts[0] must be a text'],
    [['a', 3], 'bannedTexts[1] must be a text of at least one character, found number 3'],
    [['a\ufffd'], 'bannedTexts[0] holds U+FFFD'],
    [['a', '\ud83d'], 'bannedTexts[1] holds U+FFFD or half a surrogate pair'],
    [['x'.repeat(20_000)], 'bannedTexts have 20000 bytes'],
  ])('refuses %.20j', (texts, message) => {
    expect(() => checkBannedTexts(texts as never, ember)).toThrow(message);
  });

  it('refuses texts where tokens do not say what the text is', () => {
    const cleaned = { ...ember, joining: 'cleaned' } as const;
    checkBannedTexts(['fox'], cleaned);
    expect(() => checkBannedTexts(['fox', 'fox.'], cleaned)).toThrow('would not be obeyed for "fox."');
    expect(() => checkBannedTexts(['fox'], { ...ember, joining: 'rules' })).toThrow(InputError);
    expect(() => checkBannedTexts(['fox'], undefined)).toThrow('no tokenizer');
  });
});
