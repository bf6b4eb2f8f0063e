import type { ChooseOp } from '../../graph/ops/choose.ts';
import { widthOf } from '../../graph/value.ts';
import { chooseKernel, chooseWorkgroups } from '../kernels/choose/choose.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which takes a row. */
const INVOCATIONS = 256;

export const chooseRules: GpuOpRules<ChooseOp> = {
  describe: ({ end }) => (end === undefined ? '' : `end=${end}`),
  uses(step, _, { profile }) {
    const [x, settings, before] = step.inputs as readonly [GpuValue, GpuValue, GpuValue?];
    const variant = { width: widthOf(x), end: step.op.end, invocations: Math.min(INVOCATIONS, profile.invocations) };
    const buffers = {
      x: floatsRef(x), settings: floatsRef(settings), ...(before === undefined ? {} : { before: floatsRef(before) }),
    };
    return rowUse(step, { kernel: chooseKernel(variant), buffers, workgroups: chooseWorkgroups, work: 6 * widthOf(x) });
  },
};

export const lowerChoose: Lower<ChooseOp, ChooseOp> = ({ op }) => ({ op });
