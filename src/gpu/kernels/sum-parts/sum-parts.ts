/** y[r] = the sum of some vectors of row r, as a block leaves them (kernels/block). */
import { kernelKey } from '../../kernel.ts';
import type { Kernel, Workgroups } from '../../kernel.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `parts`: f32 [rows][parts][width]; `y`: f32 [rows, width]. */
export interface SumPartsVariant extends RowsVariant {
  readonly parts: number;
  /** A multiple of 4. */
  readonly width: number;
}

function piecesOf(variant: SumPartsVariant): RowPieces {
  return { rows: variant, pieces: variant.width / 4, workgroupSize: 64 };
}

export function sumPartsKernel(variant: SumPartsVariant): Kernel {
  const { parts, width } = variant;
  const quads = width / 4;
  return rowPiecesKernel({
    key: kernelKey('sum-parts', variant), label: `sum-parts [${width}] of ${parts}`, pieces: piecesOf(variant),
    bindings: [
      { name: 'parts', access: 'read', type: 'array<vec4<f32>>' }, { name: 'y', access: 'write', type: 'array<vec4<f32>>' },
    ],
    body: `  var sum = vec4<f32>();
  for (var n = 0u; n < ${parts}u; n++) { sum += parts[(row * ${parts}u + n) * ${quads}u + piece]; }
  y[row * ${quads}u + piece] = sum;`,
  });
}

export function sumPartsWorkgroups(variant: SumPartsVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
