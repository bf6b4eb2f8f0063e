/** Attention over a memory. That over the state of another layer is attention that writes nothing (attention-op.ts). */
import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import { scoring } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { storedAttentionKernel, storedAttentionWorkgroups } from '../kernels/stored-attention/stored-attention.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { gainOf } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { overStored } from './attention-op.ts';
import type { AttentionOp } from './attention-op.ts';
import { rowUse } from './row-use.ts';
import { memoryShape } from './write-memory.ts';

const INVOCATIONS = 64;

export const storedAttentionRules: GpuOpRules<StoredAttentionOp> = {
  describe: ({ heads, state, ...scores }) => `heads=${heads} state=${stateName(state)}${scoring(scores)}`,
  vectors: ({ sinks }) => [sinks && gainOf({ weight: sinks })],
  uses(step, _, { kv, single }) {
    const { heads, scale, softcap, sinks, state } = step.op;
    const [q] = step.inputs as readonly [GpuValue];
    const shape = { ...memoryShape(state, kv), heads, scale, softcap, ...(sinks && { sinks: true as const }) };
    const variant = { shape, invocations: INVOCATIONS, single };
    return rowUse(step, {
      kernel: storedAttentionKernel(variant),
      buffers: {
        q: floatsRef(q),
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        memory: { kind: 'sequences', name: 'memory' },
        pageTable: { kind: 'pageTable', group: state.group },
        kv: { kind: 'state', state: state.index },
        ...(sinks ? { sinks: vectorRef(sinks.id) } : {}),
      },
      workgroups: (rows) => storedAttentionWorkgroups(variant, rows),
    });
  },
};

export const lowerStoredAttention: Lower<StoredAttentionOp, StoredAttentionOp | AttentionOp> = ({ op }) => ({
  op: op.state.memory ? op : overStored(op),
});
