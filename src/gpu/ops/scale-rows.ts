import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import { widthOf } from '../../graph/value.ts';
import { scaleRowsKernel, scaleRowsWorkgroups } from '../kernels/scale-rows/scale-rows.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const scaleRowsRules: GpuOpRules<ScaleRowsOp> = {
  describe: () => '',
  uses(step, _, { single }) {
    const [x, by] = step.inputs as readonly [GpuValue, GpuValue];
    const variant = { width: widthOf(x), single };
    const buffers = { x: floatsRef(x), by: floatsRef(by) };
    return rowUse(step, { kernel: scaleRowsKernel(variant), buffers, workgroups: (rows) => scaleRowsWorkgroups(variant, rows), work: 1 });
  },
};

export const lowerScaleRows: Lower<ScaleRowsOp, ScaleRowsOp> = ({ op }) => ({ op });
