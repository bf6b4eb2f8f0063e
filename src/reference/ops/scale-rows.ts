import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { RunOp } from '../op-run.ts';

export const runScaleRows: RunOp<ScaleRowsOp> = (_, [input, by], run) => {
  const [width, factors] = [widthOf(input as Value), run.floats(by)];
  return run.floats(input).map((value, i) => value * factors[Math.floor(i / width)]!);
};
