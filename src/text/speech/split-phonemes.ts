/** Phonemes in pieces that a model takes at once. */

/** Best places first: behind the end of a sentence, behind other marks, at a space. */
const PLACES: readonly RegExp[] = [/[!.?…][)”"]?\s*[^!.?…]*$/, /[:;][)”"]?\s*[^:;]*$/, /[,—][)”"]?\s*[^,—]*$/];

/**
 * Pieces of at most `most` symbols, without spaces at their ends.
 * @param phonemes symbols of one code point each
 */
export function splitPhonemes(phonemes: string, most: number): string[] {
  const pieces: string[] = [];
  let rest = Array.from(phonemes.trim());
  while (rest.length > most) {
    const cut = placeIn(rest.slice(0, most).join(''), most);
    pieces.push(rest.slice(0, cut).join('').trim());
    rest = Array.from(rest.slice(cut).join('').trim());
  }
  pieces.push(rest.join(''));
  return pieces.filter((piece) => piece !== '');
}

function placeIn(head: string, most: number): number {
  for (const place of PLACES) {
    const found = place.exec(head);
    if (found === null || found.index < most / 8) continue;
    const marks = /^[!.?…:;,—][)”"]?/.exec(head.slice(found.index))?.[0] ?? '';
    return Array.from(head.slice(0, found.index) + marks).length;
  }
  const space = head.lastIndexOf(' ');
  return space > 0 ? Array.from(head.slice(0, space)).length : most;
}
