/** How the lanes of subgroups share the keys and values of decode attention. */
import { attentionSizes } from '../../attention-shape.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';

/**
 * How lanes share keys. Names in the text: `h` heads, `u` keys in flight, `c` chunks of a lane's key, `v` of its value, `w` quads of a
 * chunk.
 */
export interface Lanes {
  readonly variant: AttentionDecodeVariant;
  readonly subgroupSize: number;
  readonly subgroups: number;
  /** Lanes that hold one key. */
  readonly keyLanes: number;
  /** Keys that a subgroup holds at once, without unrolling. */
  readonly sets: number;
  /** Keys that a subgroup, and the workgroup, have in flight. */
  readonly batch: number;
  readonly block: number;
  readonly h: readonly number[];
  readonly u: readonly number[];
  readonly c: readonly number[];
  readonly v: readonly number[];
  readonly w: readonly number[];
}

export const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

export function lanesOf(variant: AttentionDecodeVariant, subgroupSize: number): Lanes {
  const { key, value, quadsOfChunk } = attentionSizes(variant.shape);
  // The largest power of two that divides the chunks of both.
  const chunks = key.chunks | value.chunks;
  const keyLanes = Math.min(subgroupSize, chunks & -chunks);
  const subgroups = variant.invocations / subgroupSize;
  const sets = subgroupSize / keyLanes;
  const batch = sets * variant.unroll;
  return {
    variant, subgroupSize, keyLanes, subgroups, sets, batch,
    block: subgroups * batch,
    h: upTo(variant.queryHeads), u: upTo(variant.unroll), w: upTo(quadsOfChunk),
    c: upTo(key.chunks / keyLanes), v: upTo(value.chunks / keyLanes),
  };
}

/** One text for every combination of the given indices, the last one fastest. */
export function each(indices: readonly (readonly number[])[], text: (...index: number[]) => string): string {
  const walk = (depth: number, index: readonly number[]): string[] =>
    depth === indices.length ? [text(...index)] : (indices[depth] as readonly number[]).flatMap((i) => walk(depth + 1, [...index, i]));
  return walk(0, []).join('\n');
}

/** Sums over the lanes of a key. */
export function reduced(name: string, keyLanes: number): string {
  return upTo(Math.log2(keyLanes)).map((bit) => `${name} += subgroupShuffleXor(${name}, ${1 << bit}u);`).join(' ');
}

/** Dot product of a head's q with quads given by name. */
export function dotText({ c, w }: Lanes, h: number, key: (i: number, j: number) => string): string {
  return c.flatMap((i) => w.map((j) => `dot(q${h}_${i}_${j}, ${key(i, j)})`)).join(' + ');
}

/** WGSL expression of the place in a head of a lane's quad. */
export function quadText({ variant, keyLanes }: Lanes): (i: number, j: number) => string {
  const { quadsOfChunk } = attentionSizes(variant.shape);
  return (i, j) => `(part + ${i * keyLanes}u) * ${quadsOfChunk}u + ${j}u`;
}
