import { relativeAttentionRules as graphRules } from '../../graph/ops/relative-attention.ts';
import type { RelativeAttentionOp } from '../../graph/ops/relative-attention.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { FULL_ATTENTION_SCRATCH_BYTES } from './full-attention.ts';

/** Bytes of a thread's scratch: scores of distances, and 8 rows of queries with either bias (`assembly/relative-attention.ts`). */
export function relativeScratchBytes({ headDim }: Pick<RelativeAttentionOp, 'headDim'>): number {
  return FULL_ATTENTION_SCRATCH_BYTES + 2 * 8 * headDim * 4;
}

export const relativeAttentionRules: CpuOpRules<RelativeAttentionOp> = {
  code: 31,
  describe: (op) => `${op.contentBias.id} ${op.positionBias.id} ${graphRules.print?.(op)}`,
  write(out, { op, inputs: [q, k, v, p], outputs: [y] }, at) {
    out.ints(op.heads, op.headDim);
    out.float(op.scale);
    out.ints(at.vector(op.contentBias.id), at.vector(op.positionBias.id));
    for (const value of [q, k, v, p, y]) out.ints(...rowsAt(at, value));
  },
};

export const lowerRelativeAttention: Lower<RelativeAttentionOp, RelativeAttentionOp> = ({ op }) => ({ op });
