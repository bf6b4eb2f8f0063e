/** Phonemes in pieces that a model takes at once. */

/** Best places first: behind the end of a sentence, behind other marks, at a space. */
const PLACES: readonly RegExp[] = [/[!.?…][)”"]?\s*[^!.?…]*$/, /[:;][)”"]?\s*[^:;]*$/, /[,—][)”"]?\s*[^,—]*$/];

/**
 * Pieces of at most `most` symbols, without spaces at their ends.
 * @param phonemes symbols of one code point each
 */
export function splitPhonemes(phonemes: string, most: number): string[] {
  const pieces: string[] = [];
  const symbols = Array.from(phonemes.trim());
  // Only what a piece may take is looked at: a text may have thousands of pieces.
  for (let at = 0; at < symbols.length; ) {
    const isLast = symbols.length - at <= most;
    const head = symbols.slice(at, at + most).join('');
    const cut = isLast ? symbols.length - at : placeIn(head, most);
    const piece = symbols.slice(at, at + cut).join('').trim();
    if (piece !== '') pieces.push(piece);
    at += cut;
    while (at < symbols.length && symbols[at]!.trim() === '') at++;
  }
  return pieces;
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
