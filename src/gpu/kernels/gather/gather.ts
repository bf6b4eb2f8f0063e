/** y[i] = x[outIndices[i]], f32. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `x`: f32 [any, width]; `outIndices`: u32 [rows]; `y`: f32 [rows, width]. */
export interface GatherVariant extends RowsVariant {
  readonly width: number;
}

function piecesOf(variant: GatherVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOfWidth(variant.width).values, workgroupSize: 64 };
}

export function gatherKernel(variant: GatherVariant): Kernel {
  const { width } = variant;
  const type = `array<${lanesOfWidth(width).type}>`;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'outIndices', access: 'read', type: 'array<u32>' },
    { name: 'y', access: 'write', type },
  ];
  const body = `  y[row * ${pieces.pieces}u + piece] = x[outIndices[row] * ${pieces.pieces}u + piece];`;
  return rowPiecesKernel({ key: kernelKey('gather', variant), label: `gather [${width}]`, pieces, bindings, body });
}

export function gatherWorkgroups(variant: GatherVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
