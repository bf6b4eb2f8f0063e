/** Keys and values of a memory: written once, by an encoder, for the cross attention of a decoder. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * Writes k and v of every row into `state` at its position. Inputs: k [rows, state.heads * keyDim], v [rows, state.heads * valueDim],
 * positions [rows]. It has no output.
 */
export interface WriteMemoryOp {
  readonly kind: 'writeMemory';
  readonly state: PagedState;
}

/** `rows`: keys, values and positions. */
export function writeMemory(g: OpSink<WriteMemoryOp>, name: string, rows: readonly [Value, Value, Value], state: PagedState): void {
  g.op(name, { kind: 'writeMemory', state }, rows);
}

export const writeMemoryRules: OpRules<WriteMemoryOp> = {
  weights: () => [],
  states: ({ state }) => [state],
  shape({ state }, [k, v, positions], check) {
    const { outer } = check.rowsOf(k);
    if (!state.memory) check.fail('a state that is a memory', stateName(state));
    check.shape('k', k?.shape ?? [], [outer, state.heads * state.keyDim]);
    check.shape('v', v?.shape ?? [], [outer, state.heads * state.valueDim]);
    check.shape('positions', positions?.shape ?? [], [outer]);
    return undefined;
  },
  print: ({ state }) => `state=${stateName(state)}`,
};
