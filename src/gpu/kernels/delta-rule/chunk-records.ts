/**
 * The gated delta rule in chunks (Yang, Wang, Zhang, Shen and Kim 2024, "Parallelizing Linear Transformers with the Delta Rule"; with
 * decays Yang, Kautz and Hatamizadeh 2024), as three kernels. With G_i the sum of logs of decays from the chunk's first row to row i, and
 * q, k of length 1 (q over sqrt(keyDim)):
 *     A_ij = beta_i (k_i . k_j) exp(G_i - G_j) for j < i,  M_ij = (q_i . k_j) exp(G_i - G_j) for j <= i,
 *     (I + A) W = beta_i exp(G_i) k_i,  (I + A) U = beta_i v_i                         (delta-chunk.ts: every chunk by itself)
 *     V = U - W S,  y = exp(G_i) q_i S + M V,  S = exp(G_last) S + sum_j exp(G_last - G_j) k_j V_j   (delta-state-pass.ts: one by one)
 * and what is done to y of a row (delta-finish.ts). No exponent is above 0.
 */
import type { KeyHeadMap } from '../../../graph/ops/delta-rule.ts';
import type { Binding } from '../../kernel.ts';
import { STEP_BINDING } from '../../linear-shape.ts';

export interface DeltaChunkShape {
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Multiples of 4. */
  readonly keyDim: number;
  readonly valueDim: number;
  readonly keyHeadMap: KeyHeadMap;
  /** Rows of a chunk: 16, 32 or 64. The last chunk of a sequence may have fewer. */
  readonly chunk: number;
}

/**
 * What the kernels leave for each other, f32 [rows, valueHeads, floats]: W [keyDim]; U, and later y [valueDim]; M [chunk], by the row's
 * place in its chunk; three factors: of q in y, of k in S, of S (the same in all rows of a chunk), and one that says nothing.
 */
export function recordFloats({ keyDim, valueDim, chunk }: Pick<DeltaChunkShape, 'keyDim' | 'valueDim' | 'chunk'>): number {
  return keyDim + valueDim + chunk + 4;
}

/** Where the parts of a record begin, in vectors of four. */
export function recordQuads(shape: DeltaChunkShape) {
  const [y, scores] = [shape.keyDim / 4, (shape.keyDim + shape.valueDim) / 4];
  return { y, scores, factors: scores + shape.chunk / 4, of: recordFloats(shape) / 4 };
}

/** Where q, k and v of a row begin, in vectors of four: all queries, all keys, all values. */
export function rowQuads({ keyHeads, valueHeads, keyDim, valueDim }: DeltaChunkShape) {
  return { k: (keyHeads * keyDim) / 4, v: (keyHeads * keyDim) / 2, of: (2 * keyHeads * keyDim + valueHeads * valueDim) / 4 };
}

/** WGSL expression of the key head of `head`. */
export function keyHeadText({ keyHeads, valueHeads, keyHeadMap }: Pick<DeltaChunkShape, 'keyHeads' | 'valueHeads' | 'keyHeadMap'>): string {
  return keyHeadMap === 'tiled' ? `head % ${keyHeads}u` : `head / ${valueHeads / keyHeads}u`;
}

/** `slots` [sequences] of (first row, rows, slot read, slot written), `rowSequence` [rows], and the number of the step's rows. */
export const SEQUENCE_BINDINGS: readonly Binding[] = [
  { name: 'rowSequence', access: 'read', type: 'array<u32>' }, { name: 'slots', access: 'read', type: 'array<vec4<u32>>' }, STEP_BINDING,
];

/** Vectors of a staged row of `depth` values, one of them a pad: rows that are read together lie in different banks. */
export function stagedQuads(depth: number): number {
  return depth / 4 + 1;
}

/** Depths of staging that a width can have, the largest first. */
export function depthsOf(width: number): readonly number[] {
  return [32, 16, 8, 4].filter((depth) => width % depth === 0);
}
