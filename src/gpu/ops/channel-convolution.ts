import { channelConvolutionRules as graphRules } from '../../graph/ops/channel-convolution.ts';
import type { ChannelConvolutionOp } from '../../graph/ops/channel-convolution.ts';
import { widthOf } from '../../graph/value.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { channelConvolutionKernel, channelConvolutionWorkgroups } from '../kernels/windows/channel-convolution.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const channelConvolutionRules: GpuOpRules<ChannelConvolutionOp> = {
  describe: (op) => `${op.weight.id}${op.bias ? ` +${op.bias.id}` : ''} ${graphRules.print?.(op)}`,
  vectors: ({ weight, bias }) => [
    { key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] }, bias && gainOf({ weight: bias }),
  ],
  uses(step) {
    const [x] = step.inputs as readonly [GpuValue];
    const { taps, stride, dilation, before, weight, bias } = step.op;
    const variant = { taps, stride, dilation, before, channels: widthOf(x), bias: bias !== undefined };
    const buffers = {
      x: floatsRef(x), xRows: { kind: 'size', dim: outerOf(x) }, weight: vectorRef(weight.id),
      ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
    } as const;
    return rowUse(step, {
      kernel: channelConvolutionKernel(variant), buffers, work: taps,
      workgroups: (rows) => channelConvolutionWorkgroups(variant, rows),
    });
  },
};

export const lowerChannelConvolution: Lower<ChannelConvolutionOp, ChannelConvolutionOp> = ({ op }) => ({ op });
