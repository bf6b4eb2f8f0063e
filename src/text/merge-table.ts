/** Byte-pair merges as a hash table from a pair of token ids to its rank and result. */
import { FormatError } from '../tensor/errors.ts';

export interface MergeTable {
  readonly count: number;
  /** Rank of the merge of two tokens (0 is first), or -1. */
  rankOf(left: number, right: number): number;
  /** The token that a merge makes, by rank. */
  readonly results: Int32Array;
}

/** Merges by rank: two tokens and the one that they make. */
export interface MergeTriples {
  readonly lefts: Int32Array;
  readonly rights: Int32Array;
  readonly results: Int32Array;
}

/** @param duplicates which rank a pair has that is merged twice: llama.cpp takes the first, tokenizers the last */
export function createPairTable({ lefts, rights, results }: MergeTriples, duplicates: 'first' | 'last'): MergeTable {
  const count = lefts.length;
  const mask = tableSize(count) - 1;
  const slots = new Int32Array(mask + 1).fill(-1);
  const slotOf = (left: number, right: number): number => {
    let slot = hash(left, right) & mask;
    for (let rank = slots[slot]!; rank >= 0; rank = slots[slot]!) {
      if (lefts[rank] === left && rights[rank] === right) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  for (let rank = 0; rank < count; rank++) {
    const slot = slotOf(lefts[rank]!, rights[rank]!);
    if (slots[slot] === -1 || duplicates === 'last') slots[slot] = rank;
  }
  return { count, results, rankOf: (left, right) => slots[slotOf(left, right)]! };
}

/**
 * @param merges "left right", in order of rank
 * @param where where they are from, for messages
 * @throws FormatError for a merge that is not two tokens which make a third
 */
export function createMergeTable(
  merges: readonly string[],
  idOf: ReadonlyMap<string, number>,
  where: string,
): MergeTable {
  const count = merges.length;
  const triples = { lefts: new Int32Array(count), rights: new Int32Array(count), results: new Int32Array(count) };
  merges.forEach((merge, rank) => {
    // The first character is never the separator: a merge may begin with the token " ".
    const space = merge.indexOf(' ', 1);
    const left = space < 0 ? undefined : idOf.get(merge.slice(0, space));
    const right = space < 0 ? undefined : idOf.get(merge.slice(space + 1));
    const result = space < 0 ? undefined : idOf.get(merge.slice(0, space) + merge.slice(space + 1));
    if (left === undefined || right === undefined || result === undefined) throw badMerge(merge, rank, where);
    triples.lefts[rank] = left;
    triples.rights[rank] = right;
    triples.results[rank] = result;
  });
  return createPairTable(triples, 'first');
}

function tableSize(count: number): number {
  let size = 16;
  while (size < count * 2) size *= 2;
  return size;
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

const shownChars = 60;

function badMerge(merge: string, rank: number, where: string): FormatError {
  const shown = JSON.stringify(merge.slice(0, shownChars));
  return new FormatError(
    `${where}: merge ${rank} is ${shown}; expected two tokens of the vocabulary, a space between, that make a third. ` +
      'The vocabulary is damaged or its parts are from different models.',
  );
}
