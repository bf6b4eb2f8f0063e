import { describe, expect, it } from 'vitest';
import { widthOf } from './text-width.ts';
import { createWordWrapper, wrapText } from './word-wrapper.ts';

/** What is written for a text that comes in pieces of `most` code points: half a family is a piece, half a surrogate pair never. */
function streamed(text: string, columns: number, most: number): string {
  let written = '';
  const wrapper = createWordWrapper({ columns: () => columns, write: (part) => (written += part) });
  const points = [...text];
  for (let at = 0; at < points.length; at += most) wrapper.push(points.slice(at, at + most).join(''));
  wrapper.flush();
  return written;
}

const TEXTS = {
  english: 'The quick brown fox jumps over the lazy dog, and the dog, being lazy, does not mind it at all.',
  paragraphs: 'One line.\n\n  - an item of a list that goes on and on\n  - another',
  japanese: '日本語のテキストは、空白がなくても折り返されます。「はい」と彼は言った。',
  emoji: 'a 👩‍👩‍👧 family 🏳️‍🌈 flag e\u0301 and 👍🏽 thumbs 🇯🇵 up',
};

const THAI = 'ภาษาไทยไม่มีช่องว่างระหว่างคำแต่ควรตัดบรรทัดตามคำ';

describe.each(Object.entries(TEXTS))('%s', (_, text) => {
  it.each([12, 20, 40])('fits %i columns, loses nothing but spaces at breaks, and does not depend on how it comes', (columns) => {
    const whole = wrapText(text, columns);
    expect(whole.split('\n').filter((line) => widthOf(line) >= columns)).toEqual([]);
    expect(whole.replaceAll(/\s+/g, '')).toBe(text.replaceAll(/\s+/g, ''));
    for (const most of [1, 2, 3, 7]) expect(streamed(text, columns, most)).toBe(whole);
  });
});

describe('createWordWrapper', () => {
  it('breaks at spaces, and keeps indentation and blank lines', () => {
    expect(wrapText('aaa bbb ccc', 8)).toBe('aaa bbb\nccc');
    expect(wrapText('  aaa\n\n\tb', 20)).toBe('  aaa\n\n\tb');
  });

  it('breaks Japanese anywhere but before a closing mark and after an opening one', () => {
    expect(wrapText('日本語の文。「はい」', 11).split('\n')).toEqual(['日本語の', '文。「は', 'い」']);
  });

  it('breaks Thai between words', () => {
    const words = Array.from(new Intl.Segmenter('th', { granularity: 'word' }).segment(THAI), ({ segment }) => segment);
    const starts = new Set(words.map((_, i) => words.slice(0, i).join('').length));
    let at = 0;
    for (const line of streamed(THAI, 16, 3).split('\n')) {
      expect(starts).toContain(at);
      at += line.length;
    }
  });

  it('leaves a long URL whole, on a line of its own', () => {
    const url = `https://example.org/${'path/'.repeat(20)}`;
    for (const most of [1, 5, 1000]) expect(streamed(`see ${url} for more`, 30, most)).toBe(`see\n${url}\nfor more`);
  });

  it('leaves fenced code as it is', () => {
    const code = 'Here you see it:\n```js\nconst answer = compute(the, question, of, everything);\n```\nand so on and so forth';
    expect(wrapText(code, 20)).toBe(
      'Here you see it:\n```js\nconst answer = compute(the, question, of, everything);\n```\nand so on and so\nforth',
    );
  });

  it('counts a new width from the next word', () => {
    let columns = 40;
    let written = '';
    const wrapper = createWordWrapper({ columns: () => columns, write: (part) => (written += part) });
    wrapper.push('one two three four ');
    columns = 12;
    wrapper.push('five six seven eight ');
    wrapper.flush();
    expect(written.split('\n').slice(1).filter((line) => line.length >= 12)).toEqual([]);
    expect(written.replaceAll('\n', ' ')).toBe('one two three four five six seven eight');
  });
});
