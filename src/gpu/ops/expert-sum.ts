import type { ExpertSumOp as GraphExpertSumOp } from '../../graph/ops/expert-sum.ts';
import { usedExperts } from '../../graph/ops/route.ts';
import type { Value } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { expertSumKernel, expertSumWorkgroups } from '../kernels/expert-sum/expert-sum.ts';
import { describeRounding } from '../plan/gpu-op-rules.ts';
import type { GpuOpRules, Lower, Rounding } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Inputs: what the experts make, routes, then the residual where there is one. Outputs: f32, rounded, or both, told apart by dtype. */
export interface ExpertSumOp extends GraphExpertSumOp {
  readonly residual: boolean;
  readonly rounding: Rounding | undefined;
}

export const expertSumRules: GpuOpRules<ExpertSumOp> = {
  describe: ({ residual, rounding }) => `${residual ? '+residual' : ''}${describeRounding(rounding)}`,
  vectors: ({ rounding }) => [rounding?.norm && gainOf(rounding.norm)],
  rounded: (op, rounding) => ({ ...op, rounding }),
  cuts: (step, { fresh }) => roundingCut(step, { op: { ...step.op, rounding: undefined }, norm: step.op.rounding?.norm, fresh }),
  uses(step, _, { single }) {
    const [x, routes, residual] = step.inputs as readonly [GpuValue, GpuValue, GpuValue | undefined];
    const [y] = step.outputs as readonly [GpuValue];
    const { rounding } = step.op;
    const used = usedExperts(routes as Value);
    const outputs = {
      f32: step.outputs.some(({ dtype }) => dtype === 'f32'),
      q8: rounding && { norm: rounding.norm && { eps: rounding.norm.eps } },
    };
    const variant = { used, width: widthOf(y), residual: residual !== undefined, outputs, single };
    return rowUse(step, {
      kernel: expertSumKernel(variant),
      buffers: {
        x: floatsRef(x), routes: floatsRef(routes), ...(residual && { residual: floatsRef(residual) }),
        ...(rounding?.norm && { yGain: vectorRef(rounding.norm.weight.id) }),
      },
      workgroups: (rows) => expertSumWorkgroups(variant, rows),
      work: used,
    });
  },
};

export const lowerExpertSum: Lower<GraphExpertSumOp, ExpertSumOp> = ({ op }) => ({ op: { ...op, residual: false, rounding: undefined } });
