/** Rows times a number each. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** y[row] = by[row] * x[row]. Inputs: x [rows, n], by [rows, 1]. Output [rows, n]. */
export interface ScaleRowsOp {
  readonly kind: 'scaleRows';
}

export function scaleRows(g: OpSink<ScaleRowsOp>, name: string, x: Value, by: Value): Value {
  return g.op(name, { kind: 'scaleRows' }, [x, by]);
}

export const scaleRowsRules: OpRules<ScaleRowsOp> = {
  weights: () => [],
  shape(_, [x, by], check) {
    const { outer, width } = check.rowsOf(x);
    check.shape('factors', (by as Value).shape, [outer, 1]);
    return [outer, width];
  },
};
