import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../test/fuzz-text.ts';
import { acceptsText } from './char-dfa.ts';
import { textUntil } from './text-until.ts';

/** Whether the mark comes once, at the end: by the engine's own search. */
const endsWithFirst = (text: string, mark: string): boolean => text.includes(mark) && text.indexOf(mark) + mark.length === text.length;

describe('text up to a mark', () => {
  it('ends where the mark has come for the first time, also one that holds its own beginning', () => {
    const random = createRandom(5);
    for (const mark of ['</think>', 'aab', 'abaabab', 'a', 'aa', '◁/think▷', '😀a😀']) {
      const dfa = textUntil(mark);
      const letters = [...new Set(mark), 'z', '\n'];
      for (let i = 0; i < 300; i++) {
        const length = Math.floor(random() * 12);
        const before = Array.from({ length }, () => letters[Math.floor(random() * letters.length)] as string).join('');
        for (const text of [before, before + mark, before + mark + before])
          expect(acceptsText(dfa, text), JSON.stringify([mark, text])).toBe(endsWithFirst(text, mark));
      }
    }
  });
});
