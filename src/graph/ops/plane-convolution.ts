/** A convolution over two axes, time and the bins of a row, of every channel by itself. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Dim, Value, WeightRef } from '../value.ts';
import { outputFrames } from './windows.ts';

/**
 * y[t * outBins + b, c] = bias[c] + the sum over i and j of weight[i * taps + j, c] * x[s * bins + a, floor(c / (channels / from))], where
 * s = t * stride + i - before and a = b * stride + j - before; x is zero where there is no such row or bin. What torch calls `Conv2d` with
 * as many groups as x has channels (`from`): of one channel it makes several, else it is depthwise where there are as many as before.
 * Input x [rows * bins, from]: the bins of a row lie one after another. Output [cells, channels], cells being frames * outBins.
 */
export interface PlaneConvolutionOp {
  readonly kind: 'planeConvolution';
  /** Along each axis. */
  readonly taps: number;
  readonly stride: number;
  /** Zeros before the first row and the first bin. */
  readonly before: number;
  readonly bins: number;
  /** Bins of a row of the result. */
  readonly outBins: number;
  /** The dim of the result. */
  readonly cells: Dim;
  /** [taps * taps, channels]. */
  readonly weight: WeightRef;
  /** [channels]. */
  readonly bias: WeightRef | undefined;
}

export type PlaneConvolutionFields = Omit<PlaneConvolutionOp, 'kind' | 'bias'> & Partial<Pick<PlaneConvolutionOp, 'bias'>>;

export function planeConvolution(g: OpSink<PlaneConvolutionOp>, name: string, x: Value, fields: PlaneConvolutionFields): Value {
  return g.op(name, { kind: 'planeConvolution', bias: undefined, ...fields }, [x]);
}

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;

export const planeConvolutionRules: OpRules<PlaneConvolutionOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  shape({ taps, stride, before, bins, outBins, cells, weight, bias }, [x], check) {
    const { width: from } = check.rowsOf(x);
    const channels = weight.shape[1] as number;
    if (![taps, stride, bins, outBins].every(isCount) || !(Number.isSafeInteger(before) && before >= 0))
      check.fail('taps, a stride and bins of 1 or more, and no fewer than 0 zeros', `${taps}, ${stride}, ${bins}, ${outBins}, ${before}`);
    // As many zeros after the last bin as before the first are the most.
    const most = outputFrames(bins, { taps, stride, before, after: before });
    if (outBins > most) check.fail(`no more than ${most} bins of ${bins}`, String(outBins));
    if (channels % from !== 0) check.fail(`a multiple of ${from} channels`, String(channels));
    check.shape(`weight ${weight.id}`, weight.shape, [taps * taps, channels]);
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [channels]);
    return [cells, channels];
  },
  print: ({ taps, stride, before, bins, outBins }) => `taps=${taps}x${taps} stride=${stride} before=${before} bins=${bins}->${outBins}`,
};
