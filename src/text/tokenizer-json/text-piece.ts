/** A piece of text on its way through normalisers and pre-tokenizers. */

export interface TextPiece {
  readonly text: string;
  /**
   * It begins where the whole text does. Metaspace with `prepend_scheme` "first" asks; normalisers and splits carry the
   * answer along as tokenizers does its offsets.
   */
  readonly isFirst: boolean;
  /** UTF-16 units at its start that come from the first character of the whole text; 0 where it is not the first. */
  readonly head: number;
}

export function wholeText(text: string): TextPiece {
  return { text, isFirst: true, head: text === '' ? 0 : text.codePointAt(0)! > 0xffff ? 2 : 1 };
}

export function slicePiece(piece: TextPiece, start: number, end: number): TextPiece {
  const head = Math.max(0, Math.min(piece.head, end) - start);
  return { text: piece.text.slice(start, end), isFirst: piece.isFirst && head > 0, head };
}

/** A piece changed character by character, by a function that does to a part what it does to the whole. */
export function mapPiece({ text, isFirst, head }: TextPiece, change: (text: string) => string): TextPiece {
  const changed = change(text);
  return { text: changed, isFirst, head: head === 0 ? 0 : head === text.length ? changed.length : change(text.slice(0, head)).length };
}

/** Text put before a piece belongs to the character that it stands before. */
export function prependToPiece(piece: TextPiece, before: string): TextPiece {
  if (piece.text === '') return piece;
  return { ...piece, text: before + piece.text, head: piece.head === 0 ? 0 : piece.head + before.length };
}
