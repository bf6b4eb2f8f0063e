/** Rounds f32 rows to int8 (q8-layout.ts), one block of 16 values for each invocation. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/** Bindings `x`: f32 [rows, width]; `yCodes`, `yStats`; with `norm` also `yGain`: f32 [width]; with `gather` `outIndices`: u32 [rows]. */
export interface QuantizeVariant extends RowsVariant {
  /** A multiple of 32. */
  readonly width: number;
  /** Writes q8n, the input of an RMS norm times its gain; undefined writes plain q8. */
  readonly norm: { readonly eps: number } | undefined;
  /** Row i of the result is of row outIndices[i] of x. */
  readonly gather: boolean;
}

function piecesOf(variant: QuantizeVariant): RowPieces {
  return { rows: variant, pieces: variant.width / Q8_BLOCK, workgroupSize: 64 };
}

export function quantizeKernel(variant: QuantizeVariant): Kernel {
  const { width, norm, gather } = variant;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type: 'array<vec4<f32>>' },
    ...(gather ? [{ name: 'outIndices', access: 'read' as const, type: 'array<u32>' }] : []),
    ...q8Bindings('y', 'write'),
    ...(norm ? [{ name: 'yGain', access: 'read' as const, type: 'array<f32>' }] : []),
  ];
  const body = `  let at = ${gather ? 'outIndices[row]' : 'row'} * ${width / 4}u + piece * 4u;
  yPutBlock(row, piece, mat4x4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]));`;
  return rowPiecesKernel({
    key: kernelKey('quantize', variant), label: `quantize [${width}] ${norm ? 'q8n' : 'q8'}`,
    pieces, bindings, body, functions: [q8EpilogueFunctions({ name: 'y', width, norm })],
  });
}

export function quantizeWorkgroups(variant: QuantizeVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
