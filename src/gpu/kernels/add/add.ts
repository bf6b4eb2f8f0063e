/** y = a + b, f32. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `a`, `b` and `y`: f32 [rows, width]. */
export interface AddVariant extends RowsVariant {
  readonly width: number;
}

function piecesOf(variant: AddVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOfWidth(variant.width).values, workgroupSize: 64 };
}

export function addKernel(variant: AddVariant): Kernel {
  const { width } = variant;
  const type = `array<${lanesOfWidth(width).type}>`;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'a', access: 'read', type },
    { name: 'b', access: 'read', type },
    { name: 'y', access: 'write', type },
  ];
  const body = `  let at = row * ${pieces.pieces}u + piece;
  y[at] = a[at] + b[at];`;
  return rowPiecesKernel({ key: kernelKey('add', variant), label: `add [${width}]`, pieces, bindings, body });
}

export function addWorkgroups(variant: AddVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
