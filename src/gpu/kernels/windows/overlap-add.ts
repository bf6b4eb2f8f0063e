/** Windows backwards: y[t, c] = bias[c] + the sum of x[s, j * channels + c] with s * stride + j * dilation - before = t. */
import { kernelKey } from '../../kernel.ts';
import type { Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';
import { windowBindings } from './windows.ts';
import type { WindowsVariant } from './windows.ts';

/**
 * Bindings `x`: f32 [rows, taps * channels], its number of rows as `xRows`; `bias`: f32 [channels] where there is one; `y`: f32
 * [frames, channels].
 */
export interface OverlapAddVariant extends WindowsVariant {
  readonly bias: boolean;
}

function piecesOf({ channels }: OverlapAddVariant): RowPieces {
  return { rows: {}, pieces: channels / lanesOfWidth(channels).values, workgroupSize: 64 };
}

export function overlapAddKernel(variant: OverlapAddVariant): Kernel {
  const { channels, taps, stride, dilation, before, bias } = variant;
  const { type } = lanesOfWidth(channels);
  const pieces = piecesOf(variant);
  const body = `  var sum = ${bias ? 'bias[piece]' : `${type}(0.0)`};
  for (var j = 0u; j < ${taps}u; j++) {
    let at = i32(row) + ${before} - i32(j * ${dilation}u);
    if (at >= 0 && at % ${stride} == 0 && at / ${stride} < i32(xRows.rows)) {
      sum += x[(u32(at / ${stride}) * ${taps}u + j) * ${pieces.pieces}u + piece];
    }
  }
  y[row * ${pieces.pieces}u + piece] = sum;`;
  return rowPiecesKernel({
    key: kernelKey('overlap-add', variant), label: `overlap-add [${taps} x ${channels}] * ${stride}`, pieces, body,
    bindings: [
      ...windowBindings(type), ...(bias ? [{ name: 'bias', access: 'read' as const, type: `array<${type}>` }] : []),
      { name: 'y', access: 'write', type: `array<${type}>` },
    ],
  });
}

export function overlapAddWorkgroups(variant: OverlapAddVariant, frames: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), frames);
}
