/** Products with the matrices of the experts that each row goes to. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { formatShape } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';
import { checkRoutes } from './route.ts';

/**
 * y[row, i] = W[e] x[row] + b[e], e being the i-th expert of the row. Inputs: x, either [rows, in], the same for all experts of a row, or
 * [rows, used * in], one vector for each; routes [rows, 2 * used] of a route op. Weight [experts, out, in]; bias [experts, out].
 * Output [rows, used * out].
 */
export interface ExpertLinearOp {
  readonly kind: 'expertLinear';
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  /** The input has a vector for each expert of a row. */
  readonly each: boolean;
}

export type ExpertLinearFields = Pick<ExpertLinearOp, 'weight' | 'each'> & Partial<Pick<ExpertLinearOp, 'bias'>>;

export function expertLinear(
  g: OpSink<ExpertLinearOp>, name: string, [x, routes]: readonly [Value, Value], { weight, bias, each }: ExpertLinearFields,
): Value {
  return g.op(name, { kind: 'expertLinear', weight, bias, each }, [x, routes]);
}

export const expertLinearRules: OpRules<ExpertLinearOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  shape({ weight, bias, each }, [x, routes], check) {
    const { outer, width } = check.rowsOf(x);
    const used = checkRoutes(x, routes, check);
    const [experts, out, cols] = weight.shape;
    const inputs = each ? used : 1;
    if (weight.shape.length !== 3 || (cols as number) * inputs !== width)
      check.fail(`weight ${weight.id} of shape [experts, out, ${(width as number) / inputs}]`, formatShape(weight.shape));
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [experts as number, out as number]);
    return [outer, used * (out as number)];
  },
  print: ({ each }) => (each ? 'each' : ''),
};
