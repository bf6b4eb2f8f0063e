/** y = silu(gate) * up. Shazeer 2020. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowCounts, RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';
import { siluFunction } from '../../wgsl/silu.ts';

/**
 * Bindings `gate` and `up`: f32 [rows, width]. Writes `y`: f32 [rows, width], or, as `q8`, `yCodes` and `yStats` (width a multiple
 * of 32).
 */
export interface SwigluVariant extends RowsVariant {
  readonly width: number;
  readonly output: 'f32' | 'q8';
}

function piecesOf(variant: SwigluVariant): RowPieces {
  const { width, output } = variant;
  return { rows: variant, pieces: output === 'q8' ? width / Q8_BLOCK : width / lanesOfWidth(width).values, workgroupSize: 64 };
}

export function swigluKernel(variant: SwigluVariant): Kernel {
  const { width, output } = variant;
  const { type } = lanesOfWidth(width);
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'gate', access: 'read', type: `array<${type}>` },
    { name: 'up', access: 'read', type: `array<${type}>` },
    ...(output === 'q8' ? q8Bindings('y', 'write') : [{ name: 'y', access: 'write' as const, type: `array<${type}>` }]),
  ];
  const swiglu = `fn swiglu(at: u32) -> ${type} { return silu(gate[at]) * up[at]; }`;
  const body = output === 'f32'
    ? `  let at = row * ${pieces.pieces}u + piece;
  y[at] = swiglu(at);`
    : `  let at = row * ${width / 4}u + piece * 4u;
  yPutBlock(row, piece, mat4x4<f32>(swiglu(at), swiglu(at + 1u), swiglu(at + 2u), swiglu(at + 3u)));`;
  const rounding = output === 'q8' ? [q8EpilogueFunctions({ name: 'y', width, norm: undefined })] : [];
  return rowPiecesKernel({
    key: kernelKey('swiglu', variant), label: `swiglu [${width}] ${output}`,
    pieces, bindings, body, functions: [siluFunction(type), swiglu, ...rounding],
  });
}

export function swigluWorkgroups(variant: SwigluVariant, counts: RowCounts): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), counts);
}
