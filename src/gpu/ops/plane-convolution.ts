import { planeConvolutionRules as graphRules } from '../../graph/ops/plane-convolution.ts';
import type { PlaneConvolutionOp } from '../../graph/ops/plane-convolution.ts';
import { widthOf } from '../../graph/value.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { planeConvolutionKernel, planeConvolutionWorkgroups } from '../kernels/windows/plane-convolution.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const planeConvolutionRules: GpuOpRules<PlaneConvolutionOp> = {
  describe: (op) => `${op.weight.id}${op.bias ? ` +${op.bias.id}` : ''} ${graphRules.print?.(op)}`,
  vectors: ({ weight, bias }) => [
    { key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] }, bias && gainOf({ weight: bias }),
  ],
  uses(step) {
    const [x] = step.inputs as readonly [GpuValue];
    const { taps, stride, before, bins, outBins, weight, bias } = step.op;
    const channels = weight.shape[1] as number;
    const variant = { taps, stride, before, bins, outBins, from: widthOf(x), channels, bias: bias !== undefined };
    const buffers = {
      x: floatsRef(x), xRows: { kind: 'size', dim: outerOf(x) }, weight: vectorRef(weight.id),
      ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
    } as const;
    return rowUse(step, {
      kernel: planeConvolutionKernel(variant), buffers, work: taps * taps,
      workgroups: (cells) => planeConvolutionWorkgroups(variant, cells),
    });
  },
};

export const lowerPlaneConvolution: Lower<PlaneConvolutionOp, PlaneConvolutionOp> = ({ op }) => ({ op });
