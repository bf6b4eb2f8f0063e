/** y = fn(x), or fn(gate) * up, both within bounds where there are some. */
import type { ActivationName, GateClamp } from '../../../graph/ops/activation.ts';
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';
import { activationFunction, clampFunctions, gateExpression } from '../../wgsl/activation.ts';

/**
 * Bindings `gate` and, where it is gated, `up`: f32 [rows, width]. Writes `y`: f32 [rows, width], or, as `q8`, `yCodes` and `yStats`
 * (width a multiple of 32).
 */
export interface ActivationVariant extends RowsVariant {
  readonly fn: ActivationName;
  readonly gated: boolean;
  /** Of a gate; absent: none. */
  readonly clamp?: GateClamp | undefined;
  /** `up` has rows of `of` values, of which those from `start` on count, both multiples of 4 where the width is one; absent: all. */
  readonly columns?: { readonly start: number; readonly of: number } | undefined;
  readonly width: number;
  readonly output: 'f32' | 'q8';
}

function piecesOf(variant: ActivationVariant): RowPieces {
  const { width, output } = variant;
  return { rows: variant, pieces: output === 'q8' ? width / Q8_BLOCK : width / lanesOfWidth(width).values, workgroupSize: 64 };
}

export function activationKernel(variant: ActivationVariant): Kernel {
  const { fn, gated, clamp, columns, width, output } = variant;
  const { type, values } = lanesOfWidth(width);
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'gate', access: 'read', type: `array<${type}>` },
    ...(gated ? [{ name: 'up', access: 'read' as const, type: `array<${type}>` }] : []),
    ...(output === 'q8' ? q8Bindings('y', 'write') : [{ name: 'y', access: 'write' as const, type: `array<${type}>` }]),
  ];
  // From rows of the width to rows of `up`.
  const upAt = columns && `at + row * ${(columns.of - width) / values}u + ${columns.start / values}u`;
  const activated = columns
    ? `fn activated(row: u32, at: u32) -> ${type} { return ${gateExpression(fn, clamp, ['gate[at]', `up[${upAt}]`])}; }`
    : `fn activated(at: u32) -> ${type} { return ${gated ? gateExpression(fn, clamp, ['gate[at]', 'up[at]']) : `${fn}(gate[at])`}; }`;
  const bounds = clamp ? [clampFunctions(clamp, type)] : [];
  const call = (at: string) => `activated(${columns ? `row, ${at}` : at})`;
  const body = output === 'f32'
    ? `  let at = row * ${pieces.pieces}u + piece;
  y[at] = ${call('at')};`
    : `  let at = row * ${width / 4}u + piece * 4u;
  yPutBlock(row, piece, mat4x4<f32>(${['at', 'at + 1u', 'at + 2u', 'at + 3u'].map(call).join(', ')}));`;
  const rounding = output === 'q8' ? [q8EpilogueFunctions({ name: 'y', width, norm: undefined })] : [];
  return rowPiecesKernel({
    key: kernelKey('activation', variant), label: `${fn}${gated ? ' gate' : ''} [${width}] ${output}`,
    pieces, bindings, body, functions: [activationFunction(fn, type), ...bounds, activated, ...rounding],
  });
}

export function activationWorkgroups(variant: ActivationVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
