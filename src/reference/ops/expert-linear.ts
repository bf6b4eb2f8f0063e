import type { ExpertLinearOp } from '../../graph/ops/expert-linear.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import { roundedValues } from '../../tensor/codec/round-activations.ts';
import { takesInt8 } from '../../tensor/formats/weight-formats.ts';
import type { RunOp } from '../op-run.ts';
import { linear } from './linear.ts';

export const runExpertLinear: RunOp<ExpertLinearOp> = ({ weight, bias, each }, [input, routed], run) => {
  const [, outSize, cols] = weight.shape as [number, number, number];
  const [x, routes, used, width] = [run.floats(input), run.floats(routed), usedExperts(routed as Value), widthOf(input as Value)];
  const isRounded = run.roundingBlock !== undefined && takesInt8(run.weight(weight.id).source.type);
  const values = isRounded ? roundedValues(x, run.roundingBlock as number) : x;
  const [weights, biases] = [run.decoded(weight.id), bias && run.decoded(bias.id)];
  const rows = x.length / width;
  const y = new Float64Array(rows * used * outSize);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < used; i++) {
      const e = routes[row * 2 * used + used + i]!;
      const from = row * width + (each ? i * cols : 0);
      const matrix = weights.subarray(e * outSize * cols, (e + 1) * outSize * cols);
      const product = linear(values.subarray(from, from + cols), matrix, cols, biases?.subarray(e * outSize, (e + 1) * outSize));
      y.set(product, (row * used + i) * outSize);
    }
  }
  return y;
};
