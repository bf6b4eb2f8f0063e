/** A convolution over time as what executors are fast at: a product, of rows put side by side. */
import type { OpSink } from './op-rules.ts';
import { channelConvolution } from './ops/channel-convolution.ts';
import type { ChannelConvolutionOp } from './ops/channel-convolution.ts';
import { linear } from './ops/linear.ts';
import type { LinearOp } from './ops/linear.ts';
import { overlapAdd } from './ops/overlap-add.ts';
import type { OverlapAddOp } from './ops/overlap-add.ts';
import { windows } from './ops/windows.ts';
import type { WindowsFields, WindowsOp } from './ops/windows.ts';
import { formatShape } from './value.ts';
import type { Value, WeightRef } from './value.ts';

export interface Conv1dFields extends WindowsFields {
  /**
   * Of one group [out, taps * channels], the taps first: value j * channels + c of a row is that of tap j and channel c. With a group for
   * each channel [channels, taps].
   */
  readonly weight: WeightRef;
  /** [out]; none where it is not given. */
  readonly bias?: WeightRef | undefined;
  /** 1, or as many as there are channels (depthwise). Default 1. */
  readonly groups?: number | undefined;
}

/**
 * y[t, o] = bias[o] + sum over j and c of weight[o, j, c] * x[t * stride + j * dilation - before, c]. Input x [rows, channels]. Output
 * [frames, out]. What torch calls `Conv1d`, but that x has its channels last.
 * @throws Error for groups of several channels
 */
export function conv1d(g: OpSink<WindowsOp | LinearOp | ChannelConvolutionOp>, name: string, x: Value, fields: Conv1dFields): Value {
  const { weight, bias, groups = 1, ...span } = fields;
  if (groups === 1) return linear(g, name, windows(g, `${name}.windows`, x, span), weight, bias);
  if (groups !== x.shape[1])
    throw new Error(`graph op ${name}: expected 1 group or one for each channel of ${formatShape(x.shape)}, found ${groups}`);
  return channelConvolution(g, name, x, { weight, bias, ...span });
}

export interface TransposedConv1dFields extends WindowsFields {
  /** [taps * out, channels]: row j * out + o is that of tap j and the result's channel o. */
  readonly weight: WeightRef;
  /** [out]; none where it is not given. */
  readonly bias?: WeightRef | undefined;
}

/**
 * y[t, o] = bias[o] + the sum of weight[j, o, c] * x[s, c] over all rows s and taps j with s * stride + j * dilation - before = t. Input x
 * [rows, channels]. Output [frames, out]. What torch calls `ConvTranspose1d` of one group.
 */
export function transposedConv1d(g: OpSink<LinearOp | OverlapAddOp>, name: string, x: Value, fields: TransposedConv1dFields): Value {
  const { weight, bias, ...span } = fields;
  return overlapAdd(g, name, linear(g, `${name}.products`, x, weight), { ...span, bias });
}
