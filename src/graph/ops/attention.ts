/** Attention over a sequence's stored keys and values. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * Writes k and v of every row into `state` at its position, then softmax(q k^T * scale) v over the sequence's
 * positions 0..own (causal). Query head h reads key head floor(h / (heads / state.heads)).
 * Inputs: q [rows, heads * keyDim], k [rows, state.heads * keyDim], v [rows, state.heads * valueDim], positions [rows].
 * Output [rows, heads * valueDim].
 */
export interface AttentionOp {
  readonly kind: 'attention';
  readonly heads: number;
  readonly scale: number;
  readonly state: PagedState;
}

export type AttentionFields = Omit<AttentionOp, 'kind'> & { readonly positions: Value };

/** `qkv`: queries, keys and values of the new rows. */
export function attention(g: OpSink<AttentionOp>, name: string, qkv: readonly [Value, Value, Value], { positions, ...fields }: AttentionFields): Value {
  return g.op(name, { kind: 'attention', ...fields }, [...qkv, positions]);
}

export const attentionRules: OpRules<AttentionOp> = {
  weights: () => [],
  shape({ heads, state }, [q, k, v, positions], check) {
    const { outer } = check.rowsOf(q);
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    check.shape('k', k?.shape ?? [], [outer, state.heads * state.keyDim]);
    check.shape('v', v?.shape ?? [], [outer, state.heads * state.valueDim]);
    check.shape('positions', positions?.shape ?? [], [outer]);
    return [outer, heads * state.valueDim];
  },
  print: ({ heads, state }) => `heads=${heads} state=${stateName(state)}`,
};
