/** White space as Rust and Unicode have it: JavaScript's trim takes U+FEFF besides and leaves U+0085. */
import { isWhitespace } from '../unicode-class.ts';

/** Where the text begins that is not white space. */
export function leadingSpaceEnd(text: string, from = 0): number {
  let at = from;
  while (at < text.length && isWhitespace(text.charCodeAt(at))) at++;
  return at;
}

/** Where the white space at the end begins, not before `least`. */
export function trailingSpaceStart(text: string, end = text.length, least = 0): number {
  let at = end;
  while (at > least && isWhitespace(text.charCodeAt(at - 1))) at--;
  return at;
}
