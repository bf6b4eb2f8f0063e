/**
 * Whether a key that is pressed with Alt may be typing: on a Mac, Option makes letters (`@`, `ą`) in what can be written in. Where it made
 * nothing of its own, `key` is the letter or the sign that `code` names.
 */
export function typesLetter({ key, code }: Pick<KeyboardEvent, 'key' | 'code'>): boolean {
  const signs: Readonly<Record<string, string>> = { Comma: ',', Period: '.', Slash: '/' };
  return key.toLowerCase() !== (signs[code] ?? code.replace(/^Key/, '').toLowerCase());
}
