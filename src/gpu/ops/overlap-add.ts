import { overlapAddRules as graphRules } from '../../graph/ops/overlap-add.ts';
import type { OverlapAddOp } from '../../graph/ops/overlap-add.ts';
import { widthOf } from '../../graph/value.ts';
import { overlapAddKernel, overlapAddWorkgroups } from '../kernels/windows/overlap-add.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const overlapAddRules: GpuOpRules<OverlapAddOp> = {
  describe: (op) => `${op.bias === undefined ? '' : `+${op.bias.id} `}${graphRules.print?.(op)}`,
  vectors: ({ bias }) => [bias && gainOf({ weight: bias })],
  uses(step) {
    const [x] = step.inputs as readonly [GpuValue];
    const { taps, stride, dilation, before, bias } = step.op;
    const variant = { taps, stride, dilation, before, channels: widthOf(x) / taps, bias: bias !== undefined };
    const buffers = {
      x: floatsRef(x), xRows: { kind: 'size', dim: outerOf(x) }, ...(bias === undefined ? {} : { bias: vectorRef(bias.id) }),
    } as const;
    return rowUse(step, { kernel: overlapAddKernel(variant), buffers, workgroups: (rows) => overlapAddWorkgroups(variant, rows), work: 1 });
  },
};

export const lowerOverlapAdd: Lower<OverlapAddOp, OverlapAddOp> = ({ op }) => ({ op });
