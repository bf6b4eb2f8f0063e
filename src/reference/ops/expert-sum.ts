import type { ExpertSumOp } from '../../graph/ops/expert-sum.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runExpertSum: RunOp<ExpertSumOp> = (_, [input, routed], run) => {
  const [x, routes, used] = [run.floats(input), run.floats(routed), usedExperts(routed as Value)];
  const width = widthOf(input as Value) / used;
  const rows = routes.length / (2 * used);
  const y = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < used; i++) {
      const share = routes[row * 2 * used + i]!;
      for (let c = 0; c < width; c++) y[row * width + c] = y[row * width + c]! + share * x[(row * used + i) * width + c]!;
    }
  }
  return y;
};
