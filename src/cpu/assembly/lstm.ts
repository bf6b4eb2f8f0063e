/** The recurrence of a long short-term memory (Hochreiter and Schmidhuber 1997). A work item is a sequence. */
import { activationRow, SIGMOID, TANH } from './activation';
import { takeItems } from './control';
import { madd, sumOfEach } from './float-math';
import { LstmRecord } from './sound-records';
import { rowsOf, SequenceRecord, SEQUENCE_BYTES, StepRecord } from './step-records';

const NO_STATE: usize = 0xffffffff;

export function runLstm(control: usize, op: LstmRecord, step: StepRecord, scratch: usize): void {
  const half = <usize>op.hidden * 4;
  if (op.stateOffset == NO_STATE) {
    if (takeItems(control, 1) != 0) return;
    memory.fill(scratch, 0, 2 * half);
    recur(op, 0, rowsOf(op, step), scratch);
    return;
  }
  for (let item = takeItems(control, 1); item < step.sequenceCount; item = takeItems(control, 1)) {
    const sequence = changetype<SequenceRecord>(step.sequences + <usize>item * SEQUENCE_BYTES);
    memory.copy(scratch, sequence.read + op.stateOffset, 2 * half);
    recur(op, sequence.firstRow, sequence.rows, scratch);
    memory.copy(sequence.write + op.stateOffset, scratch, 2 * half);
  }
}

/** `h`: f32[2, hidden], h and c before the rows, and then those after; behind them f32[4 * hidden], gates of a row. */
function recur(op: LstmRecord, first: i32, rows: i32, h: usize): void {
  const half = <usize>op.hidden * 4;
  const c = h + half;
  const gates = c + half;
  for (let i = 0; i < rows; i++) {
    const row = <usize>(op.reverse ? first + rows - 1 - i : first + i);
    memory.copy(gates, op.gates + row * op.gatesStride, 4 * half);
    addProduct(op.weight, h, gates, 4 * op.hidden, op.hidden);
    activationRow(SIGMOID, gates, 0, gates, 2 * op.hidden);
    activationRow(TANH, gates + 2 * half, 0, gates + 2 * half, op.hidden);
    activationRow(SIGMOID, gates + 3 * half, 0, gates + 3 * half, op.hidden);
    for (let k: usize = 0; k < half; k += 4) {
      const kept = load<f32>(gates + half + k) * load<f32>(c + k);
      store<f32>(c + k, kept + load<f32>(gates + k) * load<f32>(gates + 2 * half + k));
    }
    activationRow(TANH, c, gates + 3 * half, h, op.hidden);
    memory.copy(op.out + row * op.outStride, h, half);
  }
}

/** y[i] += w[i] x; w f32[rows, cols]. */
function addProduct(w: usize, x: usize, y: usize, rows: i32, cols: i32): void {
  const rowBytes = <usize>cols * 4;
  // Four rows at a time; there are four times as many as columns.
  for (let row = 0; row < rows; row += 4) {
    const at = w + <usize>row * rowBytes;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let i: usize = 0;
    for (; i + 16 <= rowBytes; i += 16) {
      const value = v128.load(x + i);
      a = madd(v128.load(at + i), value, a);
      b = madd(v128.load(at + rowBytes + i), value, b);
      c = madd(v128.load(at + 2 * rowBytes + i), value, c);
      d = madd(v128.load(at + 3 * rowBytes + i), value, d);
    }
    for (; i < rowBytes; i += 4) {
      const value = v128.load32_zero(x + i);
      a = madd(v128.load32_zero(at + i), value, a);
      b = madd(v128.load32_zero(at + rowBytes + i), value, b);
      c = madd(v128.load32_zero(at + 2 * rowBytes + i), value, c);
      d = madd(v128.load32_zero(at + 3 * rowBytes + i), value, d);
    }
    const to = y + <usize>(row * 4);
    v128.store(to, f32x4.add(v128.load(to), sumOfEach(a, b, c, d)));
  }
}
