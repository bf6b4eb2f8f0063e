/** A convolution of every channel over its last few values, which go on from step to step in a slot. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { SlotState } from '../state.ts';
import { formatShape } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * y[t, c] = bias[c] + sum over j of weight[c, j] * x[t - (width - 1) + j, c]: the causal depthwise convolution of Mamba (Gu and Dao 2023)
 * and LFM2. What lies before a sequence's rows is its state, [width - 1, channels], zeros before the first token; the rows' last inputs are
 * the next one. Input x [rows, channels]. Output [rows, channels].
 */
export interface ShortConvolutionOp {
  readonly kind: 'shortConvolution';
  /** [channels, width], the last column that of the row itself; width at least 2. */
  readonly weight: WeightRef;
  /** [channels]. */
  readonly bias: WeightRef | undefined;
  /** [width - 1, channels]. */
  readonly state: SlotState;
}

export type ShortConvolutionFields = Omit<ShortConvolutionOp, 'kind' | 'bias'> & Partial<Pick<ShortConvolutionOp, 'bias'>>;

export function shortConvolution(g: OpSink<ShortConvolutionOp>, name: string, x: Value, fields: ShortConvolutionFields): Value {
  const { weight, bias, state } = fields;
  return g.op(name, { kind: 'shortConvolution', weight, bias, state }, [x]);
}

export const shortConvolutionRules: OpRules<ShortConvolutionOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  states: ({ state }) => [state],
  shape({ weight, bias, state }, [x], check) {
    const { outer, width: channels } = check.rowsOf(x);
    const [rows, width] = weight.shape;
    if (weight.shape.length !== 2 || rows !== channels || (width as number) < 2)
      check.fail(`a weight of shape [${channels}, 2 or more]`, formatShape(weight.shape));
    if (bias !== undefined) check.shape('bias', bias.shape, [channels]);
    check.shape('state', state.shape, [(width as number) - 1, channels]);
    return [outer, channels];
  },
  print: ({ state }) => `state=${stateName(state)}`,
};
