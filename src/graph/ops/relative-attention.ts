/** Attention over rows that are given, of what they hold and of how far apart they are. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * softmax(s) v, with s[i, j] = scale * ((q[i] + contentBias) . k[j] + (q[i] + positionBias) . p[rows - 1 - i + j]), for each head by
 * itself: every row over all rows, by content and by distance. Dai et al. 2019 (Transformer-XL), there u and v for the biases; without a
 * mask, as encoders of speech have it (Gulati et al. 2020). Inputs: q, k, v [rows, heads * headDim], p [distances, heads * headDim], whose
 * {@link distancesOf} rows go from the farthest that a key is behind its query to the farthest that it is ahead. All rows are one sound.
 * Output [rows, heads * headDim].
 */
export interface RelativeAttentionOp {
  readonly kind: 'relativeAttention';
  readonly heads: number;
  readonly headDim: number;
  readonly scale: number;
  /** [heads, headDim] each. */
  readonly contentBias: WeightRef;
  readonly positionBias: WeightRef;
}

/** Distances between so many rows: as many in front of each as behind it, and none. */
export function distancesOf(rows: number): number {
  return Math.max(0, 2 * rows - 1);
}

export function relativeAttention(
  g: OpSink<RelativeAttentionOp>,
  name: string,
  qkvp: readonly [Value, Value, Value, Value],
  fields: Omit<RelativeAttentionOp, 'kind'>,
): Value {
  return g.op(name, { kind: 'relativeAttention', ...fields }, qkvp);
}

export const relativeAttentionRules: OpRules<RelativeAttentionOp> = {
  weights: ({ contentBias, positionBias }) => [contentBias, positionBias],
  shape({ heads, headDim, contentBias, positionBias }, [q, k, v, p], check) {
    const { outer } = check.rowsOf(q);
    const { outer: distances } = check.rowsOf(p);
    const width = heads * headDim;
    for (const [name, value] of Object.entries({ q, k, v })) check.shape(name, value?.shape ?? [], [outer, width]);
    check.shape('p', p?.shape ?? [], [distances, width]);
    for (const { id, shape } of [contentBias, positionBias]) check.shape(`bias ${id}`, shape, [heads, headDim]);
    return [outer, width];
  },
  print: ({ heads, headDim }) => `heads=${heads} headDim=${headDim}`,
};
