import { CHOICE_SETTINGS, describeChoice } from '../../graph/ops/choose.ts';
import type { ChooseOp } from '../../graph/ops/choose.ts';
import { widthOf } from '../../graph/value.ts';
import { chooseKernel, chooseWorkgroups } from '../kernels/choose/choose.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which takes a row: a lane of wide rows would have many values, each a wait for memory. */
function invocationsFor(width: number, most: number): number {
  return Math.min(width > WIDE ? 1024 : 256, most);
}

const WIDE = 8192;

export const chooseRules: GpuOpRules<ChooseOp> = {
  describe: describeChoice,
  uses(step, _, { profile }) {
    const [x, settings, before] = step.inputs as readonly [GpuValue, GpuValue, GpuValue?];
    const { end, nth } = step.op;
    const variant = {
      width: widthOf(x), end, settings: { numbers: widthOf(settings), first: CHOICE_SETTINGS * nth },
      invocations: invocationsFor(widthOf(x), profile.invocations),
    };
    const buffers = {
      x: floatsRef(x), settings: floatsRef(settings), ...(before === undefined ? {} : { before: floatsRef(before) }),
    };
    return rowUse(step, { kernel: chooseKernel(variant), buffers, workgroups: chooseWorkgroups, work: 6 * widthOf(x) });
  },
};

export const lowerChoose: Lower<ChooseOp, ChooseOp> = ({ op }) => ({ op });
