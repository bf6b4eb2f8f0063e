import { channelConvolutionRules as graphRules } from '../../graph/ops/channel-convolution.ts';
import type { ChannelConvolutionOp } from '../../graph/ops/channel-convolution.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeWindows } from './windows.ts';

/** Bytes of a thread's scratch: weights of 64 channels, tap by tap (`assembly/windows.ts`). */
export function channelScratchBytes({ taps }: Pick<ChannelConvolutionOp, 'taps'>): number {
  return taps * 64 * 4;
}

export const channelConvolutionRules: CpuOpRules<ChannelConvolutionOp> = {
  code: 27,
  describe: (op, typeOf) => `${shownWeight(op.weight, typeOf)}${op.bias ? ` +${op.bias.id}` : ''} ${graphRules.print?.(op)}`,
  write(out, step, at) {
    writeWindows(out, step, at);
    out.ints(at.vector(step.op.weight.id), vectorAt(at, step.op.bias));
  },
};

export const lowerChannelConvolution: Lower<ChannelConvolutionOp, ChannelConvolutionOp> = ({ op }) => ({ op });
