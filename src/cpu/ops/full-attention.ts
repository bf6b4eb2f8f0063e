import type { FullAttentionOp } from '../../graph/ops/full-attention.ts';
import type { Dim } from '../../graph/value.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

/** Bytes of a thread's scratch: scores of 64 keys of two rows, and two numbers of each of 8 rows (`assembly/full-attention.ts`). */
export const FULL_ATTENTION_SCRATCH_BYTES = 2 * 64 * 4 + 8 * 8;

export const fullAttentionRules: CpuOpRules<FullAttentionOp> = {
  code: 12,
  describe: ({ heads, kvHeads, keyDim, valueDim }) => `heads=${heads} kvHeads=${kvHeads} keyDim=${keyDim} valueDim=${valueDim}`,
  write(out, { op, inputs, outputs }, at) {
    out.ints(op.heads, op.kvHeads, op.keyDim, op.valueDim);
    out.float(op.scale);
    out.ints(at.dim(inputs[1]?.shape[0] as Dim));
    out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, inputs[1]), ...rowsAt(at, inputs[2]), ...rowsAt(at, outputs[0]));
  },
};

export const lowerFullAttention: Lower<FullAttentionOp, FullAttentionOp> = ({ op }) => ({ op });
