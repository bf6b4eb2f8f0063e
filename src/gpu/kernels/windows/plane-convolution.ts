/** A convolution over rows and bins, of every channel by itself: `graph/ops/plane-convolution.ts` says what of. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';
import { windowBindings } from './windows.ts';

/**
 * Bindings `x` f32 [cells of x, from], their number as `xRows`; `weight` f32 [taps * taps, channels], `bias` f32 [channels] where there is
 * one; `y` f32 [cells, channels].
 */
export interface PlaneConvolutionVariant {
  readonly taps: number;
  readonly stride: number;
  readonly before: number;
  readonly bins: number;
  readonly outBins: number;
  readonly from: number;
  readonly channels: number;
  readonly bias: boolean;
}

/** Four channels at a time where each is of one of x, or all are of its only one. */
function lanesOf({ from, channels }: PlaneConvolutionVariant): ReturnType<typeof lanesOfWidth> {
  return lanesOfWidth(from === channels || from === 1 ? channels : 1);
}

function piecesOf(variant: PlaneConvolutionVariant): RowPieces {
  return { rows: {}, pieces: variant.channels / lanesOf(variant).values, workgroupSize: 64 };
}

export function planeConvolutionKernel(variant: PlaneConvolutionVariant): Kernel {
  const { taps, stride, before, bins, outBins, from, channels, bias } = variant;
  const { type, values } = lanesOf(variant);
  const pieces = piecesOf(variant);
  const each = channels / from;
  // Of one channel the value is that of all four.
  const [xType, xPieces] = values === 4 && from > 1 ? [type, from / 4] : ['f32', from];
  const source = from === 1 ? '' : ` * ${xPieces}u + piece${each === 1 ? '' : ` / ${each}u`}`;
  const read = (name: string): Binding => ({ name, access: 'read', type: `array<${type}>` });
  const body = `  let rows = i32(xRows.rows / ${bins}u);
  let firstRow = i32(row / ${outBins}u * ${stride}u) - ${before};
  let firstBin = i32(row % ${outBins}u * ${stride}u) - ${before};
  var sum = ${bias ? 'bias[piece]' : `${type}(0.0)`};
  for (var i = 0; i < ${taps}; i++) {
    for (var j = 0; j < ${taps}; j++) {
      let s = firstRow + i;
      let b = firstBin + j;
      if (s >= 0 && s < rows && b >= 0 && b < ${bins}) {
        sum += weight[u32(i * ${taps} + j) * ${pieces.pieces}u + piece] * x[u32(s * ${bins} + b)${source}];
      }
    }
  }
  y[row * ${pieces.pieces}u + piece] = sum;`;
  return rowPiecesKernel({
    key: kernelKey('plane-convolution', variant), label: `plane-convolution [${from} -> ${channels}, ${taps}x${taps}] / ${stride}`, pieces,
    bindings: [
      ...windowBindings(xType), read('weight'), ...(bias ? [read('bias')] : []), { name: 'y', access: 'write', type: `array<${type}>` },
    ],
    body,
  });
}

export function planeConvolutionWorkgroups(variant: PlaneConvolutionVariant, cells: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), cells);
}
