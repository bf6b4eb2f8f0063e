import type { MemoryWeightsOp } from '../../graph/ops/memory-weights.ts';
import { stateName } from '../../graph/state.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { AS_THEY_ARE, writeAttentionRecord } from './attention.ts';

export const memoryWeightsRules: CpuOpRules<MemoryWeightsOp> = {
  code: 34,
  describe: ({ heads, state, taken }) => `heads=${heads} state=${stateName(state)} taken=${taken.join(',')}`,
  /** A record of attention, the number of heads, the positions of each, and the heads. */
  write(out, { op, inputs: [q], outputs: [y] }, at) {
    const values = [q, undefined, undefined, y] as const;
    const preparations = [AS_THEY_ARE, AS_THEY_ARE, AS_THEY_ARE] as const;
    writeAttentionRecord(out, { ...op, causal: false, window: undefined, values, preparations, turns: [], ahead: 0 }, at);
    out.ints(op.taken.length, op.positions, ...op.taken);
  },
};

export const lowerMemoryWeights: Lower<MemoryWeightsOp, MemoryWeightsOp> = ({ op }) => ({ op });
