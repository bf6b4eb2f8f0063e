import type { GatherRowsOp } from '../../graph/ops/gather-rows.ts';
import { widthOf } from '../../graph/value.ts';
import { gatherKernel, gatherWorkgroups } from '../kernels/gather/gather.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export interface GatherOp {
  readonly kind: 'gather';
}

export const gatherRules: GpuOpRules<GatherOp> = {
  describe: () => '',
  uses(step, _, { single }) {
    const [x, indices] = step.inputs as readonly [GpuValue, GpuValue];
    const [y] = step.outputs as readonly [GpuValue];
    const variant = { width: widthOf(y), single };
    return rowUse(step, {
      kernel: gatherKernel(variant),
      buffers: { x: floatsRef(x), outIndices: floatsRef(indices) },
      workgroups: (rows) => gatherWorkgroups(variant, rows),
    });
  },
};

/** Of a single row there is nothing to gather. */
export const lowerGatherRows: Lower<GatherRowsOp, GatherOp> = ({ inputs }, { single }) =>
  single ? { same: inputs[0] as GpuValue } : { op: { kind: 'gather' } };
