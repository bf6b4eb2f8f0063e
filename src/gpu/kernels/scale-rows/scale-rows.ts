/** y = by x, a factor for each row. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `x` and `y`: f32 [rows, width]; `by`: f32 [rows]. */
export interface ScaleRowsVariant extends RowsVariant {
  readonly width: number;
}

function piecesOf(variant: ScaleRowsVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOfWidth(variant.width).values, workgroupSize: 64 };
}

export function scaleRowsKernel(variant: ScaleRowsVariant): Kernel {
  const { width } = variant;
  const type = `array<${lanesOfWidth(width).type}>`;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'by', access: 'read', type: 'array<f32>' },
    { name: 'y', access: 'write', type },
  ];
  const body = `  let at = row * ${pieces.pieces}u + piece;
  y[at] = by[row] * x[at];`;
  return rowPiecesKernel({ key: kernelKey('scale-rows', variant), label: `scale-rows [${width}]`, pieces, bindings, body });
}

export function scaleRowsWorkgroups(variant: ScaleRowsVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
