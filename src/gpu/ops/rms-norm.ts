import type { RmsNormOp } from '../../graph/ops/rms-norm.ts';
import { widthOf } from '../../graph/value.ts';
import { normKernel, normWorkgroups } from '../kernels/norm/norm.ts';
import type { GpuOpRules, Lower, NormWeight } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf, onesOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Inputs: x, then the indices of a gather. Output: f32. */
export interface NormOp extends NormWeight {
  readonly kind: 'norm';
  readonly groups: number;
  readonly gather: boolean;
}

export const normRules: GpuOpRules<NormOp> = {
  describe: ({ weight, eps, groups, gather }) =>
    `${weight.id} eps=${eps}${groups > 1 ? ` groups=${groups}` : ''}${gather ? ' gather' : ''}`,
  vectors: (op) => [gainOf(op)],
  uses(step, _, { single }) {
    const [x, indices] = step.inputs as readonly [GpuValue, GpuValue | undefined];
    const { groups, eps, gather, weight } = step.op;
    const outputs = { f32: true, q8: false };
    const variant = { width: widthOf(x), groups, eps, gather, outputs, single };
    const buffers = { x: floatsRef(x), gain: vectorRef(weight.id), ...(gather ? { outIndices: floatsRef(indices as GpuValue) } : {}) };
    return rowUse(step, { kernel: normKernel(variant), buffers, workgroups: (rows) => normWorkgroups(variant, rows), work: 2 });
  },
};

export const lowerRmsNorm: Lower<RmsNormOp, NormOp> = ({ op: { weight, eps, groups }, inputs: [x] }) => ({
  op: { kind: 'norm', weight: weight ?? onesOf(widthOf(x as GpuValue) / groups), eps, groups, gather: false },
});
