import type { LstmOp } from '../../graph/ops/lstm.ts';
import { lstmRules as graphRules } from '../../graph/ops/lstm.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import { lstmKernel, lstmWorkgroups } from '../kernels/lstm/lstm.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { WeightRef } from '../../graph/value.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import type { BufferRef } from '../plan/kernel-use.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Of a workgroup, which takes a sequence: nobody else works on it. */
const INVOCATIONS = 1024;

function gatesVector(weight: WeightRef): PlannedVector {
  return { key: `${weight.id} by gates`, parts: [{ weight, length: elementsOf(weight.shape) }], arrangement: 'gates' };
}

export const lstmRules: GpuOpRules<LstmOp> = {
  describe: (op) => `${op.weight.id} ${graphRules.print?.(op)}`.trim(),
  vectors: ({ weight }) => [gatesVector(weight)],
  uses(step, _, { profile }) {
    const { weight, state, reverse } = step.op;
    const hidden = weight.shape[1] as number;
    const most = { invocations: Math.min(INVOCATIONS, profile.invocations), bytes: profile.workgroupBytes };
    const variant = { hidden, stateful: state !== undefined, reverse, ...most };
    const buffers: Record<string, BufferRef> = {
      gates: floatsRef(step.inputs[0] as GpuValue),
      weight: vectorRef(gatesVector(weight).key),
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
