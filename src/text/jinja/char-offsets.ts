/** Positions of characters in UTF-16. */
import { charCount } from './values.ts';

export interface Offsets {
  /** Characters of the text. */
  readonly count: number;
  /** The UTF-16 offset of a character. */
  at(index: number): number;
}

/** UTF-16 offsets of characters; those of a text without surrogates are their indices. */
export function charOffsets(text: string): Offsets {
  if (!/[\ud800-\udfff]/.test(text)) return { count: text.length, at: (index) => index };
  const offsets = [0];
  for (const char of text) offsets.push(offsets.at(-1)! + char.length);
  return { count: charCount(text), at: (index) => offsets[index]! };
}
