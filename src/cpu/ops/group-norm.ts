import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

/** Bytes of a thread's scratch: two f64 for each group that it takes at a time (`assembly/group-norm.ts`). */
export const GROUP_NORM_SCRATCH_BYTES = 16 * 16;

export const groupNormRules: CpuOpRules<GroupNormOp> = {
  code: 28,
  describe: ({ groups, eps, weight, bias }) =>
    `groups=${groups} eps=${eps}${weight === undefined ? '' : ` ${weight.id}`}${bias === undefined ? '' : ` +${bias.id}`}`,
  write(out, { op: { groups, eps, weight, bias }, inputs: [x, style], outputs }, at) {
    const channels = widthOf(x as Value & CpuValue);
    const [styleAt] = rowsAt(at, style);
    // Of a style the gains, and then the biases.
    const affine = style === undefined ? [vectorAt(at, weight), vectorAt(at, bias)] : [styleAt, styleAt + 4 * channels];
    out.ints(groups, channels / groups);
    out.float(eps);
    out.ints(...affine, ...rowsAt(at, x), ...rowsAt(at, outputs[0]));
  },
};

export const lowerGroupNorm: Lower<GroupNormOp, GroupNormOp> = ({ op }) => ({ op });
