/**
 * The frame of kernels that treat each row by itself: rows are cut into equal pieces and every invocation takes one, so that no
 * barrier is needed and any number of rows fills the device.
 */
import { kernelHeader, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../linear-shape.ts';

/** Which rows a kernel works on. */
export interface RowsVariant {
  /** True: exactly one row, and `step` is not bound. */
  readonly single?: boolean | undefined;
}

/** Rows of a dispatch for `rows` rows of a step. */
export function rowsOf({ single }: RowsVariant, rows: number): number {
  return single ? 1 : rows;
}

/** WGSL expression of the number of rows. */
export function rowsExpression({ single }: RowsVariant): string {
  return single ? '1u' : 'step.rows';
}

/** The binding of `step`, where the variant reads it; its struct is {@link stepStruct}. */
export function stepBindings({ single }: RowsVariant): readonly Binding[] {
  return single ? [] : [STEP_BINDING];
}

export function stepStruct({ single }: RowsVariant): string {
  return single ? '' : `${STEP_STRUCT}\n`;
}

export interface RowPieces {
  readonly rows: RowsVariant;
  /** Pieces of one row. */
  readonly pieces: number;
  readonly workgroupSize: number;
}

function rowPiecesMain({ rows, pieces, workgroupSize }: RowPieces, body: string): string {
  return `@compute @workgroup_size(${workgroupSize})
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * ${workgroupSize}u + lane;
  let row = index / ${pieces}u;
  if (row >= ${rowsExpression(rows)}) { return; }
  let piece = index - row * ${pieces}u;
${body}
}
`;
}

export interface RowPiecesKernel extends Pick<Kernel, 'key' | 'label'> {
  readonly pieces: RowPieces;
  /** Without that of `step`. */
  readonly bindings: readonly Binding[];
  /** Texts of what the body calls. */
  readonly functions?: readonly string[] | undefined;
  /** Runs with `row` and `piece`, both u32, for every piece of every row. */
  readonly body: string;
}

export function rowPiecesKernel({ key, label, pieces, bindings: own, functions = [], body }: RowPiecesKernel): Kernel {
  const bindings = [...own, ...stepBindings(pieces.rows)];
  return {
    key,
    label,
    bindings,
    wgsl: [kernelHeader(bindings, {}), stepStruct(pieces.rows), ...functions.map((text) => `${text}\n`), rowPiecesMain(pieces, body)].join(
      '',
    ),
    workgroupSize: pieces.workgroupSize,
    needs: {},
  };
}

export function rowPiecesWorkgroups({ rows: variant, pieces, workgroupSize }: RowPieces, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil((rowsOf(variant, rows) * pieces) / workgroupSize)));
}

/** Values that f32 buffers of rows of `width` are read by at a time, and the WGSL type of one. */
export function lanesOfWidth(width: number): { readonly values: 1 | 4; readonly type: 'f32' | 'vec4<f32>' } {
  return width % 4 === 0 ? { values: 4, type: 'vec4<f32>' } : { values: 1, type: 'f32' };
}
