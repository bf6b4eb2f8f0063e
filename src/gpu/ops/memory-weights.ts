import type { MemoryWeightsOp } from '../../graph/ops/memory-weights.ts';
import { stateName } from '../../graph/state.ts';
import { memoryWeightsKernel, memoryWeightsWorkgroups } from '../kernels/memory-weights/memory-weights.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';
import { memoryShape } from './write-memory.ts';

const INVOCATIONS = 64;

export const memoryWeightsRules: GpuOpRules<MemoryWeightsOp> = {
  describe: ({ heads, state, taken }) => `heads=${heads} state=${stateName(state)} taken=${taken.join(',')}`,
  uses(step, _, { kv, single }) {
    const { heads, scale, taken, positions, state } = step.op;
    const [q] = step.inputs as readonly [GpuValue];
    const variant = { shape: { ...memoryShape(state, kv), heads, scale }, taken, positions, invocations: INVOCATIONS, single };
    return rowUse(step, {
      kernel: memoryWeightsKernel(variant),
      buffers: {
        q: floatsRef(q),
        rowSequence: { kind: 'sequences', name: 'rowSequence' },
        memory: { kind: 'sequences', name: 'memory' },
        pageTable: { kind: 'pageTable', group: state.group },
        kv: { kind: 'state', state: state.index },
      },
      workgroups: (rows) => memoryWeightsWorkgroups(variant, rows),
    });
  },
};

export const lowerMemoryWeights: Lower<MemoryWeightsOp, MemoryWeightsOp> = ({ op }) => ({ op });
