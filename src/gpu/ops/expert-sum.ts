import type { ExpertSumOp as GraphExpertSumOp } from '../../graph/ops/expert-sum.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import type { Value } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { expertSumKernel, expertSumWorkgroups } from '../kernels/expert-sum/expert-sum.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Inputs: what the experts make, routes, then the residual where there is one. */
export interface ExpertSumOp extends GraphExpertSumOp {
  readonly residual: boolean;
}

export const expertSumRules: GpuOpRules<ExpertSumOp> = {
  describe: ({ residual }) => (residual ? '+residual' : ''),
  uses(step, _, { single }) {
    const [x, routes, residual] = step.inputs as readonly [GpuValue, GpuValue, GpuValue | undefined];
    const [y] = step.outputs as readonly [GpuValue];
    const used = usedExperts(routes as Value);
    const variant = { used, width: widthOf(y), residual: residual !== undefined, single };
    return rowUse(step, {
      kernel: expertSumKernel(variant),
      buffers: { x: floatsRef(x), routes: floatsRef(routes), ...(residual && { residual: floatsRef(residual) }) },
      workgroups: (rows) => expertSumWorkgroups(variant, rows),
      work: used,
    });
  },
};

export const lowerExpertSum: Lower<GraphExpertSumOp, ExpertSumOp> = ({ op }) => ({ op: { ...op, residual: false } });
