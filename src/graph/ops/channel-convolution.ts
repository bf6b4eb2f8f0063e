/** A convolution over time of every channel by itself, of rows that are all there. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';
import type { WindowsFields, WindowsOp } from './windows.ts';
import { windowsRules } from './windows.ts';

/**
 * y[t, c] = bias[c] + sum over j of weight[c, j] * x[t * stride + j * dilation - before, c], x being zero where there is no such row
 * (depthwise convolution). Input x [rows, channels]. Output [frames, channels].
 */
export interface ChannelConvolutionOp extends Omit<WindowsOp, 'kind'> {
  readonly kind: 'channelConvolution';
  /** [channels, taps]. */
  readonly weight: WeightRef;
  /** [channels]. */
  readonly bias: WeightRef | undefined;
}

export interface ChannelConvolutionFields extends WindowsFields {
  readonly weight: WeightRef;
  readonly bias?: WeightRef | undefined;
}

export function channelConvolution(g: OpSink<ChannelConvolutionOp>, name: string, x: Value, fields: ChannelConvolutionFields): Value {
  const { taps, frames, stride = 1, dilation = 1, before = 0, weight, bias } = fields;
  return g.op(name, { kind: 'channelConvolution', taps, stride, dilation, before, frames, weight, bias }, [x]);
}

export const channelConvolutionRules: OpRules<ChannelConvolutionOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  shape(op, [x], check) {
    const { weight, bias, taps, frames } = op;
    const { width: channels } = check.rowsOf(x);
    check.shape(`weight ${weight.id}`, weight.shape, [channels, taps]);
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [channels]);
    windowsRules.shape({ ...op, kind: 'windows' }, [x as Value], check);
    return [frames, channels];
  },
  print: (op) => windowsRules.print?.({ ...op, kind: 'windows' }) ?? '',
};
