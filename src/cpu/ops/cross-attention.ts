import type { CrossAttentionOp } from '../../graph/ops/cross-attention.ts';
import { stateName } from '../../graph/state.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { AS_THEY_ARE, writeAttentionRecord } from './attention.ts';

export const crossAttentionRules: CpuOpRules<CrossAttentionOp> = {
  code: 15,
  describe: ({ heads, state }) => `heads=${heads} state=${stateName(state)}`,
  write(out, { op: { heads, scale, state }, inputs: [q], outputs: [y] }, at) {
    const values = [q, undefined, undefined, y] as const;
    const preparations = [AS_THEY_ARE, AS_THEY_ARE] as const;
    const fields = { heads, scale, state, causal: false, window: undefined, values, preparations, positions: undefined };
    writeAttentionRecord(out, fields, at);
  },
};

export const lowerCrossAttention: Lower<CrossAttentionOp, CrossAttentionOp> = ({ op }) => ({ op });
