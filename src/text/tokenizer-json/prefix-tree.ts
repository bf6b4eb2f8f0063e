/** Finds the tokens that a text begins with: a tree over UTF-16 units whose edges lie in one hash table. */
import type { JsonFields } from '../../tensor/json-fields.ts';

export interface PrefixTree {
  /** The node that a unit leads to, or -1; the root is 0. */
  step(node: number, unit: number): number;
  /** The token that ends at a node, or -1. */
  tokenAt(node: number): number;
}

const unitBits = 16;

const maxUnits = 16 * 1024 * 1024;
const maxTokenUnits = 4096;

/**
 * @param tokens by id; undefined where an id is not used
 * @throws FormatError for a vocabulary whose tree would take hundreds of megabytes, or searches of it too long
 */
export function createPrefixTree(tokens: readonly (string | undefined)[], fields: JsonFields): PrefixTree {
  let units = 0;
  for (const token of tokens) {
    units += token?.length ?? 0;
    if (units > maxUnits) fields.fail('vocab', `at most ${maxUnits} characters in all tokens together`);
    if ((token?.length ?? 0) > maxTokenUnits) fields.fail('vocab', `tokens of at most ${maxTokenUnits} characters`);
  }
  let capacity = 1024;
  while (capacity < units * 1.5) capacity *= 2;
  const mask = capacity - 1;
  const fromNodes = new Int32Array(capacity).fill(-1);
  const fromUnits = new Uint16Array(capacity);
  const toNodes = new Int32Array(capacity);
  const tokenOf = new Int32Array(units + 1).fill(-1);
  let nodes = 1;
  const slotOf = (node: number, unit: number): number => {
    const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit + (node << unitBits), 0x85ebca6b);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    while (fromNodes[slot] !== -1 && (fromNodes[slot] !== node || fromUnits[slot] !== unit)) slot = (slot + 1) & mask;
    return slot;
  };
  tokens.forEach((token, id) => {
    if (token === undefined) return;
    let node = 0;
    for (let at = 0; at < token.length; at++) {
      const unit = token.charCodeAt(at);
      const slot = slotOf(node, unit);
      if (fromNodes[slot] === -1) {
        fromNodes[slot] = node;
        fromUnits[slot] = unit;
        toNodes[slot] = nodes++;
      }
      node = toNodes[slot]!;
    }
    tokenOf[node] = id;
  });
  return {
    step(node, unit) {
      const slot = slotOf(node, unit);
      return fromNodes[slot] === -1 ? -1 : toNodes[slot]!;
    },
    tokenAt: (node) => tokenOf[node]!,
  };
}
