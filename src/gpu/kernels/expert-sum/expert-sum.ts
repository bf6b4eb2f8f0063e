/** What a row's experts make of it, times their weights, as one; and a residual. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { range } from '../../wgsl/expressions.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `x`: f32 [rows, used * width]; `routes`: f32 [rows, 2 * used] of a route op; `residual` and `y`: f32 [rows, width]. */
export interface ExpertSumVariant extends RowsVariant {
  readonly used: number;
  readonly width: number;
  readonly residual: boolean;
}

function piecesOf(variant: ExpertSumVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOfWidth(variant.width).values, workgroupSize: 64 };
}

export function expertSumKernel(variant: ExpertSumVariant): Kernel {
  const { used, width, residual } = variant;
  const type = `array<${lanesOfWidth(width).type}>`;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'routes', access: 'read', type: 'array<f32>' },
    ...(residual ? [{ name: 'residual', access: 'read' as const, type }] : []),
    { name: 'y', access: 'write', type },
  ];
  const term = (i: number) => `routes[row * ${2 * used}u + ${i}u] * x[(row * ${used}u + ${i}u) * ${pieces.pieces}u + piece]`;
  const body = `  let at = row * ${pieces.pieces}u + piece;
  y[at] = ${[...(residual ? ['residual[at]'] : []), ...range(used).map(term)].join('\n    + ')};`;
  return rowPiecesKernel({
    key: kernelKey('expert-sum', variant), label: `expert-sum ${used}x[${width}]${residual ? ' +residual' : ''}`, pieces, bindings, body,
  });
}

export function expertSumWorkgroups(variant: ExpertSumVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
