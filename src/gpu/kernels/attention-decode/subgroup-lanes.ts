/** How the lanes of subgroups share the keys and values of decode attention. */
import { attentionSizes, cachedPart, chunkQuads, hasCodes } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { groupQuads } from '../../coded-cache.ts';
import { isCodedKv } from '../../../graph/kv-types.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';

/**
 * How lanes share keys. Names in the text: `h` heads, `u` keys in flight, `c` pieces of a lane's key, `v` of its value, `kw` and `vw` quads
 * of a piece: a chunk, or a group of codes.
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
  readonly kw: readonly number[];
  readonly vw: readonly number[];
}

export const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Whether lanes have groups of codes of keys, or of values. */
export function hasGroups(shape: AttentionShape, part: 'key' | 'value'): boolean {
  return hasCodes(shape) && isCodedKv(cachedPart(shape, part).type);
}

/** Pieces of a key or value, of which a lane has one or more, and quads of one. */
function piecesOf(shape: AttentionShape, part: 'key' | 'value'): { readonly count: number; readonly quads: number } {
  const { quadsOfChunk, ...sizes } = attentionSizes(shape);
  const { chunks } = sizes[part];
  return hasGroups(shape, part) ? { count: chunks / 2, quads: 2 * quadsOfChunk } : { count: chunks, quads: quadsOfChunk };
}

/** WGSL expressions of the quads of a loaded piece, of groups without their scale. */
export function pieceQuads(shape: AttentionShape, part: 'key' | 'value', name: string): readonly string[] {
  return hasGroups(shape, part) ? groupQuads(cachedPart(shape, part).type, name) : chunkQuads(shape, name);
}

export function lanesOf(variant: AttentionDecodeVariant, subgroupSize: number): Lanes {
  const [key, value] = [piecesOf(variant.shape, 'key'), piecesOf(variant.shape, 'value')];
  // The largest power of two that divides the pieces of both.
  const pieces = key.count | value.count;
  const keyLanes = Math.min(subgroupSize, pieces & -pieces);
  const subgroups = variant.invocations / subgroupSize;
  const sets = subgroupSize / keyLanes;
  const batch = sets * variant.unroll;
  return {
    variant, subgroupSize, keyLanes, subgroups, sets, batch,
    block: subgroups * batch,
    h: upTo(variant.queryHeads), u: upTo(variant.unroll),
    c: upTo(key.count / keyLanes), v: upTo(value.count / keyLanes), kw: upTo(key.quads), vw: upTo(value.quads),
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

/** Dot product of a head's q with quads given by name, of groups times their scales. */
export function dotText({ c, kw }: Lanes, h: number, key: (i: number, j: number) => string, scale?: (i: number) => string): string {
  const dots = (i: number) => kw.map((j) => `dot(q${h}_${i}_${j}, ${key(i, j)})`).join(' + ');
  return c.map((i) => (scale === undefined ? dots(i) : `(${dots(i)}) * ${scale(i)}`)).join(' + ');
}

/** WGSL expression of the place in a head's key or value of a lane's quad. */
export function quadText({ keyLanes, kw, vw }: Lanes, part: 'key' | 'value'): (i: number, j: number) => string {
  const quads = (part === 'key' ? kw : vw).length;
  return (i, j) => `(part + ${i * keyLanes}u) * ${quads}u + ${j}u`;
}
