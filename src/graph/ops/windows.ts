/** Rows of a sound, or of frames, put side by side: what a convolution over time multiplies with. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Dim, Value } from '../value.ts';

/**
 * y[t, j * channels + c] = x[t * stride + j * dilation - before, c], zero where there is no such row. Input x [rows, channels]. Output
 * [frames, taps * channels]. A convolution over time is the product of these rows with a matrix [out, taps * channels].
 */
export interface WindowsOp {
  readonly kind: 'windows';
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  /** Rows of zeros before the first. */
  readonly before: number;
  /** The dim of the result's rows: a run has `outputFrames` of them for its rows of x, or fewer. */
  readonly frames: Dim;
}

/** `stride` and `dilation` are 1 and `before` 0 where they are not given. */
export type WindowsFields = Pick<WindowsOp, 'taps' | 'frames'> & Partial<Pick<WindowsOp, 'stride' | 'dilation' | 'before'>>;

export function windows(g: OpSink<WindowsOp>, name: string, x: Value, fields: WindowsFields): Value {
  const { taps, frames, stride = 1, dilation = 1, before = 0 } = fields;
  return g.op(name, { kind: 'windows', taps, stride, dilation, before, frames }, [x]);
}

/** How far the windows of a convolution reach, and zeros on both sides. */
export interface WindowSpan extends Partial<Pick<WindowsOp, 'stride' | 'dilation' | 'before'>> {
  readonly taps: number;
  /** Rows of zeros after the last; default 0. */
  readonly after?: number | undefined;
}

/** Windows that fit `rows` rows and the zeros around them: 0 where there is no room for one. */
export function outputFrames(rows: number, { taps, stride = 1, dilation = 1, before = 0, after = 0 }: WindowSpan): number {
  return Math.max(0, Math.floor((rows + before + after - dilation * (taps - 1) - 1) / stride) + 1);
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;

export const windowsRules: OpRules<WindowsOp> = {
  weights: () => [],
  shape({ taps, stride, dilation, before, frames }, [x], check) {
    const { width } = check.rowsOf(x);
    if (![taps, stride, dilation].every(isCount) || !(Number.isSafeInteger(before) && before >= 0))
      check.fail('taps, a stride and a dilation of 1 or more, and no fewer than 0 zeros', `${taps}, ${stride}, ${dilation}, ${before}`);
    return [frames, taps * width];
  },
  print: ({ taps, stride, dilation, before }) => `taps=${taps} stride=${stride} dilation=${dilation} before=${before}`,
};
