import type { WriteMemoryOp } from '../../graph/ops/write-memory.ts';
import { stateName } from '../../graph/state.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { AS_THEY_ARE, writeAttentionRecord } from './attention.ts';

export const writeMemoryRules: CpuOpRules<WriteMemoryOp> = {
  code: 14,
  describe: ({ state }) => `state=${stateName(state)}`,
  write(out, { op: { state }, inputs: [k, v, positions] }, at) {
    const { heads, window } = state;
    const values = [undefined, k, v, undefined] as const;
    const preparations = [AS_THEY_ARE, AS_THEY_ARE, AS_THEY_ARE] as const;
    writeAttentionRecord(out, { heads, scale: 1, state, causal: false, window, values, preparations, turns: [positions], ahead: 0 }, at);
  },
};

export const lowerWriteMemory: Lower<WriteMemoryOp, WriteMemoryOp> = ({ op }) => ({ op });
