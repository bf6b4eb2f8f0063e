import { describe, expect, it } from 'vitest';
import { timedText } from './timed-text.ts';

/** A tokenizer whose tokens are these texts; an empty one is the first half of the character of the next. */
function tokenizerOf(texts: readonly string[]) {
  let waiting = '';
  return {
    streamDecoder: () => ({
      push(id: number) {
        const text = texts[id]!;
        if (text === '') waiting = '\ufffd';
        else waiting = '';
        return text;
      },
      flush() {
        const left = waiting;
        waiting = '';
        return left;
      },
    }),
  };
}

describe('text of tokens with frames', () => {
  const texts = ['He', 'llo', ',', ' wor', 'ld', '.', '', 'é', ' 3'];
  const at = (id: number, frame: number, frames = 1) => ({ id, frame, frames });
  const of = (tokens: readonly ReturnType<typeof at>[]) => timedText(tokens, tokenizerOf(texts), 0.5);

  it('has words that begin with a space, and end before their marks', () => {
    const { text, words } = of([at(0, 1, 0), at(1, 1, 3), at(2, 9), at(3, 10, 2), at(4, 12, 4), at(5, 20)]);
    expect(text).toBe('Hello, world.');
    expect(words).toEqual([{ text: 'Hello,', start: 0.5, end: 2 }, { text: ' world.', start: 5, end: 8 }]);
  });

  it('waits for whole characters, and says what is left of one', () => {
    expect(of([at(0, 0), at(6, 2), at(7, 3), at(8, 6)])).toEqual({
      text: 'Heé 3', words: [{ text: 'Heé', start: 0, end: 2 }, { text: ' 3', start: 3, end: 3.5 }],
    });
    expect(of([at(8, 1), at(6, 4)]).text).toBe('3\ufffd');
  });

  it('is nothing of nothing', () => expect(of([])).toEqual({ text: '', words: [] }));
});
