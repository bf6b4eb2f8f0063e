/**
 * Sums over a subgroup of several values at a time. One by one each takes a shuffle for every halving of the lanes; joined, a shuffle adds
 * two values of half of the lanes each, so that n values take n - 1 instead of n * log2(lanes): 31 for 32 values of 32 lanes, not 160.
 */
import { isPowerOfTwo } from '../../kernel.ts';
import { range } from '../../wgsl/expressions.ts';

export interface JoinedSums {
  /** Statements. */
  readonly text: string;
  /** Names of the sums that a lane has after them. */
  readonly names: readonly string[];
  /** WGSL of the number of its first one among all. */
  readonly first: string;
  /** Lanes side by side that have the same. */
  readonly copies: number;
}

/** Distances of lanes that are added up, from half of so many on. */
export function halvings(lanes: number): readonly number[] {
  return range(Math.log2(lanes)).map((i) => lanes / 2 ** (i + 1));
}

/**
 * @param values WGSL of the values of a lane, a power of two of them; statements and `first` see `slotLane`, the lane's number
 * @param lanes whose sums they are, side by side in a subgroup
 */
export function joinSums(values: readonly string[], lanes: number): JoinedSums {
  if (!isPowerOfTwo(values.length)) throw new Error(`joined sums: ${values.length} values`);
  const lines = values.map((value, i) => `var joined${i} = ${value};`);
  let count = values.length;
  for (const mask of halvings(lanes)) {
    if (count > 1) {
      count /= 2;
      const pairs = range(count).flatMap((i) => [
        `let sent = select(joined${i + count}, joined${i}, isHigh);`,
        `joined${i} = select(joined${i}, joined${i + count}, isHigh) + subgroupShuffleXor(sent, ${mask}u);`,
      ].join(' ')).map((pair) => `{ ${pair} }`);
      lines.push(`{ let isHigh = (slotLane & ${mask}u) != 0u;`, ...pairs, '}');
    } else lines.push(`joined0 += subgroupShuffleXor(joined0, ${mask}u);`);
  }
  const copies = (lanes * count) / values.length;
  const place = copies === 1 ? 'slotLane' : `(slotLane / ${copies}u)`;
  return {
    text: lines.join('\n'), names: range(count).map((i) => `joined${i}`), copies,
    first: count === 1 ? place : `${place} * ${count}u`,
  };
}
