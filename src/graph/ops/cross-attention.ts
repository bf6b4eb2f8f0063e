/** Attention over a memory: what the rows of another graph wrote, once. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * softmax(q k^T * scale) v over all positions that the sequence's memory holds. Vaswani et al. 2017. Query head h reads key head
 * floor(h / (heads / state.heads)). Input: q [rows, heads * keyDim]. Output [rows, heads * valueDim].
 */
export interface CrossAttentionOp {
  readonly kind: 'crossAttention';
  readonly heads: number;
  readonly scale: number;
  readonly state: PagedState;
}

export function crossAttention(g: OpSink<CrossAttentionOp>, name: string, q: Value, fields: Omit<CrossAttentionOp, 'kind'>): Value {
  return g.op(name, { kind: 'crossAttention', ...fields }, [q]);
}

export const crossAttentionRules: OpRules<CrossAttentionOp> = {
  weights: () => [],
  states: ({ state }) => [state],
  shape({ heads, state }, [q], check) {
    const { outer } = check.rowsOf(q);
    if (!state.memory) check.fail('a state that is a memory', stateName(state));
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    return [outer, heads * state.valueDim];
  },
  print: ({ heads, state }) => `heads=${heads} state=${stateName(state)}`,
};
