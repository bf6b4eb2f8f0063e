/** An activation that keeps what is periodic, with a frequency for each channel. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/** y = x + sin(a[c] x)^2 / a[c]. Ziyin et al. 2020 ("snake"). Input x [rows, channels]; a [channels], none of them 0. */
export interface SnakeOp {
  readonly kind: 'snake';
  /** a. */
  readonly frequency: WeightRef;
}

export function snake(g: OpSink<SnakeOp>, name: string, x: Value, frequency: WeightRef): Value {
  return g.op(name, { kind: 'snake', frequency }, [x]);
}

export const snakeRules: OpRules<SnakeOp> = {
  weights: ({ frequency }) => [frequency],
  shape({ frequency }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    check.shape(`frequencies ${frequency.id}`, frequency.shape, [width]);
    return [outer, width];
  },
};
