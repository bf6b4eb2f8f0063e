/** A value times one number. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/** y = by * x, `by` a number, or a weight [1] of the file. Input x [rows, n]. */
export interface ScaleOp {
  readonly kind: 'scale';
  readonly by: number | WeightRef;
}

export function scale(g: OpSink<ScaleOp>, name: string, x: Value, by: number | WeightRef): Value {
  return g.op(name, { kind: 'scale', by }, [x]);
}

export const scaleRules: OpRules<ScaleOp> = {
  weights: ({ by }) => (typeof by === 'number' ? [] : [by]),
  shape({ by }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    if (typeof by !== 'number') check.shape(`factor ${by.id}`, by.shape, [1]);
    return [outer, width];
  },
  print: ({ by }) => (typeof by === 'number' ? `by=${by}` : ''),
};
