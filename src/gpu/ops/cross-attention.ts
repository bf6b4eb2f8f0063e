import type { CrossAttentionOp } from '../../graph/ops/cross-attention.ts';
import { stateName } from '../../graph/state.ts';
import { crossAttentionKernel, crossAttentionWorkgroups } from '../kernels/cross-attention/cross-attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';
import { memoryShape } from './write-memory.ts';

const INVOCATIONS = 64;

export const crossAttentionRules: GpuOpRules<CrossAttentionOp> = {
  describe: ({ heads, state }) => `heads=${heads} state=${stateName(state)}`,
  uses(step, _, { kv, single }) {
    const { heads, scale, state } = step.op;
    const variant = { shape: { ...memoryShape(state, kv), heads, scale }, invocations: INVOCATIONS, single };
    return rowUse(step, {
      kernel: crossAttentionKernel(variant),
      buffers: {
        q: floatsRef(step.inputs[0] as GpuValue),
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        memory: { kind: 'sequences', name: 'memory' },
        pageTable: { kind: 'pageTable', group: state.group },
        kv: { kind: 'state', state: state.index },
      },
      workgroups: (rows) => crossAttentionWorkgroups(variant, rows),
    });
  },
};

export const lowerCrossAttention: Lower<CrossAttentionOp, CrossAttentionOp> = ({ op }) => ({ op });
