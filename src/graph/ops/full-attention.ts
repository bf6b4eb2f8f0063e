/** Attention over rows that are given, without a state: that of encoders, and of a decoder over what an encoder made. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/**
 * softmax(q k^T * scale) v: every row of q over all rows of k and v. Vaswani et al. 2017. Query head h reads key head
 * floor(h / (heads / kvHeads)). Inputs: q [rows, heads * keyDim], k [keys, kvHeads * keyDim], v [keys, kvHeads * valueDim].
 * Output [rows, heads * valueDim]; zeros where there are no keys.
 */
export interface FullAttentionOp {
  readonly kind: 'fullAttention';
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly scale: number;
}

export function fullAttention(
  g: OpSink<FullAttentionOp>,
  name: string,
  qkv: readonly [Value, Value, Value],
  fields: Omit<FullAttentionOp, 'kind'>,
): Value {
  return g.op(name, { kind: 'fullAttention', ...fields }, qkv);
}

export const fullAttentionRules: OpRules<FullAttentionOp> = {
  weights: () => [],
  shape({ heads, kvHeads, keyDim, valueDim }, [q, k, v], check) {
    const { outer } = check.rowsOf(q);
    const { outer: keys } = check.rowsOf(k);
    if (heads % kvHeads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${kvHeads}`);
    check.shape('q', q?.shape ?? [], [outer, heads * keyDim]);
    check.shape('k', k?.shape ?? [], [keys, kvHeads * keyDim]);
    check.shape('v', v?.shape ?? [], [keys, kvHeads * valueDim]);
    return [outer, heads * valueDim];
  },
  print: ({ heads, kvHeads, keyDim, valueDim }) => `heads=${heads} kvHeads=${kvHeads} keyDim=${keyDim} valueDim=${valueDim}`,
};
