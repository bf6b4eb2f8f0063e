/** Layer norm. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * y = gain * (x - mean(x)) / sqrt(variance(x) + eps) + bias over a row, variance being the mean square of what is left. Ba et al. 2016.
 * Input x [rows, n]. Gain [n]; bias [n], or none.
 */
export interface LayerNormOp {
  readonly kind: 'layerNorm';
  readonly weight: WeightRef;
  readonly bias: WeightRef | undefined;
  readonly eps: number;
}

/** `bias` is none where it is not given. */
export type LayerNormFields = Pick<LayerNormOp, 'weight' | 'eps'> & Partial<Pick<LayerNormOp, 'bias'>>;

export function layerNorm(g: OpSink<LayerNormOp>, name: string, x: Value, { weight, bias, eps }: LayerNormFields): Value {
  return g.op(name, { kind: 'layerNorm', weight, bias, eps }, [x]);
}

export const layerNormRules: OpRules<LayerNormOp> = {
  weights: ({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]),
  shape({ weight, bias }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    check.shape(`gain ${weight.id}`, weight.shape, [width]);
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [width]);
    return [outer, width];
  },
  print: ({ eps }) => `eps=${eps}`,
};
