import { expect, it } from 'vitest';
import { typesLetter } from '../../app/state/types-letter.ts';

it('tells letters that Option makes from keys that mean a command', () => {
  for (const [key, code] of [
    ['@', 'KeyL'],
    ['~', 'KeyN'],
    ['€', 'KeyE'],
    ['ą', 'KeyA'],
    ['ć', 'KeyC'],
    ['…', 'Period'],
  ] as const)
    for (const isEnglish of [true, false]) expect(typesLetter({ key, code, isEnglish }), key).toBe(true);
  for (const [key, code] of [
    ['l', 'KeyL'],
    ['N', 'KeyN'],
    ['/', 'Slash'],
    [',', 'Comma'],
    ['.', 'Period'],
    ['ß', 'KeyS'],
    ['å', 'KeyA'],
    ['÷', 'Slash'],
    ['∆', 'KeyK'],
  ] as const)
    for (const isEnglish of [true, false]) expect(typesLetter({ key, code, isEnglish }), key).toBe(false);
  // Option N begins ñ: who writes English has little use for it.
  expect(typesLetter({ key: 'Dead', code: 'KeyN', isEnglish: true })).toBe(false);
  expect(typesLetter({ key: 'Dead', code: 'KeyN', isEnglish: false })).toBe(true);
});
