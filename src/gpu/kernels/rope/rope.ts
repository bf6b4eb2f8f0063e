/** Rotary position embedding, halves form: in every head x[i] and x[i + rotaryDim / 2] turn by angle i, the rest passes. Su et al. 2021. */
import { InputError } from '../../../tensor/errors.ts';
import { kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { rowPiecesKernel, rowPiecesWorkgroups } from '../../wgsl/row-pieces.ts';
import type { RowPieces, RowsVariant } from '../../wgsl/row-pieces.ts';

/**
 * Bindings `x` and `y`: f32 [rows, heads * headDim]; `positions`: u32 [rows], or [rows, axes]; `rope`: (cos, sin) [position,
 * rotaryDim / 2]; `shift`, where rows are shifted: i32 [rows].
 */
export interface RopeVariant extends RowsVariant {
  readonly heads: number;
  readonly headDim: number;
  /** Even, at most headDim. */
  readonly rotaryDim: number;
  /** The axis of each frequency, where there are several. */
  readonly axes?: readonly number[] | undefined;
  readonly shifted?: true | undefined;
}

/** A pair that turns, or one value that passes, for each invocation. */
function piecesOf(variant: RopeVariant): RowPieces {
  const { heads, headDim, rotaryDim } = variant;
  return { rows: variant, pieces: heads * (headDim - rotaryDim / 2), workgroupSize: 64 };
}

export function ropeKernel(variant: RopeVariant): Kernel {
  const { heads, headDim, rotaryDim, axes, shifted } = variant;
  if (rotaryDim % 2 !== 0 || rotaryDim > headDim)
    throw new InputError(`rope turns an even number of a head's dimensions; got ${rotaryDim} of ${headDim}`);
  const half = rotaryDim / 2;
  const pieces = piecesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type: 'array<f32>' },
    { name: 'positions', access: 'read', type: 'array<u32>' },
    { name: 'rope', access: 'read', type: 'array<vec2<f32>>' },
    ...(shifted ? [{ name: 'shift', access: 'read', type: 'array<u32>' } as const] : []),
    { name: 'y', access: 'write', type: 'array<f32>' },
  ];
  const position = axes === undefined ? 'positions[row]' : `positions[row * ${Math.max(...axes) + 1}u + axisOf[i]]`;
  const axisOf = axes === undefined ? '' : `var axisOf = array<u32, ${half}>(${axes.map((axis) => `${axis}u`).join(', ')});
  `;
  const turn = `${axisOf}let turn = rope[(${position}${shifted ? ' + shift[row]' : ''}) * ${half}u + i];
  let low = x[start + i];
  let high = x[start + ${half}u + i];
  y[start + i] = low * turn.x - high * turn.y;
  y[start + ${half}u + i] = high * turn.x + low * turn.y;`;
  const pass = `if (i >= ${half}u) {
    y[start + ${half}u + i] = x[start + ${half}u + i];
    return;
  }
  `;
  const body = `  let head = piece / ${headDim - half}u;
  let i = piece - head * ${headDim - half}u;
  let start = row * ${heads * headDim}u + head * ${headDim}u;
  ${headDim === rotaryDim ? '' : pass}${turn}`;
  return rowPiecesKernel({ key: kernelKey('rope', variant), label: `rope ${heads} x ${headDim}`, pieces, bindings, body });
}

export function ropeWorkgroups(variant: RopeVariant, rows: number): Workgroups {
  return rowPiecesWorkgroups(piecesOf(variant), rows);
}
