import { planeConvolutionRules as graphRules } from '../../graph/ops/plane-convolution.ts';
import type { PlaneConvolutionOp } from '../../graph/ops/plane-convolution.ts';
import { widthOf } from '../../graph/value.ts';
import type { Dim } from '../../graph/value.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const planeConvolutionRules: CpuOpRules<PlaneConvolutionOp> = {
  code: 32,
  describe: (op, typeOf) => `${shownWeight(op.weight, typeOf)}${op.bias ? ` +${op.bias.id}` : ''} ${graphRules.print?.(op)}`,
  write(out, { op, inputs: [x], outputs: [y] }, at) {
    out.ints(op.taps, op.stride, op.before, op.bins, op.outBins, at.dim(x?.shape[0] as Dim));
    out.ints(widthOf(x as CpuValue), widthOf(y as CpuValue), at.vector(op.weight.id), vectorAt(at, op.bias));
    out.ints(...rowsAt(at, x), ...rowsAt(at, y));
  },
};

export const lowerPlaneConvolution: Lower<PlaneConvolutionOp, PlaneConvolutionOp> = ({ op }) => ({ op });
