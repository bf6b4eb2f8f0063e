/** What a row's experts make of it, as one. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';
import { checkRoutes } from './route.ts';

/**
 * y[row] = sum over i of weight[row, i] * x[row, i]. Inputs: x [rows, used * width], a vector for each expert of a row; routes
 * [rows, 2 * used] of a route op. Output [rows, width].
 */
export interface ExpertSumOp {
  readonly kind: 'expertSum';
}

export function expertSum(g: OpSink<ExpertSumOp>, name: string, x: Value, routes: Value): Value {
  return g.op(name, { kind: 'expertSum' }, [x, routes]);
}

export const expertSumRules: OpRules<ExpertSumOp> = {
  weights: () => [],
  shape(_, [x, routes], check) {
    const { outer, width } = check.rowsOf(x);
    const used = checkRoutes(x, routes, check);
    if ((width as number) % used !== 0) check.fail(`a width that is ${used} vectors`, `${width}`);
    return [outer, (width as number) / used];
  },
};
