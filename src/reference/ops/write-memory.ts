import type { WriteMemoryOp } from '../../graph/ops/write-memory.ts';
import type { RunOp } from '../op-run.ts';

export const runWriteMemory: RunOp<WriteMemoryOp> = ({ state }, [k, v], run) => {
  const widths = [state.heads * state.keyDim, state.heads * state.valueDim] as const;
  const parts = [run.floats(k), run.floats(v)] as const;
  let row = 0;
  for (const sequence of run.sequences) {
    const at = run.stored(state, sequence);
    for (let position = sequence.start; position < sequence.start + sequence.rows; position++, row++) {
      for (const part of [0, 1] as const)
        at(part, position).set(run.asStored(state, part, parts[part].subarray(row * widths[part], (row + 1) * widths[part])));
    }
  }
  return new Float64Array(0);
};
