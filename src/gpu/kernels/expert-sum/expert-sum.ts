/** What a row's experts make of it, times their weights, as one; and a residual. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import type { LinearOutputs } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { range } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/**
 * Bindings `x`: f32 [rows, used * width]; `routes`: f32 [rows, 2 * used] of a route op; `residual`: f32 [rows, width]; the outputs as those
 * of a product, of a width that is a multiple of 32 where they are rounded.
 */
export interface ExpertSumVariant extends RowsVariant {
  readonly used: number;
  readonly width: number;
  readonly residual: boolean;
  readonly outputs: LinearOutputs;
}

function piecesOf(variant: ExpertSumVariant): RowPieces {
  const { width, outputs } = variant;
  return { rows: variant, pieces: width / (outputs.q8 ? Q8_BLOCK : lanesOfWidth(width).values), workgroupSize: 64 };
}

/** `fn summed(row, at)`: element `at` of a row, counted by the loads of `width`. */
function summedFunction({ used, width, residual }: ExpertSumVariant): string {
  const { type, values } = lanesOfWidth(width);
  const loads = width / values;
  const term = (i: number) => `routes[row * ${2 * used}u + ${i}u] * x[(row * ${used}u + ${i}u) * ${loads}u + at]`;
  return `fn summed(row: u32, at: u32) -> ${type} {
  return ${[...(residual ? [`residual[row * ${loads}u + at]`] : []), ...range(used).map(term)].join('\n    + ')};
}`;
}

function bodyOf({ width, outputs }: ExpertSumVariant): string {
  const loads = width / lanesOfWidth(width).values;
  if (!outputs.q8) return `  y[row * ${loads}u + piece] = summed(row, piece);`;
  const quads = range(4).map((i) => `  let v${i} = summed(row, 4u * piece + ${i}u);`);
  const stores = outputs.f32 ? range(4).map((i) => `  y[row * ${loads}u + 4u * piece + ${i}u] = v${i};`) : [];
  return [...quads, ...stores, '  yPutBlock(row, piece, mat4x4<f32>(v0, v1, v2, v3));'].join('\n');
}

export function expertSumKernel(variant: ExpertSumVariant): Kernel {
  const { used, width, residual, outputs } = variant;
  const type = `array<${lanesOfWidth(width).type}>`;
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'routes', access: 'read', type: 'array<f32>' },
    ...(residual ? [{ name: 'residual', access: 'read' as const, type }] : []),
    ...(outputs.f32 ? [{ name: 'y', access: 'write' as const, type }] : []),
    ...(outputs.q8 ? q8Bindings('y', 'write') : []),
    ...(outputs.q8?.norm ? [{ name: 'yGain', access: 'read' as const, type: 'array<f32>' }] : []),
  ];
  const rounding = outputs.q8 ? [q8EpilogueFunctions({ name: 'y', width, norm: outputs.q8.norm })] : [];
  return rowPiecesKernel({
    key: kernelKey('expert-sum', variant), label: `expert-sum ${used}x[${width}]${residual ? ' +residual' : ''}`,
    pieces: piecesOf(variant), bindings, body: bodyOf(variant), functions: [summedFunction(variant), ...rounding],
  });
}

export function expertSumWorkgroups(variant: ExpertSumVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
