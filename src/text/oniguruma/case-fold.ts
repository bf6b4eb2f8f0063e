/** Letters that are the same but for case, by Unicode's full case folding. */

interface FoldTable {
  /** All code points of each fold with more than one. */
  readonly variants: ReadonlyMap<number, readonly number[]>;
  /** Code points that fold to several, by the folded text: "ss" for ß. */
  readonly foldsToText: ReadonlyMap<string, readonly number[]>;
}

const lastCased = 0x1e943;
/** Turkic letters, which fold to themselves. */
const dottedCapitalI = 0x130;
const dotlessI = 0x131;
const capitalSharpS = 0x1e9e;

function simpleFold(codePoint: number): number {
  const char = String.fromCodePoint(codePoint);
  const upper = char.toUpperCase();
  const lower = (oneCodePoint(upper) ? upper : char).toLowerCase();
  return codePoint !== dottedCapitalI && codePoint !== dotlessI && oneCodePoint(lower) ? lower.codePointAt(0)! : codePoint;
}

function oneCodePoint(text: string): boolean {
  return text.length === (text.codePointAt(0)! > 0xffff ? 2 : 1);
}

function buildFoldTable(): FoldTable {
  const byFold = new Map<number, number[]>();
  const foldsToText = new Map<string, number[]>();
  for (let codePoint = 0x41; codePoint <= lastCased; codePoint++) {
    // CJK, Hangul and private characters have no case.
    if (codePoint === 0x2e80) codePoint = 0xa640;
    if (codePoint === 0xac00) codePoint = 0xfb00;
    const fold = simpleFold(codePoint);
    append(byFold, fold, codePoint);
    const text = textFold(codePoint);
    if (text !== undefined) append(foldsToText, text, codePoint);
  }
  const variants = new Map<number, readonly number[]>();
  for (const group of byFold.values()) if (group.length > 1) for (const member of group) variants.set(member, group);
  return { variants, foldsToText };
}

function append<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** The folded text of a code point that folds to more than one; Unicode lists these with status F. */
function textFold(codePoint: number): string | undefined {
  if (codePoint === dottedCapitalI) return 'i\u0307';
  if (codePoint === capitalSharpS) return 'ss';
  const upper = String.fromCodePoint(codePoint).toUpperCase();
  return oneCodePoint(upper) ? undefined : upper.toLowerCase();
}

export interface CaseFold {
  /** The code points that differ from one by case, it among them. */
  variantsOf(codePoint: number): readonly number[];
  /** Code points whose full fold is a text of several: ß for "ss". */
  foldingTo(text: string): readonly number[];
  /** Every text that some code point folds to, and the code points. */
  readonly texts: ReadonlyMap<string, readonly number[]>;
}

/** Works out the table when first asked; patterns without (?i) never ask. */
export function createCaseFold(): CaseFold {
  let table: FoldTable | undefined;
  const get = (): FoldTable => (table ??= buildFoldTable());
  return {
    variantsOf: (codePoint) => get().variants.get(codePoint) ?? [codePoint],
    foldingTo: (text) => get().foldsToText.get(text) ?? [],
    get texts() {
      return get().foldsToText;
    },
  };
}
