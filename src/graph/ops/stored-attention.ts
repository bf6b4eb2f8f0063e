/** Attention over keys and values that another op has stored: those of a memory, or of the layer whose state it shares. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import { checkScores, scoring } from './attention.ts';
import type { Scores } from './attention.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * softmax(q k^T * scale) v over what the sequence's state holds. Vaswani et al. 2017. Query head h reads key head
 * floor(h / (heads / state.heads)). It writes nothing.
 *
 * A memory was written by the rows of another graph, and every row sees all of it (cross attention). Any other state belongs to an
 * `attention` before it in the same graph, its owner, whose keys and values this layer uses (KV sharing, as in Gemma 3n): a row sees the
 * positions up to its own, within the state's window.
 * Inputs: q [rows, heads * keyDim] and, of a state with an owner, positions [rows]. Output [rows, heads * valueDim].
 */
export interface StoredAttentionOp extends Scores {
  readonly kind: 'storedAttention';
  readonly heads: number;
  readonly state: PagedState;
}

export interface StoredAttentionFields extends Omit<StoredAttentionOp, 'kind'> {
  /** Needed unless the state is a memory. */
  readonly positions?: Value | undefined;
}

export function storedAttention(g: OpSink<StoredAttentionOp>, name: string, q: Value, fields: StoredAttentionFields): Value {
  const { positions, ...op } = fields;
  return g.op(name, { kind: 'storedAttention', ...op }, positions === undefined ? [q] : [q, positions]);
}

export const storedAttentionRules: OpRules<StoredAttentionOp> = {
  weights: ({ sinks }) => (sinks === undefined ? [] : [sinks]),
  states: ({ state }) => [state],
  follows({ state }, before, check) {
    if (state.memory || before.some((op) => op.kind === 'attention' && op.state === state)) return;
    check.fail(`an attention before it in its graph that writes ${stateName(state)}`, 'none');
  },
  shape({ heads, state, ...scores }, [q, positions], check) {
    const { outer } = check.rowsOf(q);
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    checkScores(scores, heads, check);
    if (state.memory && scores.temperature !== undefined)
      check.fail('no temperature, as a memory has no positions of queries', stateName(state));
    if (state.memory && positions !== undefined) check.fail('no positions: every row sees all of a memory', positions.label);
    if (!state.memory) check.shape('positions', positions?.shape ?? [], [outer]);
    return [outer, heads * state.valueDim];
  },
  print: ({ heads, state, ...scores }) =>
    `heads=${heads} state=${stateName(state)}${state.window === undefined ? '' : ` window=${state.window}`}${scoring(scores)}`,
};
