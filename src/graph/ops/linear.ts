/** Product with a matrix. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { formatShape } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * y = W x + b. Inputs: x [rows, in]. Weight [out, in]; bias [out].
 *
 * Weights that are stored [in, out], and ranges of the columns of a matrix, cannot be had by moving rows of blocks. They have no field
 * yet, as no model here needs one; where one does, it joins these (`transposed`, `columns`), every room obeys it or refuses it by name,
 * and the weight stays as its file has it.
 */
export interface LinearOp {
  readonly kind: 'linear';
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
}

export function linear(g: OpSink<LinearOp>, name: string, x: Value, weight: WeightRef, bias?: WeightRef): Value {
  return g.op(name, { kind: 'linear', weight, bias }, [x]);
}

export const linearRules: OpRules<LinearOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  shape({ weight, bias }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    const [out, cols] = weight.shape;
    if (weight.shape.length !== 2 || cols !== width || out === undefined) {
      return check.fail(`weight ${weight.id} of shape [out, ${width}]`, formatShape(weight.shape));
    }
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [out]);
    return [outer, out];
  },
};
