/**
 * The gated delta rule (graph/ops/delta-rule.ts). A work item is a head of one sequence. A line S[value, :] of its state changes by itself,
 * given the rows' queries and keys: some lines go through some rows at a time, one row after another.
 *
 * A row reads the old line s once for both products and then replaces it, with d the decay:
 *     correction = beta * (v - d * (s . k)),  y = d * (s . q) + correction * (k . q),  s = d * s + correction * k.
 */
import { activationRow } from './activation';
import { takeItems } from './control';
import { scaleRow } from './elementwise';
import { exp1, madd, sumLanes, sumOfEach } from './float-math';
import { DOWN, rmsNormVector } from './norm';
import { SEQUENCE_BYTES, DeltaRuleRecord, SequenceRecord, StepRecord } from './step-records';

/** Beside the sum of squares of a query or key. */
const EPS: f32 = 1e-6;

export function runDeltaRule(control: usize, op: DeltaRuleRecord, step: StepRecord, scratch: usize): void {
  const items = step.sequenceCount * op.valueHeads;
  for (let item = takeItems(control, 1); item < items; item = takeItems(control, 1)) {
    const sequence = changetype<SequenceRecord>(step.sequences + <usize>(item / op.valueHeads) * SEQUENCE_BYTES);
    scanRows(op, sequence, item % op.valueHeads, scratch);
  }
}

/** Rows that are made ready at a time: their queries and keys, and the lines that go through them, stay in the nearest cache. */
const ROWS_AT_A_TIME: i32 = 16;
/** Numbers of a row behind its query and key: decay, beta, k . q. */
const ROW_NUMBERS: i32 = 4;

function scanRows(op: DeltaRuleRecord, sequence: SequenceRecord, head: i32, scratch: usize): void {
  const keyBytes = <usize>(op.keyDim * 4);
  const first = head * op.valueDim;
  const stateAt = op.stateOffset + <usize>first * keyBytes;
  let from = sequence.read + stateAt;
  const to = sequence.write + stateAt;
  const endRow = sequence.firstRow + sequence.rows;
  for (let row = sequence.firstRow; row < endRow; row += ROWS_AT_A_TIME) {
    const rows = min(ROWS_AT_A_TIME, endRow - row);
    prepareRows(op, head, row, rows, scratch);
    const lines = op.keyDim % 4 == 0 ? op.valueDim & ~3 : 0;
    for (let line = 0; line < lines; line += 4) {
      const at = <usize>line * keyBytes;
      scanFourLines(op, from + at, to + at, first + line, row, rows, scratch);
    }
    for (let line = lines; line < op.valueDim; line++) {
      const at = <usize>line * keyBytes;
      scanLine(op, from + at, to + at, first + line, row, rows, scratch);
    }
    if (op.z) gateRows(op, first, row, rows);
    from = to;
  }
}

/** y = fn(z) * norm(y) of the head whose values begin at `first`. */
function gateRows(op: DeltaRuleRecord, first: i32, firstRow: i32, rows: i32): void {
  const at = <usize>(first * 4);
  for (let row = firstRow; row < firstRow + rows; row++) {
    const y = op.out + <usize>row * op.outStride + at;
    rmsNormVector(y, op.gain, op.eps, y, op.valueDim);
    activationRow(op.fn, op.z + <usize>row * op.zStride + at, y, y, op.valueDim);
  }
}

/** Of each row what all lines need: f32[rows, 2 * keyDim + ROW_NUMBERS]. */
function prepareRows(op: DeltaRuleRecord, head: i32, first: i32, rows: i32, scratch: usize): void {
  const keyHead = op.tiled ? head % op.keyHeads : head / (op.valueHeads / op.keyHeads);
  const keyBytes = <usize>(op.keyDim * 4);
  const at = <usize>(head * 4);
  const rate = load<f32>(op.decay + at);
  const dtBias = load<f32>(op.dtBias + at);
  let q = scratch;
  for (let row = first; row < first + rows; row++) {
    const k = q + keyBytes;
    const numbers = k + keyBytes;
    const qkv = op.qkv + <usize>row * op.qkvStride;
    unitVector(qkv + <usize>keyHead * keyBytes, <f32>1.0 / sqrt<f32>(<f32>op.keyDim), q, op.keyDim);
    unitVector(qkv + <usize>(op.keyHeads + keyHead) * keyBytes, 1, k, op.keyDim);
    store<f32>(numbers, exp1(rate * softplus(load<f32>(op.a + <usize>row * op.aStride + at) + dtBias)));
    store<f32>(numbers, sigmoid(load<f32>(op.b + <usize>row * op.bStride + at)), 4);
    store<f32>(numbers, dot(k, q, op.keyDim), 8);
    q = numbers + ROW_NUMBERS * 4;
  }
}

// @ts-ignore: decorator
@inline
function valueAt(op: DeltaRuleRecord, row: i32, value: i32): usize {
  return op.qkv + <usize>row * op.qkvStride + <usize>((2 * op.keyHeads * op.keyDim + value) * 4);
}

function scanFourLines(op: DeltaRuleRecord, first: usize, to: usize, value: i32, firstRow: i32, rows: i32, scratch: usize): void {
  const keyBytes = <usize>(op.keyDim * 4);
  let from = first;
  let q = scratch;
  for (let row = firstRow; row < firstRow + rows; row++) {
    const out = op.out + <usize>row * op.outStride + <usize>(value * 4);
    v128.store(out, stepLines(from, to, q, keyBytes, v128.load(valueAt(op, row, value))));
    from = to;
    q += 2 * keyBytes + ROW_NUMBERS * 4;
  }
}

function scanLine(op: DeltaRuleRecord, first: usize, to: usize, value: i32, firstRow: i32, rows: i32, scratch: usize): void {
  const keyBytes = <usize>(op.keyDim * 4);
  let from = first;
  let q = scratch;
  for (let row = firstRow; row < firstRow + rows; row++) {
    const out = op.out + <usize>row * op.outStride + <usize>(value * 4);
    store<f32>(out, stepLine(from, to, q, op.keyDim, load<f32>(valueAt(op, row, value))));
    from = to;
    q += 2 * keyBytes + ROW_NUMBERS * 4;
  }
}

/** out = scale * x / sqrt(sum(x^2) + eps). All NaN where x holds NaN or infinity. */
function unitVector(x: usize, scale: f32, out: usize, count: i32): void {
  const squares = dot(x, x, count);
  if (squares < Infinity) return scaleRow(x, scale / sqrt<f32>(squares + EPS), out, count);
  // Squares that overflow, as in norm.ts.
  scaleRow(x, DOWN, out, count);
  const scaled = dot(out, out, count);
  scaleRow(out, scaled < Infinity ? scale / sqrt<f32>(scaled) : NaN, out, count);
}

function dot(x: usize, y: usize, count: i32): f32 {
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= count; i += 4) sums = madd(v128.load(x + <usize>(i * 4)), v128.load(y + <usize>(i * 4)), sums);
  let sum = sumLanes(sums);
  for (; i < count; i++) sum += load<f32>(x + <usize>(i * 4)) * load<f32>(y + <usize>(i * 4));
  return sum;
}

function softplus(x: f32): f32 {
  return max<f32>(x, 0) + NativeMathf.log1p(exp1(-abs<f32>(x)));
}

function sigmoid(x: f32): f32 {
  const e = exp1(-abs<f32>(x));
  return (x < 0 ? e : <f32>1) / (<f32>1 + e);
}

/** Four lines one after another, `bytes` of each a multiple of 16, and a row that prepareRows has made ready; their y. */
// @ts-ignore: decorator
@inline
function stepLines(from: usize, to: usize, q: usize, bytes: usize, values: v128): v128 {
  const k = q + bytes;
  let k0 = f32x4.splat(0);
  let k1 = f32x4.splat(0);
  let k2 = f32x4.splat(0);
  let k3 = f32x4.splat(0);
  let q0 = f32x4.splat(0);
  let q1 = f32x4.splat(0);
  let q2 = f32x4.splat(0);
  let q3 = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const kOf = v128.load(k + at);
    const qOf = v128.load(q + at);
    const line0 = v128.load(from + at);
    k0 = madd(line0, kOf, k0);
    q0 = madd(line0, qOf, q0);
    const line1 = v128.load(from + bytes + at);
    k1 = madd(line1, kOf, k1);
    q1 = madd(line1, qOf, q1);
    const line2 = v128.load(from + 2 * bytes + at);
    k2 = madd(line2, kOf, k2);
    q2 = madd(line2, qOf, q2);
    const line3 = v128.load(from + 3 * bytes + at);
    k3 = madd(line3, kOf, k3);
    q3 = madd(line3, qOf, q3);
  }
  const decay = v128.load32_splat(k + bytes);
  const missing = f32x4.sub(values, f32x4.mul(decay, sumOfEach(k0, k1, k2, k3)));
  const corrections = f32x4.mul(v128.load32_splat(k + bytes, 4), missing);
  const c0 = v128.shuffle<f32>(corrections, corrections, 0, 0, 0, 0);
  const c1 = v128.shuffle<f32>(corrections, corrections, 1, 1, 1, 1);
  const c2 = v128.shuffle<f32>(corrections, corrections, 2, 2, 2, 2);
  const c3 = v128.shuffle<f32>(corrections, corrections, 3, 3, 3, 3);
  for (let at: usize = 0; at < bytes; at += 16) {
    const kOf = v128.load(k + at);
    v128.store(to + at, madd(kOf, c0, f32x4.mul(decay, v128.load(from + at))));
    v128.store(to + bytes + at, madd(kOf, c1, f32x4.mul(decay, v128.load(from + bytes + at))));
    v128.store(to + 2 * bytes + at, madd(kOf, c2, f32x4.mul(decay, v128.load(from + 2 * bytes + at))));
    v128.store(to + 3 * bytes + at, madd(kOf, c3, f32x4.mul(decay, v128.load(from + 3 * bytes + at))));
  }
  return madd(corrections, v128.load32_splat(k + bytes, 8), f32x4.mul(decay, sumOfEach(q0, q1, q2, q3)));
}

/** One line of any length; its y. */
function stepLine(from: usize, to: usize, q: usize, keyDim: i32, value: f32): f32 {
  const bytes = <usize>(keyDim * 4);
  const k = q + bytes;
  const decay = load<f32>(k + bytes);
  const correction = load<f32>(k + bytes, 4) * (value - decay * dot(from, k, keyDim));
  const y = decay * dot(from, q, keyDim) + correction * load<f32>(k + bytes, 8);
  for (let at: usize = 0; at < bytes; at += 4) store<f32>(to + at, decay * load<f32>(from + at) + correction * load<f32>(k + at));
  return y;
}
