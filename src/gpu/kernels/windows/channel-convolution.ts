/** Each channel over its own rows: y[t, c] = bias[c] + sum over j of weight[c, j] * x[t * stride + j * dilation - before, c]. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';
import { windowBindings } from './windows.ts';
import type { WindowsVariant } from './windows.ts';

/** Bindings as of windows, and `weight` f32 [channels, taps], `bias` f32 [channels] where there is one; `y` f32 [frames, channels]. */
export interface ChannelConvolutionVariant extends WindowsVariant {
  readonly bias: boolean;
}

function piecesOf({ channels }: ChannelConvolutionVariant): RowPieces {
  return { rows: {}, pieces: channels, workgroupSize: 64 };
}

export function channelConvolutionKernel(variant: ChannelConvolutionVariant): Kernel {
  const { channels, taps, stride, dilation, before, bias } = variant;
  const read = (name: string): Binding => ({ name, access: 'read', type: 'array<f32>' });
  const body = `  var sum = ${bias ? 'bias[piece]' : '0.0'};
  for (var j = 0u; j < ${taps}u; j++) {
    let source = i32(row * ${stride}u + j * ${dilation}u) - ${before};
    if (source >= 0 && source < i32(xRows.rows)) { sum += weight[piece * ${taps}u + j] * x[u32(source) * ${channels}u + piece]; }
  }
  y[row * ${channels}u + piece] = sum;`;
  return rowPiecesKernel({
    key: kernelKey('channel-convolution', variant), label: `channel-convolution [${channels}, ${taps}]`, pieces: piecesOf(variant), body,
    bindings: [
      ...windowBindings('f32'), read('weight'), ...(bias ? [read('bias')] : []), { name: 'y', access: 'write', type: 'array<f32>' },
    ],
  });
}

export function channelConvolutionWorkgroups(variant: ChannelConvolutionVariant, frames: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), frames);
}
