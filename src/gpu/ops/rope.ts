import type { RopeOp } from '../../graph/ops/rope.ts';
import { ropeKernel, ropeWorkgroups } from '../kernels/rope/rope.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const ropeRules: GpuOpRules<RopeOp> = {
  describe: ({ heads, headDim, table }) => `heads=${heads} headDim=${headDim} table=${table.id}`,
  uses(step, _, { single }) {
    const [x, positions, shift] = step.inputs as readonly [GpuValue, GpuValue, GpuValue?];
    const { heads, headDim, table: { frequencies, axes, ...table } } = step.op;
    const variant = {
      heads, headDim, rotaryDim: 2 * frequencies.length, single, ...(axes && { axes }), ...(shift && { shifted: true as const }),
    };
    const rope: BufferRef = { kind: 'rope', table: table.id };
    const buffers = { x: floatsRef(x), positions: floatsRef(positions), rope, ...(shift && { shift: floatsRef(shift) }) };
    return rowUse(step, { kernel: ropeKernel(variant), buffers, workgroups: (rows) => ropeWorkgroups(variant, rows), work: 2 });
  },
};

export const lowerRope: Lower<RopeOp, RopeOp> = ({ op }) => ({ op });
