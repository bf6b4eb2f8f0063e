/** Attention over a sequence's stored keys and values. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * Writes k and v of every row into `state` at its position, then softmax(q k^T * scale) v over the positions of its
 * sequence that the row sees. Query head h reads key head floor(h / (heads / state.heads)).
 * Inputs: q [rows, heads * keyDim], k [rows, state.heads * keyDim], v [rows, state.heads * valueDim], positions [rows].
 * Output [rows, heads * valueDim].
 */
export interface AttentionOp {
  readonly kind: 'attention';
  readonly heads: number;
  readonly scale: number;
  readonly state: PagedState;
  /**
   * True: a row sees positions up to its own. False: it sees every position that the state holds after the step, so that rows which are to
   * see each other must come in one step.
   */
  readonly causal: boolean;
  /** Its state's. A causal row at position p sees the positions above p - window, itself among them; undefined: from 0 on. */
  readonly window: number | undefined;
}

/** What a printed attention op says of the positions that its rows see; nothing where those are 0..own. */
export function visibility({ causal, window }: Pick<AttentionOp, 'causal' | 'window'>): string {
  return `${window === undefined ? '' : ` window=${window}`}${causal ? '' : ' bidirectional'}`;
}

/** `causal` is true where it is not given. */
export interface AttentionFields extends Pick<AttentionOp, 'heads' | 'scale' | 'state'> {
  readonly positions: Value;
  readonly causal?: boolean | undefined;
}

/** `qkv`: queries, keys and values of the new rows. */
export function attention(g: OpSink<AttentionOp>, name: string, qkv: readonly [Value, Value, Value], fields: AttentionFields): Value {
  const { positions, heads, scale, state, causal = true } = fields;
  const { window } = state;
  return g.op(name, { kind: 'attention', heads, scale, state, causal, window }, [...qkv, positions]);
}

export const attentionRules: OpRules<AttentionOp> = {
  weights: () => [],
  states: ({ state }) => [state],
  follows({ state }, before, check) {
    const isTaken = before.some((op) => op.kind === 'attention' && op.state === state);
    if (isTaken) check.fail('a state of its own', `${stateName(state)}, which an attention before it writes`);
  },
  shape({ heads, state, causal, window }, [q, k, v, positions], check) {
    const { outer } = check.rowsOf(q);
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    if (state.memory) check.fail('a state of its own rows', `the memory ${stateName(state)}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    check.shape('k', k?.shape ?? [], [outer, state.heads * state.keyDim]);
    check.shape('v', v?.shape ?? [], [outer, state.heads * state.valueDim]);
    check.shape('positions', positions?.shape ?? [], [outer]);
    if (window !== undefined && !causal) check.fail('causal attention over a state with a window', `${window} without causality`);
    return [outer, heads * state.valueDim];
  },
  print: (op) => `heads=${op.heads} state=${stateName(op.state)}${visibility(op)}`,
};
