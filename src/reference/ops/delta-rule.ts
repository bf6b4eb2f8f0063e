import type { SlotPlace } from '../../graph/executor.ts';
import { DELTA_RULE_EPS, keyHeadOf } from '../../graph/ops/delta-rule.ts';
import type { DeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import type { RunOp } from '../op-run.ts';

/** x as a vector of length `scale`, or less where it is next to nothing. */
function unit(x: Float64Array, scale: number): Float64Array {
  const squares = x.reduce((sum, value) => sum + value * value, 0);
  return x.map((value) => (value * scale) / Math.sqrt(squares + DELTA_RULE_EPS));
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** What one row does to the state of a head, and reads of it. */
interface HeadRow {
  /** [keyDim], after their norms. */
  readonly q: Float64Array;
  readonly k: Float64Array;
  /** [valueDim]. */
  readonly v: Float64Array;
  readonly decay: number;
  readonly beta: number;
}

/** Changes `state` [valueDim, keyDim]; returns y [valueDim]. */
function stepHead(state: Float64Array, { q, k, v, decay, beta }: HeadRow): Float64Array {
  return v.map((value, i) => {
    const line = state.subarray(i * k.length, (i + 1) * k.length);
    line.forEach((s, j) => (line[j] = s * decay));
    const correction = beta * (value - dot(line, k));
    line.forEach((s, j) => (line[j] = s + correction * k[j]!));
    return dot(line, q);
  });
}

export const runDeltaRule: RunOp<DeltaRuleOp> = (op, [qkvValue, aValue, bValue], run) => {
  const { keyHeads, valueHeads, keyDim, valueDim, state } = op;
  const [qkv, a, b] = [run.floats(qkvValue), run.floats(aValue), run.floats(bValue)];
  const [rates, dtBias] = [run.decoded(op.decay.id), run.decoded(op.dtBias.id)];
  const [width, outWidth] = [2 * keyHeads * keyDim + valueHeads * valueDim, valueHeads * valueDim];
  const y = new Float64Array((qkv.length / width) * outWidth);
  const headRow = (row: number, head: number): HeadRow => {
    const part = (start: number, length: number) => qkv.subarray(row * width + start, row * width + start + length);
    const keyHead = keyHeadOf(op, head);
    return {
      q: unit(part(keyHead * keyDim, keyDim), keyDim ** -0.5),
      k: unit(part((keyHeads + keyHead) * keyDim, keyDim), 1),
      v: part(2 * keyHeads * keyDim + head * valueDim, valueDim),
      decay: Math.exp(rates[head]! * softplus(a[row * valueHeads + head]! + dtBias[head]!)),
      beta: sigmoid(b[row * valueHeads + head]!),
    };
  };
  let firstRow = 0;
  for (const { rows, slots } of run.sequences) {
    const { read, write } = slots as SlotPlace;
    const now = run.slotOf(state, read).slice();
    for (let row = firstRow; row < firstRow + rows; row++) {
      for (let head = 0; head < valueHeads; head++) {
        const own = now.subarray(head * valueDim * keyDim, (head + 1) * valueDim * keyDim);
        y.set(stepHead(own, headRow(row, head)), row * outWidth + head * valueDim);
      }
    }
    run.slotOf(state, write).set(now.map(Math.fround));
    firstRow += rows;
  }
  return y;
};
