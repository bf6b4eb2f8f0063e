import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import { scoring, visibility } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { AS_THEY_ARE, writeAttentionRecord } from './attention.ts';

export const storedAttentionRules: CpuOpRules<StoredAttentionOp> = {
  code: 15,
  describe: ({ heads, state, ...scores }) =>
    `heads=${heads} state=${stateName(state)}${visibility({ causal: true, window: state.window })}${scoring(scores)}`,
  write(out, { op, inputs: [q], outputs: [y] }, at) {
    const values = [q, undefined, undefined, y] as const;
    const { state } = op;
    const preparations = [AS_THEY_ARE, AS_THEY_ARE, AS_THEY_ARE] as const;
    // Rows see all of a memory, and of a layer's keys those up to their own.
    const seen = { causal: !state.memory, window: state.window };
    writeAttentionRecord(out, { ...op, ...seen, values, preparations, turns: [], ahead: 0 }, at);
  },
};

export const lowerStoredAttention: Lower<StoredAttentionOp, StoredAttentionOp> = ({ op }) => ({ op });
