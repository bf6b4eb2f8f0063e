import type { GroupNormOp } from '../../graph/ops/group-norm.ts';
import { widthOf } from '../../graph/value.ts';
import { groupNormKernel, groupNormWorkgroups } from '../kernels/group-norm/group-norm.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which takes a group: few groups of many rows are the usual case. */
const INVOCATIONS = 256;

export const groupNormRules: GpuOpRules<GroupNormOp> = {
  describe: ({ groups, eps, weight, bias }) =>
    `groups=${groups} eps=${eps}${weight === undefined ? '' : ` ${weight.id}`}${bias === undefined ? '' : ` +${bias.id}`}`,
  vectors: ({ weight, bias }) => [weight && gainOf({ weight }), bias && gainOf({ weight: bias })],
  uses(step, _, { profile }) {
    const [x, style] = step.inputs as readonly [GpuValue, GpuValue | undefined];
    const { groups, eps, weight, bias } = step.op;
    const invocations = Math.min(INVOCATIONS, profile.invocations);
    const affine = style === undefined ? weight && 'weights' : 'style';
    const variant = { groups, width: widthOf(x) / groups, eps, affine, invocations } as const;
    const buffers = {
      x: floatsRef(x),
      ...(weight === undefined ? {} : { gain: vectorRef(weight.id) }),
      ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
      ...(style === undefined ? {} : { style: floatsRef(style) }),
    };
    return rowUse(step, { kernel: groupNormKernel(variant), buffers, workgroups: () => groupNormWorkgroups(variant), work: 3 });
  },
};

export const lowerGroupNorm: Lower<GroupNormOp, GroupNormOp> = ({ op }) => ({ op });
