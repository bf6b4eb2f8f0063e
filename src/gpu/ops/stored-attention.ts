import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import { visibility } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { storedAttentionKernel, storedAttentionWorkgroups } from '../kernels/stored-attention/stored-attention.ts';
import { refuseScores } from './attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';
import { memoryShape } from './write-memory.ts';

const INVOCATIONS = 64;

export const storedAttentionRules: GpuOpRules<StoredAttentionOp> = {
  describe: ({ heads, state }) => `heads=${heads} state=${stateName(state)}${visibility({ causal: true, window: state.window })}`,
  uses(step, _, { kv, single }) {
    const { heads, scale, state } = step.op;
    const [q, positions] = step.inputs as readonly GpuValue[];
    const shape = { ...memoryShape(state, kv), heads, scale, causal: !state.memory, window: state.window };
    const variant = { shape, invocations: INVOCATIONS, single };
    return rowUse(step, {
      kernel: storedAttentionKernel(variant),
      buffers: {
        q: floatsRef(q as GpuValue),
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        ...(positions === undefined
          ? { memory: { kind: 'sequences', name: 'memory' } as const }
          : { positions: floatsRef(positions) }),
        pageTable: { kind: 'pageTable', group: state.group },
        kv: { kind: 'state', state: state.index },
      },
      workgroups: (rows) => storedAttentionWorkgroups(variant, rows),
    });
  },
};

export const lowerStoredAttention: Lower<StoredAttentionOp, StoredAttentionOp> = ({ op, label }) => {
  refuseScores(op, label);
  return { op };
};
