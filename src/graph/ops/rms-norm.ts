/** Root mean square norm. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * y = gain * x / sqrt(mean(x^2) + eps) over each of `groups` equal parts of the row, which share one gain
 * (groups > 1: per-head norms). Zhang and Sennrich 2019. Inputs: x [rows, groups * n]. Weight [n], or none: a gain of 1.
 */
export interface RmsNormOp {
  readonly kind: 'rmsNorm';
  readonly weight: WeightRef | undefined;
  readonly eps: number;
  readonly groups: number;
}

/** `groups` is 1 where it is not given. */
export type RmsNormFields = Pick<RmsNormOp, 'weight' | 'eps'> & { readonly groups?: number };

export function rmsNorm(g: OpSink<RmsNormOp>, name: string, x: Value, { weight, eps, groups = 1 }: RmsNormFields): Value {
  return g.op(name, { kind: 'rmsNorm', weight, eps, groups }, [x]);
}

export const rmsNormRules: OpRules<RmsNormOp> = {
  weights: ({ weight }) => (weight === undefined ? [] : [weight]),
  shape({ weight, groups }, [x], check) {
    const { outer, width } = check.rowsOf(x);
    if (weight !== undefined) check.shape(`gain ${weight.id} of ${groups} group(s)`, weight.shape, [width / groups]);
    if (width % groups !== 0) check.fail(`a width of ${groups} equal groups`, String(width));
    return [outer, width];
  },
  print: ({ eps, groups }) => `eps=${eps}${groups > 1 ? ` groups=${groups}` : ''}`,
};
