import type { CrossAttentionOp } from '../../graph/ops/cross-attention.ts';
import type { RunOp } from '../op-run.ts';
import { attendRow } from './attention.ts';

export const runCrossAttention: RunOp<CrossAttentionOp> = ({ heads, scale, state }, [qValue], run) => {
  const { heads: kvHeads, keyDim, valueDim } = state;
  const q = run.floats(qValue);
  const width = heads * keyDim;
  const y = new Float64Array((q.length / keyDim) * valueDim);
  let row = 0;
  for (const sequence of run.sequences) {
    const seen = { first: 0, last: (sequence.memory as number) - 1 };
    const at = run.stored(state, sequence);
    for (let i = 0; i < sequence.rows; i++, row++) {
      y.set(
        attendRow(q.subarray(row * width, (row + 1) * width), seen, at, { heads, kvHeads, keyDim, valueDim, scale }),
        row * heads * valueDim,
      );
    }
  }
  return y;
};
