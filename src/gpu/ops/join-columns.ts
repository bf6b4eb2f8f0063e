import type { JoinColumnsOp } from '../../graph/ops/join-columns.ts';
import { widthOf } from '../../graph/value.ts';
import { joinColumnsKernel, joinColumnsWorkgroups } from '../kernels/join-columns/join-columns.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const joinColumnsRules: GpuOpRules<JoinColumnsOp> = {
  describe: () => '',
  uses(step, _, { single }) {
    const [a, b] = step.inputs as readonly [GpuValue, GpuValue];
    const variant = { left: widthOf(a), right: widthOf(b), single };
    const buffers = { a: floatsRef(a), b: floatsRef(b) };
    return rowUse(step, { kernel: joinColumnsKernel(variant), buffers, workgroups: (rows) => joinColumnsWorkgroups(variant, rows) });
  },
};

export const lowerJoinColumns: Lower<JoinColumnsOp, JoinColumnsOp> = ({ op }) => ({ op });
