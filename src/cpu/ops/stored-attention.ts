import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import { visibility } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { AS_THEY_ARE, refuseScores, writeAttentionRecord } from './attention.ts';

export const storedAttentionRules: CpuOpRules<StoredAttentionOp> = {
  code: 15,
  describe: ({ heads, state }) => `heads=${heads} state=${stateName(state)}${visibility({ causal: true, window: state.window })}`,
  write(out, { op: { heads, scale, state }, inputs: [q], outputs: [y] }, at) {
    const values = [q, undefined, undefined, y] as const;
    const preparations = [AS_THEY_ARE, AS_THEY_ARE] as const;
    // Rows see all of a memory, and of a layer's keys those up to their own.
    const fields = { heads, scale, state, causal: !state.memory, window: state.window, values, preparations, positions: undefined };
    writeAttentionRecord(out, fields, at);
  },
};

export const lowerStoredAttention: Lower<StoredAttentionOp, StoredAttentionOp> = ({ op, label }) => {
  refuseScores(op, label);
  return { op };
};
