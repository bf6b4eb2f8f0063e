/** What Option types with the keys of shortcuts on a Mac's English keyboard: nobody needs these to write. */
const ENGLISH: Readonly<Record<string, string>> = {
  KeyA: 'å',
  KeyB: '∫',
  KeyC: 'ç',
  KeyK: '˚',
  KeyL: '¬',
  KeyM: 'µ',
  KeyR: '®',
  KeyS: 'ß',
  KeyT: '†',
  KeyV: '√',
  KeyX: '≈',
  Comma: '≤',
  Period: '≥',
  Slash: '÷',
};
const SIGNS: Readonly<Record<string, string>> = { Comma: ',', Period: '.', Slash: '/' };

export interface PressedKey {
  readonly key: string;
  readonly code: string;
  /** Whether the person writes English, where keys with Option that begin an accent are hardly used. */
  readonly isEnglish: boolean;
}

/**
 * Whether a key that is pressed with Option on a Mac types what its keyboard has it for: a letter of the language (`ą`), a sign that
 * stands nowhere else (`@`, `~`, `€`), an accent. Then it means no command in what can be written in. Signs of mathematics and the like do.
 */
export function typesLetter({ key, code, isEnglish }: PressedKey): boolean {
  if (key === 'Dead') return !isEnglish;
  if (key.toLowerCase() === (SIGNS[code] ?? code.replace(/^Key/, '').toLowerCase()) || key === ENGLISH[code]) return false;
  return /^[\x21-\x7e]$/.test(key) || !/^[\p{Sm}\p{So}\p{Sk}]$/u.test(key);
}
