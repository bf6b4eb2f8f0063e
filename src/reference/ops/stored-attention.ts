import type { StoredAttentionOp } from '../../graph/ops/stored-attention.ts';
import type { RunOp } from '../op-run.ts';
import { attendRow, keysSeen, temperatureAt } from './attention.ts';

export const runStoredAttention: RunOp<StoredAttentionOp> = (op, [qValue], run) => {
  const { heads, state, softcap, temperature } = op;
  const { heads: kvHeads, keyDim, valueDim } = state;
  const q = run.floats(qValue);
  const width = heads * keyDim;
  const sinks = op.sinks && run.decoded(op.sinks.id);
  const y = new Float64Array((q.length / keyDim) * valueDim);
  let row = 0;
  for (const sequence of run.sequences) {
    const { start, rows, memory = 0 } = sequence;
    const at = run.stored(state, sequence);
    for (let position = start; position < start + rows; position++, row++) {
      const seen = state.memory ? { first: 0, last: memory - 1 } : keysSeen({ causal: true, window: state.window }, position, position);
      const scale = op.scale * temperatureAt(temperature, position);
      y.set(
        attendRow(q.subarray(row * width, (row + 1) * width), seen, at, { heads, kvHeads, keyDim, valueDim, softcap, sinks, scale }),
        row * heads * valueDim,
      );
    }
  }
  return y;
};
