/** A text as arrays of code points and their classes, which splitting patterns run over. */
import { isWhitespace } from './unicode-class.ts';

export interface CodePoints {
  readonly text: string;
  readonly count: number;
  /** Code points, with white space beyond ASCII replaced by U+000B so that patterns see one kind of it. */
  readonly chars: Int32Array;
  /** Masks of CHAR_CLASS. */
  readonly classes: Uint8Array;
  /** UTF-16 offset in `text` of each code point, and the length of the text at the end. */
  readonly offsets: Int32Array;
}

const verticalTab = 0x0b;

export function codePointsOf(text: string, classOf: (codePoint: number) => number): CodePoints {
  const chars = new Int32Array(text.length);
  const classes = new Uint8Array(text.length);
  const offsets = new Int32Array(text.length + 1);
  let count = 0;
  for (let at = 0; at < text.length; count++) {
    const codePoint = text.codePointAt(at)!;
    const char = codePoint > 0x7f && isWhitespace(codePoint) ? verticalTab : codePoint;
    chars[count] = char;
    classes[count] = classOf(char);
    offsets[count] = at;
    at += codePoint > 0xffff ? 2 : 1;
  }
  offsets[count] = text.length;
  return { text, count, chars, classes, offsets };
}
