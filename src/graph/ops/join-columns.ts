/** Two values side by side. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y[r] = the values of a[r], then those of b[r]. Inputs: a [rows, n], b [rows, m]. Output [rows, n + m]. */
export interface JoinColumnsOp {
  readonly kind: 'joinColumns';
}

export function joinColumns(g: OpSink<JoinColumnsOp>, name: string, a: Value, b: Value): Value {
  return g.op(name, { kind: 'joinColumns' }, [a, b]);
}

export const joinColumnsRules: OpRules<JoinColumnsOp> = {
  weights: () => [],
  shape(_, [a, b], check) {
    const [left, right] = [check.rowsOf(a), check.rowsOf(b)];
    if (left.outer !== right.outer) check.fail(`rows of ${left.outer} in both inputs`, String(right.outer));
    return [left.outer, left.width + right.width];
  },
};
