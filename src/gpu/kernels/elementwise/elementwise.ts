/** Functions of single values, without weights but for one number: y = scale * x, a softcap of x, or some of its columns. */
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { lanesOfWidth, rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';
import { softcapFunction } from '../../wgsl/softcap.ts';

/** What is done with a value. */
export type ElementwiseFunction =
  /** The factor is a number, or the first value of the binding `factor`. */
  | { readonly kind: 'scale'; readonly by: number | 'factor' }
  | { readonly kind: 'softcap'; readonly cap: number }
  /** Columns `start` and on of rows of `of` columns. */
  | { readonly kind: 'columns'; readonly start: number; readonly of: number };

/** Bindings `x`: f32 [rows, width], of columns [rows, of]; `factor` where it is one: f32 [1]; `y`: f32 [rows, width]. */
export interface ElementwiseVariant extends RowsVariant {
  readonly fn: ElementwiseFunction;
  readonly width: number;
}

/** Values that an invocation takes at a time: those of columns begin where a vector does, or are taken one by one. */
function lanesOf({ fn, width }: ElementwiseVariant): ReturnType<typeof lanesOfWidth> {
  return lanesOfWidth(fn.kind === 'columns' && (fn.of % 4 !== 0 || fn.start % 4 !== 0) ? 1 : width);
}

function piecesOf(variant: ElementwiseVariant): RowPieces {
  return { rows: variant, pieces: variant.width / lanesOf(variant).values, workgroupSize: 64 };
}

/** WGSL expression of the value at `at`. */
function valueOf(variant: ElementwiseVariant): string {
  const { fn } = variant;
  switch (fn.kind) {
    case 'scale':
      return `x[at] * ${fn.by === 'factor' ? 'factor[0]' : `f32(${fn.by})`}`;
    case 'softcap':
      return 'softcap(x[at])';
    case 'columns': {
      const { values } = lanesOf(variant);
      return `x[row * ${fn.of / values}u + ${fn.start / values}u + piece]`;
    }
    default:
      throw new Error(`elementwise: ${JSON.stringify(fn satisfies never)}`);
  }
}

export function elementwiseKernel(variant: ElementwiseVariant): Kernel {
  const { fn, width } = variant;
  const { type } = lanesOf(variant);
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type: `array<${type}>` },
    ...(fn.kind === 'scale' && fn.by === 'factor' ? [{ name: 'factor', access: 'read' as const, type: 'array<f32>' }] : []),
    { name: 'y', access: 'write', type: `array<${type}>` },
  ];
  return rowPiecesKernel({
    key: kernelKey('elementwise', variant), label: `${fn.kind} [${width}]`,
    pieces, bindings,
    body: `  let at = row * ${pieces.pieces}u + piece;\n  y[at] = ${valueOf(variant)};`,
    functions: fn.kind === 'softcap' ? [softcapFunction(fn.cap, type)] : [],
  });
}

export function elementwiseWorkgroups(variant: ElementwiseVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
