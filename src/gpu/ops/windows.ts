import type { WindowsOp } from '../../graph/ops/windows.ts';
import { windowsRules as graphRules } from '../../graph/ops/windows.ts';
import { widthOf } from '../../graph/value.ts';
import { windowsKernel, windowsWorkgroups } from '../kernels/windows/windows.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import { outerOf } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

export const windowsRules: GpuOpRules<WindowsOp> = {
  describe: (op) => graphRules.print?.(op) ?? '',
  uses(step) {
    const [x] = step.inputs as readonly [GpuValue];
    const { taps, stride, dilation, before } = step.op;
    const variant = { taps, stride, dilation, before, channels: widthOf(x) };
    const buffers = { x: floatsRef(x), xRows: { kind: 'size', dim: outerOf(x) } } as const;
    return rowUse(step, { kernel: windowsKernel(variant), buffers, workgroups: (rows) => windowsWorkgroups(variant, rows) });
  },
};

export const lowerWindows: Lower<WindowsOp, WindowsOp> = ({ op }) => ({ op });
