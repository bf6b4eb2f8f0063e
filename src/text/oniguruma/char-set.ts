/** Sets of code points, with a memory of the answers by pages of 256. */

export interface CharSet {
  has(codePoint: number): boolean;
}

const pageBits = 8;
const pageSize = 1 << pageBits;
const pageMask = pageSize - 1;

/** A set by its rule, which is asked once for each code point of the pages in use. */
export function createCharSet(rule: (codePoint: number) => boolean): CharSet {
  const pages: (Uint8Array | undefined)[] = [];
  return {
    has: (codePoint) => (pages[codePoint >> pageBits] ??= pageOf(rule, codePoint & ~pageMask))[codePoint & pageMask] === 1,
  };
}

function pageOf(rule: (codePoint: number) => boolean, first: number): Uint8Array {
  return Uint8Array.from({ length: pageSize }, (_, offset) => (rule(first + offset) ? 1 : 0));
}
