import type { AddOp } from '../../graph/ops/add.ts';
import { widthOf } from '../../graph/value.ts';
import { addKernel, addWorkgroups } from '../kernels/add/add.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const addRules: GpuOpRules<AddOp> = {
  describe: () => '',
  uses(step, _, { single }) {
    const [a, b] = step.inputs as readonly [GpuValue, GpuValue];
    const [y] = step.outputs as readonly [GpuValue];
    const variant = { width: widthOf(y), single };
    return rowUse(step, {
      kernel: addKernel(variant),
      buffers: { a: floatsRef(a), b: floatsRef(b) },
      workgroups: (rows) => addWorkgroups(variant, rows),
      work: 1,
    });
  },
};

export const lowerAdd: Lower<AddOp, AddOp> = ({ op }) => ({ op });
