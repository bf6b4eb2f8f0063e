/** Two values side by side: the columns of a, then those of b. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `a`: f32 [rows, left], `b`: f32 [rows, right], `y`: f32 [rows, left + right]. */
export interface JoinColumnsVariant extends RowsVariant {
  readonly left: number;
  readonly right: number;
}

/** Both begin where a vector does, or all is taken value by value. */
function lanesOf({ left, right }: JoinColumnsVariant): ReturnType<typeof lanesOfWidth> {
  return lanesOfWidth(left % 4 === 0 ? right : 1);
}

function piecesOf(variant: JoinColumnsVariant): RowPieces {
  return { rows: variant, pieces: (variant.left + variant.right) / lanesOf(variant).values, workgroupSize: 64 };
}

export function joinColumnsKernel(variant: JoinColumnsVariant): Kernel {
  const { left, right } = variant;
  const { values, type } = lanesOf(variant);
  const pieces = piecesOf(variant);
  const of = `array<${type}>`;
  const bindings: readonly Binding[] = [
    { name: 'a', access: 'read', type: of }, { name: 'b', access: 'read', type: of }, { name: 'y', access: 'write', type: of },
  ];
  const body = `  let at = row * ${pieces.pieces}u + piece;
  if (piece < ${left / values}u) {
    y[at] = a[row * ${left / values}u + piece];
  } else {
    y[at] = b[row * ${right / values}u + piece - ${left / values}u];
  }`;
  return rowPiecesKernel({ key: kernelKey('join-columns', variant), label: `join-columns [${left} + ${right}]`, pieces, bindings, body });
}

export function joinColumnsWorkgroups(variant: JoinColumnsVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
