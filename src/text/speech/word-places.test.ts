import { expect, test } from 'vitest';
import { wordPlaces } from './word-places.ts';

const ends = (sentence: string, phonemes: string) =>
  wordPlaces(sentence, phonemes).map(({ word, phonemeEnd }) => [word, phonemes.slice(0, phonemeEnd)]);

test('words have a group of phonemes each, where there are as many', () => {
  expect(ends('Hello, big world!', 'həlˈO, bˈɪɡ wˈɜɹld!')).toEqual([
    ['Hello,', 'həlˈO,'], ['big', 'həlˈO, bˈɪɡ'], ['world!', 'həlˈO, bˈɪɡ wˈɜɹld!'],
  ]);
  expect(ends('“No” — yes.', '“nˈO” — jˈɛs.').map(([word]) => word)).toEqual(['“No” —', 'yes.']);
});

test('a word that is read as several, and several that are read as one, end where their share of the text does', () => {
  expect(ends('It costs $5 now.', 'ɪt kˈɔsts fˈIv dˈɑləɹz nˈW.')).toEqual([
    ['It', 'ɪt'], ['costs', 'ɪt kˈɔsts'], ['$5', 'ɪt kˈɔsts fˈIv dˈɑləɹz'], ['now.', 'ɪt kˈɔsts fˈIv dˈɑləɹz nˈW.'],
  ]);
  const joined = wordPlaces('One of the best.', 'wˈʌn ʌvðə bˈɛst.');
  expect(joined.map(({ phonemeEnd }) => phonemeEnd)).toEqual([4, 4, 9, 16]);
});

test('nothing has no words', () => {
  expect(wordPlaces('', '')).toEqual([]);
  expect(wordPlaces('... !', '…')).toEqual([]);
  expect(wordPlaces('hello', '')).toEqual([]);
});
