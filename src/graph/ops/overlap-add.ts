/** Rows taken apart and added up over time: the way of `windows` backwards, and what a transposed convolution does with its products. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';
import { windowsRules } from './windows.ts';
import type { WindowsFields, WindowsOp } from './windows.ts';

/**
 * y[t, c] = bias[c] + the sum of x[s, j * channels + c] over all rows s and taps j with s * stride + j * dilation - before = t.
 * Input x [rows, taps * channels]. Output [frames, channels].
 */
export interface OverlapAddOp extends Omit<WindowsOp, 'kind'> {
  readonly kind: 'overlapAdd';
  /** [channels]. */
  readonly bias: WeightRef | undefined;
}

export interface OverlapAddFields extends WindowsFields {
  readonly bias?: WeightRef | undefined;
}

export function overlapAdd(g: OpSink<OverlapAddOp>, name: string, x: Value, fields: OverlapAddFields): Value {
  const { taps, frames, stride = 1, dilation = 1, before = 0, bias } = fields;
  return g.op(name, { kind: 'overlapAdd', taps, stride, dilation, before, frames, bias }, [x]);
}

/** Rows that `rows` rows make, less `before` and `after` of them at the ends. */
export function overlappedFrames(
  rows: number, { taps, stride = 1, dilation = 1, before = 0, after = 0 }: Omit<WindowsFields, 'frames'> & { readonly after?: number },
): number {
  return Math.max(0, (rows - 1) * stride + dilation * (taps - 1) + 1 - before - after);
}

export const overlapAddRules: OpRules<OverlapAddOp> = {
  weights: ({ bias }) => (bias === undefined ? [] : [bias]),
  shape(op, [x], check) {
    const { width } = check.rowsOf(x);
    windowsRules.shape({ ...op, kind: 'windows' }, [x as Value], check);
    const channels = width / op.taps;
    if (!Number.isInteger(channels)) check.fail(`a width of ${op.taps} taps`, String(width));
    if (op.bias !== undefined) check.shape(`bias ${op.bias.id}`, op.bias.shape, [channels]);
    return [op.frames, channels];
  },
  print: (op) => windowsRules.print?.({ ...op, kind: 'windows' }) ?? '',
};
