import type { LstmOp } from '../../graph/ops/lstm.ts';
import { lstmRules as graphRules } from '../../graph/ops/lstm.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { lstmKernel, lstmWorkgroups } from '../kernels/lstm/lstm.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which takes a sequence: a value of h each, row after row. */
const INVOCATIONS = 256;

export const lstmRules: GpuOpRules<LstmOp> = {
  describe: (op) => `${op.weight.id} ${graphRules.print?.(op)}`.trim(),
  vectors: ({ weight }) => [{ key: weight.id, parts: [{ weight, length: elementsOf(weight.shape) }] }],
  uses(step, _, { profile }) {
    const { weight, state, reverse } = step.op;
    const hidden = weight.shape[1] as number;
    const variant = { hidden, stateful: state !== undefined, reverse, invocations: Math.min(INVOCATIONS, profile.invocations) };
    const buffers: Record<string, BufferRef> = {
      gates: floatsRef(step.inputs[0] as GpuValue),
      weight: vectorRef(weight.id),
      ...(state === undefined
        ? {}
        : {
            state: { kind: 'state', state: state.index },
            rowSequence: { kind: 'sequences', name: 'rowSequence' },
            slots: { kind: 'sequences', name: 'slots' },
          }),
    };
    return rowUse(step, {
      kernel: lstmKernel(variant), buffers, workgroups: (rows) => lstmWorkgroups(variant, rows),
      weightBytes: () => elementsOf(weight.shape) * 4, work: 4 * hidden,
    });
  },
};

export const lowerLstm: Lower<LstmOp, LstmOp> = ({ op }) => ({ op });
