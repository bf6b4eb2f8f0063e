/** Sum of two values. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y = a + b. Inputs of equal shape [rows, n]. */
export interface AddOp {
  readonly kind: 'add';
}

export function add(g: OpSink<AddOp>, name: string, a: Value, b: Value): Value {
  return g.op(name, { kind: 'add' }, [a, b]);
}

export const addRules: OpRules<AddOp> = {
  weights: () => [],
  shape(_, [a, b], check) {
    const { outer, width } = check.rowsOf(a);
    check.shape('second input', b?.shape ?? [], [outer, width]);
    return [outer, width];
  },
};
