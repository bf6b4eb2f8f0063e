/** How much each row attends to each position of a memory: what `storedAttention` multiplies values by, of some heads. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value } from '../value.ts';

/**
 * softmax(q k^T * scale) over the keys that the sequence's memory holds, of the query heads that `taken` lists. Query head h reads key head
 * floor(h / (heads / state.heads)). It writes no state.
 * Input q [rows, heads * keyDim]. Output [rows, taken.length * positions]: of a head `positions` weights, zeros behind the memory's last.
 */
export interface MemoryWeightsOp {
  readonly kind: 'memoryWeights';
  readonly heads: number;
  readonly state: PagedState;
  readonly scale: number;
  readonly taken: readonly number[];
  /** As many as a memory has at most. */
  readonly positions: number;
}

export function memoryWeights(g: OpSink<MemoryWeightsOp>, name: string, q: Value, fields: Omit<MemoryWeightsOp, 'kind'>): Value {
  return g.op(name, { kind: 'memoryWeights', ...fields }, [q]);
}

export const memoryWeightsRules: OpRules<MemoryWeightsOp> = {
  weights: () => [],
  states: ({ state }) => [state],
  shape({ heads, state, taken, positions }, [q], check) {
    const { outer } = check.rowsOf(q);
    if (!state.memory) check.fail('a memory', stateName(state));
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    if (taken.length === 0 || taken.some((head) => !(Number.isInteger(head) && head >= 0 && head < heads)))
      check.fail(`at least one of the heads 0 to ${heads - 1}`, taken.join(', '));
    return [outer, taken.length * positions];
  },
  print: ({ heads, state, taken, positions }) =>
    `heads=${heads} state=${stateName(state)} taken=${taken.join(',')} positions=${positions}`,
};
