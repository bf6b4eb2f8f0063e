import { expect, it } from 'vitest';
import { typesLetter } from '../../app/state/types-letter.ts';

it('tells letters that Option makes from keys that mean a command', () => {
  for (const [key, code] of [
    ['@', 'KeyL'],
    ['ą', 'KeyA'],
    ['ć', 'KeyC'],
    ['Dead', 'KeyN'],
    ['÷', 'Slash'],
  ] as const)
    expect(typesLetter({ key, code })).toBe(true);
  for (const [key, code] of [
    ['l', 'KeyL'],
    ['N', 'KeyN'],
    ['/', 'Slash'],
    [',', 'Comma'],
    ['.', 'Period'],
  ] as const)
    expect(typesLetter({ key, code })).toBe(false);
});
