import { printClamp } from '../../graph/ops/activation.ts';
import type { ActivationOp as GraphActivationOp } from '../../graph/ops/activation.ts';
import { widthOf } from '../../graph/value.ts';
import { activationKernel, activationWorkgroups } from '../kernels/activation/activation.ts';
import type { LinearActivation } from '../linear-shape.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { roundingCut } from './quantize.ts';
import { rowUse } from './row-use.ts';

/** Inputs: the gate, and what it is a gate of, if anything. */
export interface ActivationOp extends GraphActivationOp {
  /** The columns of the second input that are meant; undefined: all. */
  readonly columns: LinearActivation['times'];
}

export const activationRules: GpuOpRules<ActivationOp> = {
  describe: ({ fn, clamp, columns }) => `${fn}${printClamp(clamp)}${columns ? ` * ${columns.start}..` : ''}`,
  rounded: (op, rounding) => (rounding.norm === undefined ? op : undefined),
  cuts: (step, { fresh }) => roundingCut(step, { op: step.op, norm: undefined, fresh }),
  uses(step, _, { single }) {
    const [gate, up] = step.inputs as readonly [GpuValue, GpuValue | undefined];
    const [y] = step.outputs as readonly [GpuValue];
    const { fn, clamp, columns } = step.op;
    const output = y.dtype === 'f32' ? 'f32' : 'q8';
    const variant = { fn, gated: up !== undefined, clamp, columns, width: widthOf(y), single, output } as const;
    const buffers = { gate: floatsRef(gate), ...(up && { up: floatsRef(up) }) };
    return rowUse(step, { kernel: activationKernel(variant), buffers, workgroups: (rows) => activationWorkgroups(variant, rows), work: 2 });
  },
};

export const lowerActivation: Lower<GraphActivationOp, ActivationOp> = ({ op }) => ({ op: { ...op, columns: undefined } });
