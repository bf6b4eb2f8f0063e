import type { LstmOp } from '../../graph/ops/lstm.ts';
import type { SlotPlace } from '../../graph/executor.ts';
import type { OpRun, RunOp } from '../op-run.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Rows [first, first + rows) of gates [rows, 4 * hidden] into y [rows, hidden]; `h` and `c` are those before, and then those after. */
function recur(gates: Float64Array, y: Float64Array, order: readonly number[], { weights, h, c }: {
  readonly weights: ArrayLike<number>; readonly h: Float64Array; readonly c: Float64Array;
}): void {
  const hidden = h.length;
  for (const row of order) {
    const a = Float64Array.from({ length: 4 * hidden }, (_, i) => {
      let sum = gates[row * 4 * hidden + i]!;
      for (let k = 0; k < hidden; k++) sum += weights[i * hidden + k]! * h[k]!;
      return sum;
    });
    for (let i = 0; i < hidden; i++) {
      c[i] = sigmoid(a[hidden + i]!) * c[i]! + sigmoid(a[i]!) * Math.tanh(a[2 * hidden + i]!);
      h[i] = sigmoid(a[3 * hidden + i]!) * Math.tanh(c[i]!);
    }
    y.set(h, row * hidden);
  }
}

export const runLstm: RunOp<LstmOp> = ({ weight, state, reverse }, [gatesValue], run) => {
  const gates = run.floats(gatesValue);
  const hidden = weight.shape[1] as number;
  const rows = gates.length / (4 * hidden);
  const weights = run.decoded(weight.id);
  const y = new Float64Array(rows * hidden);
  if (state !== undefined) {
    runSequences(run, { state, hidden }, (order, h, c) => recur(gates, y, order, { weights, h, c }));
    return y;
  }
  const order = Array.from({ length: rows }, (_, i) => (reverse ? rows - 1 - i : i));
  recur(gates, y, order, { weights, h: new Float64Array(hidden), c: new Float64Array(hidden) });
  return y;
};

type Recur = (order: readonly number[], h: Float64Array, c: Float64Array) => void;

function runSequences(run: OpRun, { state, hidden }: { readonly state: NonNullable<LstmOp['state']>; readonly hidden: number }, of: Recur) {
  let first = 0;
  for (const { rows, slots } of run.sequences) {
    const { read, write } = slots as SlotPlace;
    const before = run.slotOf(state, read).slice();
    const [h, c] = [before.subarray(0, hidden), before.subarray(hidden)];
    of(Array.from({ length: rows }, (_, i) => first + i), h, c);
    run.slotOf(state, write).set(before.map(Math.fround));
    first += rows;
  }
}
