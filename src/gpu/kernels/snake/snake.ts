/** y = x + sin(a x)^2 / a, a being that of the channel. Ziyin et al. 2020. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `x` and `y`: f32 [rows, width]; `frequency`: f32 [width]. */
export interface SnakeVariant extends RowsVariant {
  readonly width: number;
}

function piecesOf(variant: SnakeVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOfWidth(variant.width).values, workgroupSize: 64 };
}

/**
 * The sine of WGSL may be off by 2^-11 and is told for a turn alone. Its square is the same whole half turns away: what is left of a x
 * without them is within a quarter turn, where the power series up to the eleventh power is good to 6e-8. Pi is taken off in two parts,
 * the first of which has few bits.
 */
function sineFunction(type: string): string {
  return `fn sineOfHalfTurn(angle: ${type}) -> ${type} {
  let turns = round(angle * 0.318309886);
  let r = fma(-turns, ${type}(9.67653589793e-4), fma(-turns, ${type}(3.140625), angle));
  let z = r * r;
  return r + r * z * (-1.66666667e-1 + z * (8.33333333e-3 + z * (-1.98412698e-4 + z * (2.75573192e-6 - z * 2.50521084e-8))));
}`;
}

export function snakeKernel(variant: SnakeVariant): Kernel {
  const { width } = variant;
  const { type } = lanesOfWidth(width);
  const pieces = piecesOf(variant);
  const read = (name: string): Binding => ({ name, access: 'read', type: `array<${type}>` });
  const body = `  let at = row * ${pieces.pieces}u + piece;
  let a = frequency[piece];
  let sine = sineOfHalfTurn(a * x[at]);
  y[at] = x[at] + sine * sine / a;`;
  return rowPiecesKernel({
    key: kernelKey('snake', variant), label: `snake [${width}]`, pieces, functions: [sineFunction(type)], body,
    bindings: [read('x'), read('frequency'), { name: 'y', access: 'write', type: `array<${type}>` }],
  });
}

export function snakeWorkgroups(variant: SnakeVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
