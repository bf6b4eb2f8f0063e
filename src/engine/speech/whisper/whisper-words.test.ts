/** Beside transformers (scripts/fixtures/whisper_words.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixturesPath } from '../../../../test/fixture-tensors.ts';
import { segmentWords } from './window-words.ts';
import { wordGroups } from './word-groups.ts';

interface Recorded {
  readonly tokens: number[][];
  readonly cases: readonly { readonly ids: number[]; readonly language: string; readonly words: string[]; readonly indices: number[][] }[];
}

const { tokens, cases } = (JSON.parse(readFileSync(`${fixturesPath}whisper/words.json`, 'utf8')) as { words: Recorded }).words;
const CODES: Readonly<Record<string, string>> = { english: 'en', japanese: 'ja' };
const decode = (ids: readonly number[]): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids.flatMap((id) => tokens[id]!)));

describe('words', () => {
  it('are those of transformers, in 240 answers with and without spaces', () => {
    for (const { ids, language, words, indices } of cases) {
      const found = wordGroups(ids, { language: CODES[language], decode });
      const shown = JSON.stringify([decode(ids), language]);
      expect(found.map(({ text }) => text), shown).toEqual(words);
      // Where it drops a word of no text, transformers keeps its tokens beside the others' texts.
      expect(found.map(({ first, count }) => Array.from({ length: count }, (_, i) => first + i)), shown).toEqual(indices);
    }
    expect(cases.length).toBe(240);
  });

  it('end where their last token does, and begin where the one before them ends', () => {
    const [the, cat, s, comma] = [0, 1, 2, 4];
    const TIME = 100;
    const segment = { start: 0, end: 1, ids: [TIME, the!, cat!, s!, comma!, TIME + 50], first: 2 };
    const ends = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
    const words = segmentWords(segment, ends, { endOfText: TIME, language: 'en', decode });
    expect(words).toEqual([{ text: ' the', start: 0.3, end: 0.4 }, { text: " cat's,", start: 0.4, end: 0.7 }]);
    expect(segmentWords({ ...segment, ids: [the!], first: 0 }, ends, { endOfText: TIME, language: 'en', decode })[0]!.start).toBe(0);
  });
});
