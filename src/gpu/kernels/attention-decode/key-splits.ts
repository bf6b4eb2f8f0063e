/**
 * Keys of one query cut into ranges for workgroups of their own. The grid has always `count` of them, and those past the last key
 * return at once: the more keys, the more of them work, until all do.
 */
import type { AttentionShape } from '../../attention-shape.ts';

export interface KeySplits {
  readonly count: number;
  /** A split takes a multiple of this many keys. */
  readonly granule: number;
}

/** WGSL expression of the keys of one split for a query that sees its own key and `before` others (a WGSL expression). */
export function keysOfSplit({ count, granule }: KeySplits, before: string): string {
  return `(${before} / ${count * granule}u + 1u) * ${granule}u`;
}

/** Quads of one partial result: values not yet divided by their weights' sum, then (highest score, sum, 0, 0). */
export function partialQuads({ valueDim }: Pick<AttentionShape, 'valueDim'>): number {
  return valueDim / 4 + 1;
}

/** Bytes of binding `partials`: array<vec4<f32>> [rows][heads][splits][partialQuads]. */
export function partialBytes(shape: Pick<AttentionShape, 'heads' | 'valueDim'>, splits: KeySplits, rows: number): number {
  return rows * shape.heads * splits.count * partialQuads(shape) * 16;
}
