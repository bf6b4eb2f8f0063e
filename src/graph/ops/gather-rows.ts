/** Some rows of a value, by index. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y[i] = x[indices[i]]. Inputs: x [rows, n], indices [outRows], i32. Output [outRows, n]. */
export interface GatherRowsOp {
  readonly kind: 'gatherRows';
}

export function gatherRows(g: OpSink<GatherRowsOp>, name: string, x: Value, indices: Value): Value {
  return g.op(name, { kind: 'gatherRows' }, [x, indices]);
}

export const gatherRowsRules: OpRules<GatherRowsOp> = {
  weights: () => [],
  shape(_, [x, indices], check) {
    const { width } = check.rowsOf(x);
    const [outer = 0, ...rest] = indices?.shape ?? [];
    if (indices?.dtype !== 'i32' || rest.length > 0)
      check.fail('indices of one dim and type i32', `${indices?.dtype} ${String(indices?.shape)}`);
    return [outer, width];
  },
};
