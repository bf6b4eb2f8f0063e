import { expect, test } from 'vitest';
import { createSentenceStream } from './sentence-stream.ts';
import { splitSentences } from './sentences.ts';

const TEXTS = [
  'Hello there. How are you? Fine!',
  'Mr. Smith paid 3.50 dollars to J. Doe. He left... and then came back. "Why?" she said. I am I. You too.',
  'One line\nanother line. And more\n\n  \nlast',
  `${'a long sentence, with parts; '.repeat(40)}end. Then another.`,
  '...', '', 'Wait! what? no. yes', 'これは文です。次の文です。', 'Same. Same. Same. Same.', 'e.g. this. E.g. that. etc. It is.',
];

test.each(TEXTS)('%j is the same sentences, in whatever pieces it comes', (text) => {
  const wanted = [...splitSentences(text)];
  for (const size of [1, 2, 3, 7, 1000]) {
    const stream = createSentenceStream();
    const found: string[] = [];
    for (let at = 0; at < text.length; at += size) found.push(...stream.push(text.slice(at, at + size)));
    found.push(...stream.end());
    expect(found, `pieces of ${size}`).toEqual(wanted);
  }
});

test('a sentence is there as soon as the next one begins', () => {
  const stream = createSentenceStream();
  expect(stream.push('Hello there')).toEqual([]);
  expect(stream.push('. ')).toEqual([]);
  expect(stream.push('H')).toEqual(['Hello there.']);
  expect(stream.push('i.')).toEqual([]);
  expect(stream.end()).toEqual(['Hi.']);
});
