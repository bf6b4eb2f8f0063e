/** Rows put side by side: y[t, j * channels + c] = x[t * stride + j * dilation - before, c], or zero. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces } from '../../wgsl/row-pieces.ts';

/** Bindings `x`: f32 [rows, channels], its number of rows as `xRows`; `y`: f32 [frames, taps * channels]. */
export interface WindowsVariant {
  readonly channels: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

/** What kernels over windows read: x, and how many rows it has. */
export function windowBindings(type: string): readonly Binding[] {
  return [{ name: 'x', access: 'read', type: `array<${type}>` }, { name: 'xRows', access: 'uniform', type: 'Step' }];
}

function piecesOf({ channels, taps }: WindowsVariant): RowPieces {
  return { rows: {}, pieces: (taps * channels) / lanesOfWidth(channels).values, workgroupSize: 64 };
}

export function windowsKernel(variant: WindowsVariant): Kernel {
  const { channels, taps, stride, dilation, before } = variant;
  const { type, values } = lanesOfWidth(channels);
  const width = channels / values;
  const pieces = piecesOf(variant);
  const body = `  let source = i32(row * ${stride}u + (piece / ${width}u) * ${dilation}u) - ${before};
  var value = ${type}(0.0);
  if (source >= 0 && source < i32(xRows.rows)) { value = x[u32(source) * ${width}u + piece % ${width}u]; }
  y[row * ${pieces.pieces}u + piece] = value;`;
  return rowPiecesKernel({
    key: kernelKey('windows', variant), label: `windows [${taps} x ${channels}] / ${stride}`, pieces, body,
    bindings: [...windowBindings(type), { name: 'y', access: 'write', type: `array<${type}>` }],
  });
}

export function windowsWorkgroups(variant: WindowsVariant, frames: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), frames);
}
