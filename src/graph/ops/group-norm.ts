/** Norms over time: of groups of channels, all rows together. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { widthOf } from '../value.ts';
import type { Value, WeightRef } from '../value.ts';

/**
 * y = gain[c] * (x - mean) / sqrt(variance + eps) + bias[c], mean and variance (the mean square of what is left) being those of a group of
 * channels that lie together, over all rows. Wu and He 2018; with a group for each channel an instance norm (Ulyanov et al. 2016).
 * Input x [rows, channels]; all of its rows are one sound. Gain and bias [channels], or neither; or a second input has them,
 * [1, 2 * channels]: the gains, and then the biases (Huang and Belongie 2017).
 */
export interface GroupNormOp {
  readonly kind: 'groupNorm';
  readonly groups: number;
  readonly eps: number;
  readonly weight: WeightRef | undefined;
  readonly bias: WeightRef | undefined;
}

export type GroupNormFields = Pick<GroupNormOp, 'groups' | 'eps'> & Partial<Pick<GroupNormOp, 'weight' | 'bias'>>;

export function groupNorm(g: OpSink<GroupNormOp>, name: string, x: Value, { groups, eps, weight, bias }: GroupNormFields): Value {
  return g.op(name, { kind: 'groupNorm', groups, eps, weight, bias }, [x]);
}

/** Every channel a group, with the gains and biases of `style` [1, 2 * channels]. */
export function styledInstanceNorm(g: OpSink<GroupNormOp>, name: string, [x, style]: readonly [Value, Value], eps: number): Value {
  return g.op(name, { kind: 'groupNorm', groups: widthOf(x), eps, weight: undefined, bias: undefined }, [x, style]);
}

export const groupNormRules: OpRules<GroupNormOp> = {
  weights: ({ weight, bias }) => [weight, bias].filter((each) => each !== undefined),
  shape({ groups, weight, bias }, [x, style], check) {
    const { outer, width } = check.rowsOf(x);
    if (!(Number.isSafeInteger(groups) && groups >= 1 && width % groups === 0))
      check.fail(`a number of groups that divides ${width} channels`, String(groups));
    if (weight !== undefined) check.shape(`gain ${weight.id}`, weight.shape, [width]);
    if (bias !== undefined) check.shape(`bias ${bias.id}`, bias.shape, [width]);
    if ((weight === undefined) !== (bias === undefined)) check.fail('a gain and a bias, or neither', 'one of them');
    if (style !== undefined) check.shape('style', style.shape, [1, 2 * width]);
    if (style !== undefined && weight !== undefined) check.fail('gains of a style or of a weight', 'both');
    return [outer, width];
  },
  print: ({ groups, eps }) => `groups=${groups} eps=${eps}`,
};
